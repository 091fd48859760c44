"""Copy files and folders between this machine and the store, or within either: parallel, verified, fully reported.

In order: endpoints, files of the source, validation of names, comparison with the target, copying of what differs.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from obs_sync import urls
from obs_sync.errors import InvalidRequest, NotFound
from obs_sync.stores.open import StorageAccess, default_access
from obs_sync.transfer import plan
from obs_sync.transfer.endpoints import Endpoint, LocalEndpoint, StoreEndpoint
from obs_sync.transfer.progress import ProgressOption
from obs_sync.transfer.result import TransferResult, incomplete
from obs_sync.transfer.run import TransferRun

logger = logging.getLogger(__name__)


def copy(
    src: str,
    dst: str,
    *,
    filesystem: StorageAccess | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    names: Sequence[str] | None = None,
    order: Iterable[str] = (),
    dry_run: bool = False,
    progress: ProgressOption = None,
    threads: int | None = None,
) -> TransferResult:
    """Copy a file, or all files below a folder, from `src` to `dst`; each may be a URL or a local path.

    The files of a folder keep their relative names below `dst`. `include` and `exclude` are patterns for those names
    (`*.jpg`); `names` lists them explicitly. `order` yields names in the order to copy them; the next one is requested
    only when it is due, so a generator can change the order during the copy. A file is copied to `dst` itself, or into
    it if `dst` ends with `/` or is an existing local folder. `obs://b/a` is the object `a` if there is one, else the
    folder; `obs://b/a/` is always the folder. Files with identical content are skipped, and so are links that lead out
    of a source folder. Nothing is ever deleted, and `src` is never changed.

    Raises NotFound for a missing or empty source, InvalidRequest for overlapping endpoints, the file's own error for a
    single file, and Incomplete (with the result) if files of a folder failed.
    """
    begin = time.monotonic()
    access = filesystem or default_access()
    source, target = endpoint_of(src, access), endpoint_of(dst, access)
    single = source.single() if names is None else None
    if single is not None:
        target = _file_target(source, target, dst)
    elif isinstance(target, LocalEndpoint) and os.path.isfile(target.path):
        raise InvalidRequest(
            "the target is a file", url=dst, operation="copy", next_step="name a folder as the target of a folder"
        )
    plan.check_disjoint(source, target, folders=single is None, names=names)
    files = [single] if single is not None else plan.files_of(source, names, include, exclude)
    result = TransferResult(src, dst, dry_run, listed=len(files))
    try:
        run = TransferRun(access.settings, source, target, result, single is not None, order)
        run.run(files, progress, threads or access.settings.threads)
    finally:
        result.seconds = time.monotonic() - begin
    quiet = single is not None or progress is False
    logger.log(logging.DEBUG if quiet else logging.INFO, "%s", result.summary())
    if result.failed:
        raise incomplete(result)
    return result


def upload(local: str, url: str, **options: object) -> TransferResult:
    """`copy` from this machine to the store; raises InvalidRequest if the arguments are swapped."""
    _check_direction(local, url)
    return copy(local, url, **options)  # type: ignore[arg-type]


def download(url: str, local: str, **options: object) -> TransferResult:
    """`copy` from the store to this machine; raises InvalidRequest if the arguments are swapped."""
    _check_direction(local, url)
    return copy(url, local, **options)  # type: ignore[arg-type]


def _check_direction(local: str, url: str) -> None:
    if urls.is_url(local) or not urls.is_url(url):
        raise InvalidRequest(f"{local!r} must be a local path and {url!r} a URL", next_step="correct or swap the two")


def endpoint_of(path: str, access: StorageAccess) -> Endpoint:
    """The endpoint that a local path or URL names."""
    if not urls.is_url(path):
        return LocalEndpoint(os.fspath(path))
    bucket, key = urls.split(path)
    return StoreEndpoint(access.store, bucket, key[:-1] if key.endswith("/") else key, key.endswith("/") or not key)


def _file_target(source: Endpoint, target: Endpoint, dst: str) -> Endpoint:
    name = os.path.basename(source.path) if isinstance(source, LocalEndpoint) else source.key.rsplit("/", 1)[-1]
    into_folder = target.is_folder if isinstance(target, StoreEndpoint) else dst.endswith(os.sep) or os.path.isdir(dst)
    if not into_folder:
        return target
    if problem := urls.name_problem(name):
        raise InvalidRequest(problem, url=source.label, operation="copy", next_step="name the target file itself")
    if isinstance(target, LocalEndpoint):
        return LocalEndpoint(os.path.join(target.path, name))
    return replace(target, key=target.key_of(name), is_folder=False)


def exists(path: str, *, filesystem: StorageAccess | None = None) -> bool:
    """Whether a URL or local path names a file or a folder."""
    if not urls.is_url(path):
        return os.path.exists(path)
    endpoint = endpoint_of(path, filesystem or default_access())
    assert isinstance(endpoint, StoreEndpoint)
    return endpoint.exists()


def list_files(path: str, *, filesystem: StorageAccess | None = None) -> dict[str, int]:
    """Relative name -> size in bytes of all files below a URL or local folder; of a file, its last name."""
    endpoint = endpoint_of(path, filesystem or default_access())
    single = endpoint.single()
    if single is not None:
        return {endpoint.label.rstrip("/").rsplit("/", 1)[-1]: single.size}
    found = {file.name: file.size for file in endpoint.below() if not file.problem and not file.skip}
    if not found and isinstance(endpoint, StoreEndpoint) and endpoint.key:
        raise NotFound("no such folder", url=endpoint.label, operation="list", next_step="check the URL")
    return found


def create_exclusive(url: str, data: bytes, *, filesystem: StorageAccess | None = None) -> None:
    """Store a small object unless there is one; of several simultaneous callers one succeeds.

    The callers' data must differ, for example by a run id. Raises AlreadyExists for all others; each store's `write`
    says how strictly it decides. In moxing mode the call takes a second longer, to detect rivals.
    """
    bucket, key = urls.split(url)
    urls.check_key(key, url)
    (filesystem or default_access()).store.write(bucket, key, data, exclusive=True)
