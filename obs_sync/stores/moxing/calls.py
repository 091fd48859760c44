"""Calls of moxing with a deadline, retries and this package's errors."""

from __future__ import annotations

import threading
from typing import BinaryIO, Callable, TypeVar

from obs_sync import retry
from obs_sync.atomic import CHUNK
from obs_sync.errors import Transient
from obs_sync.settings import Settings
from obs_sync.stores.moxing import answers
from obs_sync.stores.moxing.answers import FileModule

T = TypeVar("T")
MIN_BYTES_PER_S = 64 << 10


class Calls:
    """Runs functions that use `file`, moxing's file module."""

    def __init__(self, file: FileModule, settings: Settings) -> None:
        self.file, self._settings = file, settings

    def run(self, url: str, operation: str, work: Callable[[], T], weight: int = 0) -> T:
        """The result of `work`, called with retries, a deadline (extended for `weight` bytes) and converted errors."""
        settings = self._settings
        seconds = settings.deadline_s + weight / MIN_BYTES_PER_S
        policy = retry.Policy(settings.max_attempts, settings.backoff_s, settings.max_backoff_s, seconds)
        return retry.run(lambda deadline, _: self._once(url, operation, work, deadline), policy)

    def _once(self, url: str, operation: str, work: Callable[[], T], deadline: retry.Deadline) -> T:
        """Run `work` in a thread that is abandoned if it hangs, as moxing is known to do."""
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread
                errors.append(error)

        limit = max(deadline.remaining(), 0.0)
        worker = threading.Thread(target=run, name="obs_sync-moxing", daemon=True)
        worker.start()
        worker.join(limit)
        if errors:
            raise answers.converted(errors[0], url, operation) from errors[0]
        if not results:
            problem = f"moxing call timed out after {limit:.0f} s"
            raise Transient(problem, url=url, operation=operation, next_step="run it again, or use storage_mode obs")
        return results[0]


def size_from(file: FileModule, url: str, status: object) -> int:
    """The size of an object from its status, else from a further request."""
    size = answers.size_of(status)
    return size if size >= 0 else int(file.get_size(url))


def read_range(file: FileModule, url: str, start: int, size: int) -> bytes:
    """`size` bytes of an object from `start`; if its file cannot seek, the preceding bytes are read and discarded."""
    with file.File(url, "rb") as handle:
        try:
            handle.seek(start)
        except Exception:  # noqa: BLE001 - undocumented: io.UnsupportedOperation, AttributeError or another
            _read_up_to(handle, start, keep=False)
        return _read_up_to(handle, size, keep=True)


def _read_up_to(handle: BinaryIO, size: int, keep: bool) -> bytes:
    """The next bytes of a file, fewer only at its end; with `keep=False` they are discarded."""
    blocks: list[bytes] = []
    while size and (block := handle.read(min(size, CHUNK))):
        size -= len(block)
        if keep:
            blocks.append(block)
    return b"".join(blocks)
