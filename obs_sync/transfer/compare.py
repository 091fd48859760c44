"""Whether a target file already has the source's content: decided by listed and cached ETags, without requests."""

from __future__ import annotations

from collections.abc import Iterable

from obs_sync.atomic import CHUNK, stamp
from obs_sync.stores.etags import matches_etag
from obs_sync.stores.local import LocalStore
from obs_sync.transfer.endpoints import Endpoint, File, LocalEndpoint
from obs_sync.transfer.etag_cache import EtagCache


def same_content(source: Endpoint, source_file: File, target: Endpoint, target_file: File, cache: EtagCache) -> bool:
    """Whether the target's file has the source's content."""
    if source_file.size != target_file.size:
        return False
    origin = origin_of(target, target_file)
    if source_file.stamp and cache.copied_from(origin, target_file.stamp) == source_file.stamp:
        return True
    first, second = disk_path(source, source_file), disk_path(target, target_file)
    if first and second:
        stamps = source_file.stamp or stamp(first), target_file.stamp or stamp(second)
        return _same_on_disk(first, second, origin, stamps, cache)
    if second and source_file.info:
        return _has_etag(second, source_file.info.etag, source_file.size, cache)
    if first and target_file.info:
        is_known = cache.copied_from(origin, target_file.info.etag) == (source_file.stamp or stamp(first))
        return is_known or _has_etag(first, target_file.info.etag, source_file.size, cache)
    if source_file.info is None or target_file.info is None:
        return False
    etag = target_file.info.etag
    return etag != "" and source_file.info.etag in (etag, cache.copied_from(origin, etag))


def origin_of(target: Endpoint, file: File) -> str:
    """The cache key for the origin of a file in the target."""
    return f"{target.label}|{file.name}"


def load_known(source: Endpoint, target: Endpoint, files: Iterable[File], cache: EtagCache) -> None:
    """Load the cache entries needed to compare these files."""
    if isinstance(target, LocalEndpoint) and not isinstance(source, LocalEndpoint):
        cache.load(paths=(target.path_of(file.name) for file in files))
    else:
        cache.load(urls=(origin_of(target, file) for file in files))


def disk_path(endpoint: Endpoint, file: File) -> str:
    """The path of a file on this machine's disk, or an empty string for an object in the cloud."""
    if isinstance(endpoint, LocalEndpoint):
        return endpoint.path_of(file.name)
    if isinstance(endpoint.store, LocalStore):
        return endpoint.store.path_of(endpoint.bucket, endpoint.key_of(file.name))
    return ""


def _same_on_disk(first: str, second: str, origin: str, stamps: tuple[str, str], cache: EtagCache) -> bool:
    """Whether two files are equal; they are read only if one has changed since they were last copied or compared."""
    source, copied = stamps
    if cache.copied_from(origin, copied) == source:
        return True
    if not _equal(first, second):
        return False
    cache.remember_copy(origin, copied, source)
    return True


def _equal(first: str, second: str) -> bool:
    with open(first, "rb") as one, open(second, "rb") as other:
        while block := one.read(CHUNK):
            if other.read(CHUNK) != block:
                return False
        return not other.read(1)


def _has_etag(path: str, etag: str, size: int, cache: EtagCache) -> bool:
    if not etag:
        return False
    if cache.etag_of(path) == etag:
        return True
    if not matches_etag(path, etag, size):
        return False
    cache.remember(path, etag)
    return True
