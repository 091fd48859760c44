"""Move and mirror: a copy, then removal of the files that are known to be safe to remove."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from obs_sync.atomic import local_errors, stamp
from obs_sync.errors import InvalidRequest, NotFound
from obs_sync.stores.open import StorageAccess, default_access
from obs_sync.transfer.copy import copy, endpoint_of
from obs_sync.transfer.endpoints import Endpoint, File, LocalEndpoint
from obs_sync.transfer.progress import ProgressOption
from obs_sync.transfer.result import IDENTICAL, TransferResult


def move(
    src: str,
    dst: str,
    *,
    filesystem: StorageAccess | None = None,
    dry_run: bool = False,
    progress: ProgressOption = None,
) -> TransferResult:
    """Copy a file or folder, then remove the source's files that arrived and have not changed since.

    Raises what `copy` raises; then nothing is removed.
    """
    access = filesystem or default_access()
    source = endpoint_of(src, access)
    before = _versions(source)
    result = copy(src, dst, filesystem=access, dry_run=dry_run, progress=progress)
    if not dry_run:
        arrived = {*result.copied, *(name for name, reason in result.skipped.items() if reason == IDENTICAL)}
        now = _versions(source)
        _remove(source, sorted(name for name in arrived if name in now and now[name] == before.get(name)))
    return result


def mirror(
    src: str,
    dst: str,
    *,
    filesystem: StorageAccess | None = None,
    delete: bool = False,
    dry_run: bool = False,
    progress: ProgressOption = None,
) -> tuple[TransferResult, list[str]]:
    """Copy a folder and, with `delete`, remove the target's files that the source does not have; their names.

    Raises what `copy` raises; then nothing is removed. InvalidRequest for a single file, and with `delete` for a whole
    bucket as the target.
    """
    access = filesystem or default_access()
    source, target = endpoint_of(src, access), endpoint_of(dst, access)
    if source.single() is not None:
        step = "name a folder (with a trailing slash if there is also an object of this name)"
        raise InvalidRequest("the source is a file", url=src, operation="sync", next_step=step)
    if delete and not isinstance(target, LocalEndpoint) and not target.key:
        problem = "removing files could empty the whole bucket"
        raise InvalidRequest(problem, url=dst, operation="sync", next_step="name a folder in it")
    result = copy(_as_folder(src), _as_folder(dst), filesystem=access, dry_run=dry_run, progress=progress)
    removed = _surplus(source, target) if delete else []
    if not dry_run:
        _remove(target, removed)
    return result, removed


def _as_folder(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _surplus(source: Endpoint, target: Endpoint) -> list[str]:
    names = {file.name for file in source.below()}
    try:
        return sorted(file.name for file in target.below() if file.name not in names)
    except NotFound:
        return []


def _versions(endpoint: Endpoint) -> dict[str, str]:
    """Name -> a text that changes when the file changes."""
    single = endpoint.single()
    files = endpoint.below() if single is None else [single]
    return {file.name: _version(endpoint, file) for file in files if not file.skip}


def _version(endpoint: Endpoint, file: File) -> str:
    if file.info is not None:
        return f"{file.info.etag} {file.info.size} {file.info.modified}"
    with contextlib.suppress(OSError):
        if isinstance(endpoint, LocalEndpoint):
            return stamp(endpoint.path_of(file.name))
    return ""


def _remove(endpoint: Endpoint, names: Iterable[str]) -> None:
    if not isinstance(endpoint, LocalEndpoint):
        endpoint.store.delete(endpoint.bucket, [endpoint.key_of(name) for name in names])
        return
    root = os.path.realpath(endpoint.path)
    for name in names:
        path = endpoint.path_of(name)
        if name and os.path.realpath(os.path.dirname(path)) != os.path.normpath(os.path.join(root, name, "..")):
            continue  # reached through a link: the file itself has another name here
        with local_errors(path, "remove"):
            os.unlink(path)
        if name:
            _remove_empty(os.path.dirname(path), root)


def _remove_empty(folder: str, root: str) -> None:
    """Remove the folders that a removed file leaves empty, up to but not including the root."""
    while os.path.realpath(folder) != root:
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
