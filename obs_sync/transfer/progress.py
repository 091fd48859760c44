"""Progress of a transfer: a callback with the counts so far, or a tqdm bar."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Callable, Union


@dataclass(frozen=True)
class Progress:
    """How far a transfer is; bytes count what has been moved, retries included only once."""

    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


Listener = Callable[[Progress], None]
Wanted = Union[bool, Listener, None]


class Tracker:
    """Counts from many threads; tells the listener each time. `close` ends a bar."""

    def __init__(self, wanted: Wanted, files_total: int, bytes_total: int) -> None:
        self._now = Progress(0, files_total, 0, bytes_total)
        self._lock = threading.Lock()
        self._bar: Any = _bar(bytes_total) if wanted is True else None
        self._listener: Listener | None = wanted if callable(wanted) else None

    def add(self, files: int = 0, count: int = 0) -> None:
        """Note finished files and moved bytes."""
        with self._lock:
            self._now = replace(
                self._now, files_done=self._now.files_done + files, bytes_done=self._now.bytes_done + count
            )
            if self._bar is not None:
                self._bar.update(count)
                self._bar.set_postfix_str(f"{self._now.files_done}/{self._now.files_total} files", refresh=False)
            if self._listener is not None:
                self._listener(self._now)

    def close(self) -> None:
        """End the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024, mininterval=0.5)
