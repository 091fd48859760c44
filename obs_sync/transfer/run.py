"""Executes a transfer: compares with the target, copies files in threads, verifies them, records the outcome."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Iterable

from obs_sync.atomic import CHUNK, local_errors, replacing, stamp, stamp_of, state_folder
from obs_sync.errors import Integrity, InvalidName, NotFound, ObsSyncError, changed_while_read
from obs_sync.formatting import plural
from obs_sync.retry import for_each
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, mismatch
from obs_sync.transfer import plan
from obs_sync.transfer.compare import disk_path, load_known, origin_of, same_content
from obs_sync.transfer.endpoints import Endpoint, File, LocalEndpoint, StoreEndpoint
from obs_sync.transfer.etag_cache import EtagCache
from obs_sync.transfer.progress import FileProgress, ProgressOption, ProgressTracker
from obs_sync.transfer.result import IDENTICAL, TransferResult

logger = logging.getLogger(__name__)

_COMPARED_AT_ONCE = 1000  # files whose cache entries are held in memory


class TransferRun:
    """One transfer in progress: two endpoints, the result so far, and the ETags known of local files."""

    def __init__(
        self,
        settings: Settings,
        source: Endpoint,
        target: Endpoint,
        result: TransferResult,
        single: bool,
        order: Iterable[str] = (),
    ) -> None:
        self.source, self.target, self.result, self.single = source, target, result, single
        self._order = order
        self._large = settings.multipart_from
        self._cache = EtagCache(state_folder(settings.state_dir))
        self._lock = threading.Lock()
        self._copied: dict[str, int] = {}
        self._written: dict[str, ObjectInfo] = {}
        self._stamps: dict[str, str] = {}
        self._tracker = ProgressTracker(None, 0, 0)

    def run(self, files: list[File], progress: ProgressOption, threads: int) -> None:
        """Validate, compare, move and verify the files."""
        todo = self._needed(files, threads)
        if self.result.dry_run:
            self.result.copied = [file.name for file in todo]
            return
        self._tracker = ProgressTracker(progress, len(todo), sum(file.size for file in todo))
        try:
            self._move_all(todo, threads)
            wrong = self._unverified(todo, threads)
            if wrong:
                logger.warning("%s failed verification; retrying", plural(len(wrong), "upload"))
                self._move_all(list(wrong), threads)
                self._give_up(self._unverified(list(wrong), threads))
        finally:
            self._tracker.close()
            self._cache.close()
            self.result.copied = list(self._copied)
            self.result.copied_bytes = sum(self._copied.values())

    def _give_up(self, wrong: dict[File, str]) -> None:
        for file, problem in wrong.items():
            if self.single:
                raise Integrity(problem, url=self.target.label, operation="verify", next_step="run it again")
            self._fail(file, problem)

    def _needed(self, files: list[File], threads: int) -> list[File]:
        checked = files if self.single else list(plan.validated(files, self.target))
        there = plan.existing(self.target, checked, threads)
        todo = []
        for number, file in enumerate(checked):
            if number % _COMPARED_AT_ONCE == 0:
                load_known(self.source, self.target, checked[number : number + _COMPARED_AT_ONCE], self._cache)
            if file.problem:
                self.result.failed[file.name] = file.problem
                self.result.missing += [file.name] if file.missing else []
                self.result.rejected += [file.name] if file.rejected else []
            elif file.skip:
                self.result.skipped[file.name] = file.skip
            elif file.name in there and self._same(file, there[file.name]):
                self.result.skipped[file.name] = IDENTICAL
            else:
                todo.append(file)
        return todo

    def _same(self, file: File, other: File) -> bool:
        with contextlib.suppress(OSError):
            return same_content(self.source, file, self.target, other, self._cache)
        return False

    def _move_all(self, files: list[File], threads: int) -> None:
        for file in (file for file in files if file.size >= self._large):
            self._move_recorded(file)
        small = [file for file in files if file.size < self._large]
        ordered = plan.in_order(small, self._order)
        for_each(ordered, self._move_recorded, min(threads, max(len(small), 1)))

    def _move_recorded(self, file: File) -> None:
        moved = FileProgress(self._tracker)
        before = self._stamp(self.source, file)
        try:
            etag = self._move(file, moved)
        except ObsSyncError as error:
            if self.single:
                raise
            self._fail(file, str(error), isinstance(error, InvalidName))
            return
        with self._lock:
            self._copied[file.name] = file.size
        if before == self._stamp(self.source, file):
            self._stamps[file.name] = before
            self._remember(file, etag)
        moved.finish(file.size)

    def _fail(self, file: File, reason: str, rejected: bool = False) -> None:
        with self._lock:
            self._copied.pop(file.name, None)
            self.result.failed[file.name] = reason
            self.result.rejected += [file.name] if rejected else []

    def _move(self, file: File, on_bytes: OnBytes) -> str:
        """Copy one file; returns the ETag that both copies now share, or an empty string."""
        source, target = self.source, self.target
        if isinstance(target, StoreEndpoint):
            info = self._store(file, target, on_bytes)
            self._written[file.name] = info
            return info.etag
        if isinstance(source, LocalEndpoint):
            copy_local(source.path_of(file.name), target.path_of(file.name), on_bytes)
            return ""
        assert file.info is not None
        source.store.download(source.bucket, file.info, target.path_of(file.name), on_bytes)
        return file.info.etag

    def _store(self, file: File, target: StoreEndpoint, on_bytes: OnBytes) -> ObjectInfo:
        source, key = self.source, target.key_of(file.name)
        if isinstance(source, StoreEndpoint):
            return target.store.copy(source.bucket, source.key_of(file.name), target.bucket, key)
        return target.store.upload(source.path_of(file.name), target.bucket, key, on_bytes)

    def _remember(self, file: File, etag: str) -> None:
        """Record how to recognize this file as copied: stamps of files on this disk, ETags of objects."""
        origin, source_stamp = origin_of(self.target, file), self._stamps[file.name]
        copied = self._stamp(self.target, file)
        if copied:
            self._cache.remember_copy(origin, copied, source_stamp)
        elif file.info is not None:
            self._cache.remember_copy(origin, etag, file.info.etag)
        else:
            self._cache.remember_copy(origin, etag, source_stamp)
        for endpoint in (self.source, self.target):
            if isinstance(endpoint, LocalEndpoint) and etag:
                self._cache.remember(endpoint.path_of(file.name), etag)

    @staticmethod
    def _stamp(endpoint: Endpoint, file: File) -> str:
        """The stamp of a file on this disk; an empty string for an object in the cloud."""
        with contextlib.suppress(OSError):
            path = disk_path(endpoint, file)
            return stamp(path) if path else ""
        return ""

    def _unverified(self, files: list[File], threads: int) -> dict[File, str]:
        """The problems of copied files in the store, found by one listing or by one look-up each."""
        if isinstance(self.target, LocalEndpoint) or not self.target.store.must_confirm:
            return {}
        target, moved = self.target, [file for file in files if file.name in self._copied]
        names = [file.name for file in moved]
        listed = plan.listed(target, set(names))
        found: dict[str, ObjectInfo | None]
        if listed is None:
            found = plan.look_up(names, functools.partial(self._look_up, target), threads)
        else:
            found = {name: file.info for name, file in listed.items()}
        problems = {file: mismatch(self._written[file.name], found.get(file.name)) for file in moved}
        for file in (file for file in moved if not problems[file] and file.name in self._stamps):
            info = found[file.name]
            if info is not None and not self._written[file.name].etag:  # moxing gives an ETag only on a later request
                self._remember(file, info.etag)
        return {file: problem for file, problem in problems.items() if problem}

    @staticmethod
    def _look_up(target: StoreEndpoint, name: str) -> ObjectInfo | None:
        try:
            return target.store.head(target.bucket, target.key_of(name))
        except NotFound:
            return None


def copy_local(source: str, target: str, on_bytes: OnBytes) -> None:
    """Copy one local file; the target appears complete or not at all."""
    with (
        local_errors(source, "copy"),
        open(source, "rb") as reading,
        local_errors(target, "copy"),
        replacing(target) as writing,
    ):
        before = stamp_of(os.fstat(reading.fileno()))
        while block := reading.read(CHUNK):
            writing.write(block)
            on_bytes(len(block))
        if stamp_of(os.fstat(reading.fileno())) != before:
            raise changed_while_read(Integrity, source, "copy")
