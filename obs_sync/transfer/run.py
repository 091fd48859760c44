"""The moving part of a transfer: compare with what is there, move in threads, look at the result, keep the account."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable

from obs_sync.atomic import CHUNK, local_errors, replacing
from obs_sync.errors import Integrity, NotFound, ObsSyncError
from obs_sync.filesystem import ObsFileSystem
from obs_sync.parallel import for_each
from obs_sync.stores.base import ObjectInfo, OnBytes, mismatch
from obs_sync.transfer import compare as identity
from obs_sync.transfer import plan
from obs_sync.transfer.endpoints import File, LocalPlace, Place, RemotePlace
from obs_sync.transfer.etag_cache import TagBook, stamp, state_folder
from obs_sync.transfer.progress import Tracker, Wanted
from obs_sync.transfer.result import TransferResult

logger = logging.getLogger(__name__)


class Job:
    """One transfer while it runs: two places, the account, and what is known of local files."""

    def __init__(
        self,
        fs: ObsFileSystem,
        source: Place,
        target: Place,
        result: TransferResult,
        single: bool,
        order: Iterable[str] = (),
    ) -> None:
        self.source, self.target, self.result, self.single = source, target, result, single
        self._order = order
        self._large = fs.settings.multipart_from
        self._book = TagBook(state_folder(fs.settings.state_dir))
        self._lock = threading.Lock()
        self._copied: dict[str, int] = {}
        self._written: dict[str, ObjectInfo] = {}
        self._tracker = Tracker(None, 0, 0)

    def run(self, files: list[File], progress: Wanted, threads: int) -> None:
        """Judge, compare, move and confirm the files."""
        todo = self._needed(files)
        if self.result.dry_run:
            self.result.copied = [file.name for file in todo]
            return
        self._tracker = Tracker(progress, len(todo), sum(file.size for file in todo))
        try:
            self._move_all(todo, threads)
            wrong = self._unconfirmed(todo)
            if wrong:
                logger.warning("%d files are not in the store as they were sent: once more", len(wrong))
                self._move_all(list(wrong), threads)
                self._give_up(self._unconfirmed(list(wrong)))
        finally:
            self._tracker.close()
            self._book.close()
            self.result.copied = list(self._copied)
            self.result.copied_bytes = sum(self._copied.values())

    def _give_up(self, wrong: dict[File, str]) -> None:
        for file, problem in wrong.items():
            if self.single:
                raise Integrity(problem, url=self.target.label, operation="confirm", next_step="run it again")
            self._fail(file, problem)

    def _needed(self, files: list[File]) -> list[File]:
        checked = files if self.single else list(plan.judged(files, self.target))
        there = plan.present(self.target, checked)
        todo = []
        for file in checked:
            if file.problem:
                self.result.failed[file.name] = file.problem
                self.result.missing += [file.name] if file.missing else []
            elif file.skip:
                self.result.skipped[file.name] = file.skip
            elif file.name in there and self._same(file, there[file.name]):
                self.result.skipped[file.name] = "identical"
            else:
                todo.append(file)
        return todo

    def _same(self, file: File, other: File) -> bool:
        with contextlib.suppress(OSError):
            return identity.same(self.source, file, self.target, other, self._book)
        return False

    def _move_all(self, files: list[File], threads: int) -> None:
        for file in (file for file in files if file.size >= self._large):
            self._move_noting(file)
        small = [file for file in files if file.size < self._large]
        ordered = plan.in_order(small, self._order)
        for_each(ordered, self._move_noting, min(threads, max(len(small), 1)))

    def _move_noting(self, file: File) -> None:
        moved = _Counted(self._tracker)
        try:
            self._move(file, moved)
        except ObsSyncError as error:
            if self.single:
                raise
            self._fail(file, str(error))
            return
        with self._lock:
            self._copied[file.name] = file.size
        self._tracker.add(1, file.size - moved.count)

    def _fail(self, file: File, reason: str) -> None:
        with self._lock:
            self._copied.pop(file.name, None)
            self.result.failed[file.name] = reason

    def _move(self, file: File, on_bytes: OnBytes) -> None:
        source, target = self.source, self.target
        if isinstance(source, LocalPlace) and isinstance(target, LocalPlace):
            copy_local(source.path_of(file.name), target.path_of(file.name), on_bytes)
        elif isinstance(source, LocalPlace) and isinstance(target, RemotePlace):
            path = source.path_of(file.name)
            info = target.store.upload(path, target.bucket, target.key_of(file.name), on_bytes)
            self._written[file.name] = info
            self._book.note(path, info.etag)
            self._book.note_copy(f"{target.label}|{file.name}", info.etag, stamp(path))
        elif isinstance(source, RemotePlace) and isinstance(target, LocalPlace) and file.info is not None:
            path = target.path_of(file.name)
            source.store.download(source.bucket, file.info, path, on_bytes)
            self._book.note(path, file.info.etag)
        elif isinstance(source, RemotePlace) and isinstance(target, RemotePlace):
            key = target.key_of(file.name)
            info = target.store.copy(source.bucket, source.key_of(file.name), target.bucket, key)
            self._written[file.name] = info
            if file.info is not None:
                self._book.note_copy(f"{target.label}|{file.name}", info.etag, file.info.etag)

    def _unconfirmed(self, files: list[File]) -> dict[File, str]:
        """What is wrong with moved files in the store: by one listing, or by a look at each of a few."""
        if isinstance(self.target, LocalPlace) or not self.target.store.must_confirm:
            return {}
        moved = [file for file in files if file.name in self._copied]
        found: dict[str, ObjectInfo | None]
        if len(moved) <= plan.FEW:
            found = {file.name: self._look(self.target, file.name) for file in moved}
        else:
            found = {file.name: file.info for file in self.target.below()}
        problems = {file: mismatch(self._written[file.name], found.get(file.name)) for file in moved}
        return {file: problem for file, problem in problems.items() if problem}

    @staticmethod
    def _look(target: RemotePlace, name: str) -> ObjectInfo | None:
        try:
            return target.store.head(target.bucket, target.key_of(name))
        except NotFound:
            return None


class _Counted:
    """Passes bytes on to the tracker and remembers how many, so that a skipped rest can be added."""

    def __init__(self, tracker: Tracker) -> None:
        self.count, self._tracker, self._lock = 0, tracker, threading.Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self.count += count
        self._tracker.add(0, count)


def copy_local(source: str, target: str, on_bytes: OnBytes) -> None:
    """Copy one local file; the target appears whole or not at all."""
    with (
        local_errors(source, "copy"),
        open(source, "rb") as reading,
        local_errors(target, "copy"),
        replacing(target) as writing,
    ):
        while block := reading.read(CHUNK):
            writing.write(block)
            on_bytes(len(block))
        if writing.tell() != os.fstat(reading.fileno()).st_size:
            raise Integrity(
                "the file changed while it was read", url=source, operation="copy", next_step="run it again"
            )
