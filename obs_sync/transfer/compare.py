"""Is that file already there? Decided from a listing's ETag and what is known of local files, without a request."""

from __future__ import annotations

import filecmp
import hashlib
import re

from obs_sync.atomic import CHUNK
from obs_sync.stores.local import LocalStore
from obs_sync.transfer.endpoints import File, LocalPlace, Place
from obs_sync.transfer.etag_cache import TagBook, stamp

PLAIN_ETAG = re.compile(r"[0-9a-f]{32}")
_PARTS = re.compile(r"[0-9a-f]{32}-([0-9]+)")
_MIB = 1 << 20
_USUAL_PART_SIZES = (16, 8, 5, 9, 10, 15, 20, 32, 50, 64, 100, 128, 256, 512, 1024)


def same(source: Place, source_file: File, target: Place, target_file: File, book: TagBook) -> bool:
    """Whether the target's file has the source's content."""
    if source_file.size != target_file.size:
        return False
    first, second = disk_path(source, source_file), disk_path(target, target_file)
    if first and second:
        return _same_on_disk(first, second, source_file, book)
    if second and source_file.info:
        return _has_etag(second, source_file.info.etag, source_file.size, book)
    memory = f"{target.label}|{target_file.name}"
    if first and target_file.info:
        is_known = book.copied_from(memory, target_file.info.etag) == stamp(first)
        return is_known or _has_etag(first, target_file.info.etag, source_file.size, book)
    if source_file.info is None or target_file.info is None:
        return False
    etag = target_file.info.etag
    return etag != "" and source_file.info.etag in (etag, book.copied_from(memory, etag))


def disk_path(place: Place, file: File) -> str:
    """The path of a file that lies on this machine's disk, else an empty text."""
    if isinstance(place, LocalPlace):
        return place.path_of(file.name)
    if isinstance(place.store, LocalStore):
        return place.store.path_of(place.bucket, place.key_of(file.name))
    return ""


def _same_on_disk(first: str, second: str, source_file: File, book: TagBook) -> bool:
    if source_file.info is not None and book.tag(second) == source_file.info.etag:
        return True
    return filecmp.cmp(first, second, shallow=False)


def _has_etag(path: str, etag: str, size: int, book: TagBook) -> bool:
    if not etag:
        return False
    if book.tag(path) == etag:
        return True
    if not matches_etag(path, etag, size):
        return False
    book.note(path, etag)
    return True


def matches_etag(path: str, etag: str, size: int) -> bool:
    """Whether a file's content gives this ETag: an MD5, or that of its parts' MD5s for a usual part size."""
    if PLAIN_ETAG.fullmatch(etag):
        return part_digests(path, max(size, 1))[0].hex() == etag
    return any(composite(part_digests(path, part_size)) == etag for part_size in _part_sizes(etag, size))


def _part_sizes(etag: str, size: int) -> list[int]:
    """The usual part sizes that give as many parts as the ETag says."""
    parts = _PARTS.fullmatch(etag)
    count = int(parts[1]) if parts else 0
    return [unit * _MIB for unit in _USUAL_PART_SIZES if max(-(-size // (unit * _MIB)), 1) == count]


def part_size_guess(etag: str, size: int) -> int:
    """The likeliest size in bytes of the parts an object was uploaded in; 0 when nothing fits."""
    return next(iter(_part_sizes(etag, size)), 0)


def part_digests(path: str, part_size: int) -> list[bytes]:
    """The MD5 of each part of a file; one for an empty file."""
    digests, digest, left = [], hashlib.md5(), part_size
    with open(path, "rb") as handle:
        while block := handle.read(min(CHUNK, left)):
            digest.update(block)
            left -= len(block)
            if left == 0:
                digests.append(digest.digest())
                digest, left = hashlib.md5(), part_size
    if left < part_size or not digests:
        digests.append(digest.digest())
    return digests


def composite(digests: list[bytes]) -> str:
    """The ETag of an object uploaded in parts: the MD5 of their MD5s and their number."""
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
