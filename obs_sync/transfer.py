"""Copy files and folders between this machine and the store, or within either: parallel, verified, never silent.

The straight line: places -> files of the source -> judge names -> what the target has -> skip the same -> move.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from obs_sync import identity, plan, urls
from obs_sync.atomic import CHUNK, local_errors, replacing
from obs_sync.errors import Integrity, NotFound, ObsSyncError, Refused
from obs_sync.filesystem import ObsFileSystem
from obs_sync.parallel import for_each
from obs_sync.places import File, LocalPlace, Place, RemotePlace
from obs_sync.progress import Tracker, Wanted
from obs_sync.result import TransferResult, incomplete
from obs_sync.store import OnBytes
from obs_sync.tags import TagBook, state_folder

logger = logging.getLogger(__name__)


def copy(
    src: str,
    dst: str,
    *,
    filesystem: ObsFileSystem | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    names: Sequence[str] | None = None,
    dry_run: bool = False,
    progress: Wanted = None,
    threads: int | None = None,
) -> TransferResult:
    """Copy a file, or all files below a folder, from `src` to `dst`; either may be a url or a local path.

    A folder's files keep their relative names below `dst`; `include` and `exclude` are patterns for those names
    (`*.jpg`), `names` an explicit list of them. A file goes to `dst` itself, or into it when `dst` ends with `/` or is
    an existing local folder. `obs://b/a` is the object `a` if there is one, else the folder; `obs://b/a/` is always
    the folder. What has the same content already is skipped. Nothing is ever deleted, and `src` is never changed.

    Raises NotFound for a source that is missing or empty, Refused for overlapping places, the file's own error
    for a single file, Incomplete (with the result) when files of a folder failed.
    """
    begin = time.monotonic()
    fs = filesystem or ObsFileSystem()
    source, target = _place(src, fs), _place(dst, fs)
    single = source.single() if names is None else None
    if single is not None:
        target = _file_target(source, target, dst)
    elif isinstance(target, LocalPlace) and os.path.isfile(target.path):
        raise Refused("the target is a file", url=dst, operation="copy", next_step="name a folder for a folder's files")
    plan.check_apart(source, target, folders=single is None)
    files = [single] if single is not None else plan.files_of(source, names, include, exclude)
    result = TransferResult(src, dst, dry_run, listed=len(files))
    job = _Job(fs, source, target, result, single is not None)
    try:
        job.run(files, progress, threads or fs.settings.threads)
    finally:
        job.book.close()
        result.seconds = time.monotonic() - begin
    logger.info("%s", result.summary())
    if result.failed:
        raise incomplete(result)
    return result


def upload(local: str, url: str, **options: object) -> TransferResult:
    """`copy` that makes sure the direction is from this machine to the store: the two can never be swapped."""
    _check_direction(local, url)
    return copy(local, url, **options)  # type: ignore[arg-type]


def download(url: str, local: str, **options: object) -> TransferResult:
    """`copy` that makes sure the direction is from the store to this machine."""
    _check_direction(local, url)
    return copy(url, local, **options)  # type: ignore[arg-type]


def _check_direction(local: str, url: str) -> None:
    if urls.is_url(local) or not urls.is_url(url):
        raise Refused(f"{local!r} should be a local path and {url!r} a url", next_step="swap or correct the two")


def _place(path: str, fs: ObsFileSystem) -> Place:
    if not urls.is_url(path):
        return LocalPlace(os.fspath(path))
    bucket, key = urls.split(path)
    return RemotePlace(fs.store, bucket, key[:-1] if key.endswith("/") else key, key.endswith("/") or not key)


def _file_target(source: Place, target: Place, dst: str) -> Place:
    name = os.path.basename(source.path) if isinstance(source, LocalPlace) else source.key.rsplit("/", 1)[-1]
    into_folder = target.is_folder if isinstance(target, RemotePlace) else dst.endswith(os.sep) or os.path.isdir(dst)
    if not into_folder:
        return target
    if problem := urls.name_problem(name):
        raise Refused(problem, url=source.label, operation="copy", next_step="name the target file itself")
    if isinstance(target, LocalPlace):
        return LocalPlace(os.path.join(target.path, name))
    return replace(target, key=target.key_of(name), is_folder=False)


class _Job:
    """One transfer while it runs: two places, the account, and what is known of local files."""

    def __init__(self, fs: ObsFileSystem, source: Place, target: Place, result: TransferResult, single: bool) -> None:
        self.source, self.target, self.result, self.single = source, target, result, single
        self.large = fs.settings.multipart_from
        self.book = TagBook(state_folder(fs.settings.state_dir))
        self._lock = threading.Lock()

    def run(self, files: list[File], progress: Wanted, threads: int) -> None:
        """Judge, compare and move the files."""
        todo = self._needed(files)
        if self.result.dry_run:
            self.result.copied = [file.name for file in todo]
            return
        tracker = Tracker(progress, len(todo), sum(file.size for file in todo))
        try:
            for file in (file for file in todo if file.size >= self.large):
                self._move_noting(file, tracker)
            small = [file for file in todo if file.size < self.large]
            for_each(small, lambda file: self._move_noting(file, tracker), min(threads, max(len(small), 1)))
        finally:
            tracker.close()

    def _needed(self, files: list[File]) -> list[File]:
        checked = files if self.single else list(plan.judged(files, self.target))
        there = plan.present(self.target, checked)
        todo = []
        for file in checked:
            if file.problem:
                self.result.failed[file.name] = file.problem
            elif file.skip:
                self.result.skipped[file.name] = file.skip
            elif file.name in there and self._same(file, there[file.name]):
                self.result.skipped[file.name] = "identical"
            else:
                todo.append(file)
        return todo

    def _same(self, file: File, other: File) -> bool:
        with contextlib.suppress(OSError):
            return identity.same(self.source, file, self.target, other, self.book)
        return False

    def _move_noting(self, file: File, tracker: Tracker) -> None:
        moved = _Counted(tracker)
        try:
            self._move(file, moved)
        except ObsSyncError as error:
            if self.single:
                raise
            with self._lock:
                self.result.failed[file.name] = str(error)
            return
        with self._lock:
            self.result.copied.append(file.name)
            self.result.copied_bytes += file.size
        tracker.add(1, file.size - moved.count)

    def _move(self, file: File, on_bytes: OnBytes) -> None:
        source, target = self.source, self.target
        if isinstance(source, LocalPlace) and isinstance(target, LocalPlace):
            copy_local(source.path_of(file.name), target.path_of(file.name), on_bytes)
        elif isinstance(source, LocalPlace) and isinstance(target, RemotePlace):
            path = source.path_of(file.name)
            info = target.store.upload(path, target.bucket, target.key_of(file.name), on_bytes)
            self.book.note(path, info.etag)
        elif isinstance(source, RemotePlace) and isinstance(target, LocalPlace) and file.info is not None:
            path = target.path_of(file.name)
            source.store.download(source.bucket, file.info, path, on_bytes)
            self.book.note(path, file.info.etag)
        elif isinstance(source, RemotePlace) and isinstance(target, RemotePlace):
            target.store.copy(source.bucket, source.key_of(file.name), target.bucket, target.key_of(file.name))


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


def exists(path: str, *, filesystem: ObsFileSystem | None = None) -> bool:
    """Whether a url or local path names a file or a folder."""
    if not urls.is_url(path):
        return os.path.exists(path)
    try:
        (filesystem or ObsFileSystem()).info(path)
    except NotFound:
        return False
    return True


def list_files(path: str, *, filesystem: ObsFileSystem | None = None) -> dict[str, int]:
    """Relative name -> size of all files below a url or local folder (of the file itself: its last name)."""
    place = _place(path, filesystem or ObsFileSystem())
    single = place.single()
    if single is not None:
        return {place.label.rstrip("/").rsplit("/", 1)[-1]: single.size}
    found = {file.name: file.size for file in place.below() if not file.problem and not file.skip}
    if not found and not (isinstance(place, RemotePlace) and not place.key) and not isinstance(place, LocalPlace):
        raise NotFound("no such folder", url=place.label, operation="list", next_step="check the url")
    return found
