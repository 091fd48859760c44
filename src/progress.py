"""Progress that distinguishes "running" from "stuck": a bar on a terminal, regular lines in a job's log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from tqdm import tqdm

logger = logging.getLogger(__name__)

LOG_EVERY_S = 5.0
#: Without progress for this long, a line says so: silence would look like the end.
SILENT_AFTER_S = 30.0
#: The rate is measured over this window: earlier work, such as compiling, says nothing about the time left.
RATE_OVER_S = 60.0


class Progress:
    """Counts `total` items of a long operation; use it as a context manager and call `advance` for each item."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        now = time.monotonic()
        self._logged = self._advanced = now
        self._recent: deque[tuple[float, int]] = deque([(now, 0)])
        self._finished = threading.Event()
        self._watch: threading.Thread | None = None
        self._bar = tqdm(total=total, desc=what, unit="pic") if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        if self._bar is None:
            self._watch = threading.Thread(target=self._watch_for_silence, name="progress", daemon=True)
            self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        if self._watch is not None:
            self._watch.join()
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int = 1, note: str = "", after_compiling: bool = False) -> None:
        """Record `count` finished items; `note`, such as counts so far, is shown after rate and remaining time.

        `after_compiling`: the time until now says nothing about the rate, which is measured anew from here on.
        """
        self._done += count
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        now = self._advanced = time.monotonic()
        if after_compiling:
            self._recent = deque([(now, self._done)])
        self._remember(now)
        if now - self._logged >= LOG_EVERY_S or self._done == self._total:
            self._logged = now
            logger.info("%s", self._line(now, note))

    def _remember(self, now: float) -> None:
        """Keep the counts of the last RATE_OVER_S seconds, without the time before the first item (compiling)."""
        if now - self._recent[-1][0] >= 0.5 or len(self._recent) == 1:
            self._recent.append((now, self._done))
            if len(self._recent) == 3 and self._recent[0][1] == 0:
                self._recent.popleft()
        while len(self._recent) > 2 and now - self._recent[1][0] > RATE_OVER_S:
            self._recent.popleft()

    def _line(self, now: float, note: str) -> str:
        began, done_then = self._recent[0]
        shown, note = f"{self._what} {self._done}/{self._total}", f"; {note}" if note else ""
        if self._done == done_then:  # nothing is measured yet
            return shown + note
        rate = (self._done - done_then) / max(now - began, 1e-9)
        return f"{shown}, {rate:.2f}/s, {clock((self._total - self._done) / rate)} left{note}"

    def _watch_for_silence(self) -> None:
        while not self._finished.wait(SILENT_AFTER_S):
            now = time.monotonic()
            silent_s = now - max(self._advanced, self._logged)
            if silent_s >= SILENT_AFTER_S:
                self._logged = now
                waited = clock(now - self._advanced)
                logger.info("%s %d/%d, no progress for %s", self._what, self._done, self._total, waited)


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class StageTimes:
    """Seconds spent in each named stage, summed over all threads: `with times("read"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def rounded(self) -> dict[str, float]:
        """Seconds by stage, rounded to milliseconds."""
        with self._lock:
            return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}
