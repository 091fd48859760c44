"""Copy files and folders between this machine and the store, or within either: parallel, verified, never silent.

The straight line: places -> files of the source -> judge names -> what the target has -> skip the same -> move.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from obs_sync import urls
from obs_sync.errors import NotFound, Refused
from obs_sync.filesystem import ObsFileSystem
from obs_sync.transfer import plan
from obs_sync.transfer.endpoints import LocalPlace, Place, RemotePlace
from obs_sync.transfer.progress import Wanted
from obs_sync.transfer.result import TransferResult, incomplete
from obs_sync.transfer.run import Job

logger = logging.getLogger(__name__)


def copy(
    src: str,
    dst: str,
    *,
    filesystem: ObsFileSystem | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    names: Sequence[str] | None = None,
    order: Iterable[str] = (),
    dry_run: bool = False,
    progress: Wanted = None,
    threads: int | None = None,
) -> TransferResult:
    """Copy a file, or all files below a folder, from `src` to `dst`; either may be a url or a local path.

    A folder's files keep their relative names below `dst`; `include` and `exclude` are patterns for those names
    (`*.jpg`), `names` an explicit list of them, copied in this order. `order` names files in another one; it is drawn
    from when the next file is due, so a generator can change its mind. A file goes to `dst` itself, or into it when
    `dst` ends with `/` or is an existing local folder. `obs://b/a` is the object `a` if there is one, else the folder;
    `obs://b/a/` is always the folder. What has the same content already is skipped. Nothing is ever deleted, and `src`
    is never changed.

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
    plan.check_apart(source, target, folders=single is None, names=names)
    files = [single] if single is not None else plan.files_of(source, names, include, exclude)
    result = TransferResult(src, dst, dry_run, listed=len(files))
    try:
        Job(fs, source, target, result, single is not None, order).run(files, progress, threads or fs.settings.threads)
    finally:
        result.seconds = time.monotonic() - begin
    logger.log(logging.DEBUG if single is not None else logging.INFO, "%s", result.summary())
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
