"""ETags of single-part and multipart objects, computed from local files."""

from __future__ import annotations

import hashlib
import re
from typing import Callable, Protocol

from obs_sync.atomic import CHUNK

PLAIN_ETAG = re.compile(r"[0-9a-f]{32}")
_MULTIPART = re.compile(r"[0-9a-f]{32}-([0-9]+)")
_MIB = 1 << 20
_COMMON_PART_SIZES = (16, 8, 5, 9, 10, 15, 20, 32, 50, 64, 100, 128, 256, 512, 1024)


class Digest(Protocol):
    """The interface of hashlib's digests."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""

    def hexdigest(self) -> str:
        """The digest in hexadecimal digits."""


def file_digest(path: str, offset: int, size: int, new_hash: Callable[[], Digest] = hashlib.md5) -> bytes:
    """Digest of `size` bytes of a file from `offset`, or fewer at its end."""
    digest = new_hash()
    with open(path, "rb") as handle:
        handle.seek(offset)
        while block := handle.read(min(CHUNK, size)):
            digest.update(block)
            size -= len(block)
    return digest.digest()


def part_digests(path: str, size: int, part_size: int) -> list[bytes]:
    """The MD5 of each part of a file of `size` bytes; one for an empty file."""
    return [file_digest(path, start, part_size) for start in range(0, max(size, 1), part_size)]


def composite(digests: list[bytes]) -> str:
    """The ETag of a multipart object: the MD5 of its parts' MD5s, a dash and the number of parts."""
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def all_md5(etags: list[str]) -> bool:
    """Whether every part's ETag is an MD5; it is not if the store encrypts."""
    return all(PLAIN_ETAG.fullmatch(etag) for etag in etags)


def matches_etag(path: str, etag: str, size: int) -> bool:
    """Whether a file of `size` bytes has this ETag: its MD5, or a multipart one with a common part size."""
    if PLAIN_ETAG.fullmatch(etag):
        return file_digest(path, 0, size).hex() == etag
    return any(composite(part_digests(path, size, part_size)) == etag for part_size in _part_sizes(etag, size))


def _part_sizes(etag: str, size: int) -> list[int]:
    """The common part sizes, in bytes, that give the number of parts in the ETag."""
    parts = _MULTIPART.fullmatch(etag)
    count = int(parts[1]) if parts else 0
    return [unit * _MIB for unit in _COMMON_PART_SIZES if max(-(-size // (unit * _MIB)), 1) == count]


def part_size_guess(etag: str, size: int) -> int:
    """The likeliest part size of a multipart object, in bytes; 0 when no common one fits."""
    return next(iter(_part_sizes(etag, size)), 0)
