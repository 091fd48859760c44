"""Progress of a transfer: a callback with the counts so far, or a tqdm bar."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Callable, Protocol, Union


@dataclass(frozen=True)
class Progress:
    """The progress of a transfer; each byte is counted once, regardless of retries."""

    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


Listener = Callable[[Progress], None]
ProgressOption = Union[bool, Listener, None]


class _Bar(Protocol):
    """The part of a tqdm bar that is used here."""

    def update(self, count: int) -> object:
        """Count bytes."""

    def set_postfix_str(self, text: str, refresh: bool) -> object:
        """The text behind the bar."""

    def close(self) -> object:
        """End it."""


class ProgressTracker:
    """Thread-safe counts; calls the listener at each change. `close` ends a bar."""

    def __init__(self, option: ProgressOption, files_total: int, bytes_total: int) -> None:
        self._now = Progress(0, files_total, 0, bytes_total)
        self._lock = threading.Lock()
        self._bar = _bar(bytes_total) if option is True else None
        self._listener: Listener | None = option if callable(option) else None

    def add(self, files: int = 0, count: int = 0) -> None:
        """Count finished files and moved bytes."""
        with self._lock:
            files_done, bytes_done = self._now.files_done + files, self._now.bytes_done + count
            self._now = replace(self._now, files_done=files_done, bytes_done=bytes_done)
            if self._bar is not None:
                self._bar.update(count)
                self._bar.set_postfix_str(f"{files_done}/{self._now.files_total} files", refresh=False)
            if self._listener is not None:
                self._listener(self._now)

    def close(self) -> None:
        """End the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()


class FileProgress:
    """Reports the bytes of one file to the tracker, and the rest of its size when it is finished."""

    def __init__(self, tracker: ProgressTracker) -> None:
        self._count, self._tracker, self._lock = 0, tracker, threading.Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self._count += count
        self._tracker.add(0, count)

    def finish(self, size: int) -> None:
        """Count the file as done, with the bytes that did not have to be moved."""
        self._tracker.add(1, size - self._count)


def _bar(total: int) -> _Bar:
    from tqdm import tqdm

    bar: _Bar = tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024, mininterval=0.5)
    return bar
