"""The temporary file of a ranged download and the record of its finished ranges; two processes never share one."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Callable, cast

from obs_sync.atomic import exclusive_lock, finish, part_path, sync_folder
from obs_sync.errors import Transient
from obs_sync.stores.etags import Digest

logger = logging.getLogger(__name__)


class PartialFile:
    """A temporary file of the object's size beside `path`; kept for resuming after a temporary failure or Ctrl-C."""

    def __init__(self, path: str, identity: str, size: int, new_hash: Callable[[bytes], Digest]) -> None:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._final, self.new_hash = path, new_hash
        self._exit = contextlib.ExitStack()
        tag = hashlib.sha256(f"{identity}|{os.path.abspath(path)}".encode(errors="surrogateescape")).hexdigest()[:20]
        is_alone = self._exit.enter_context(exclusive_lock(part_path(path, f"{tag}.lock")))
        self.path = part_path(path, tag if is_alone else "")
        self._record_path = f"{self.path[: -len('.part')]}.done.part"
        self._lock = threading.Lock()
        self.done: dict[int, bytes] = {}
        self.handle = self._opened(self.path, "r+b" if os.path.exists(self.path) else "w+b")
        self._record = self._opened(self._record_path, "a+b")
        try:
            self.handle.truncate(size)
        except OSError:
            self._remove()
            self._exit.close()
            raise

    def _opened(self, path: str, mode: str) -> BinaryIO:
        return cast(BinaryIO, self._exit.enter_context(open(path, mode)))

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._exit:
            if isinstance(error, (Transient, KeyboardInterrupt)):
                logger.info("kept partial download %s for resuming", self.path)
            else:
                self._remove()

    def _remove(self) -> None:
        for path in (self.path, self._record_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def verified(self, part_size: int) -> Iterator[int]:
        """Numbers of the ranges that an earlier attempt finished and whose bytes are unchanged."""
        self._record.seek(0)
        for line in self._record.read().splitlines():
            number, _, digest = line.decode(errors="replace").partition(" ")
            if number.isdecimal() and int(number) not in self.done:
                block = os.pread(self.handle.fileno(), part_size, int(number) * part_size)
                if self.new_hash(block).hexdigest() == digest:
                    self.done[int(number)] = bytes.fromhex(digest)
                    yield int(number)

    def record(self, number: int, digest: bytes) -> None:
        """Record a finished range."""
        with self._lock:
            self.done[number] = digest
            self._record.write(f"{number} {digest.hex()}\n".encode())
            self._record.flush()

    def publish(self) -> None:
        """Rename the finished file to its final path."""
        finish(self.handle)
        os.replace(self.path, self._final)
        sync_folder(os.path.dirname(self._final))
