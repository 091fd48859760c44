"""Progress that tells "running" from "stuck": a bar on a terminal, a line every few seconds in a job's log."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from tqdm import tqdm

logger = logging.getLogger(__name__)

LOG_EVERY_S = 5.0


class Progress:
    """Counts `total` items of a long work; use as a context manager and call `advance` for each."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._logged = self._started
        self._bar = tqdm(total=total, desc=what, unit="pic") if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more items are done; `note` (counts so far, say) is shown beside rate and remaining time."""
        self._done += count
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY_S or self._done == self._total:
            self._logged = now
            logger.info("%s", self._line(now - self._started, note))

    def _line(self, elapsed_s: float, note: str) -> str:
        rate = self._done / max(elapsed_s, 1e-9)
        left = clock((self._total - self._done) / rate) if rate else "?"
        return f"{self._what} {self._done}/{self._total}, {rate:.2f}/s, {left} left{'; ' + note if note else ''}"


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class StageTimes:
    """Seconds spent in each named stage: `with times("read"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[tuple[str, float]] = []

    def __call__(self, stage: str) -> StageTimes:
        self._open.append((stage, time.perf_counter()))
        return self

    def __enter__(self) -> StageTimes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stage, started = self._open.pop()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def rounded(self) -> dict[str, float]:
        """Stages and seconds, for a report."""
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}
