"""Downloads: bodies are verified as they arrive; big objects are read in parallel ranges, resumed after a kill.

Every range requests the version that was listed (If-Match). Finished ranges are recorded with their digest beside the
temporary file; a later attempt verifies each against the bytes on disk before it is reused. The whole object is
compared with its checksums or ETag before it is renamed.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import BinaryIO, Callable

from obs_sync.atomic import CHUNK, begin_writeback, local_errors, reserve
from obs_sync.errors import Integrity, Transient
from obs_sync.retry import for_each
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, ignore_bytes
from obs_sync.stores.etags import PLAIN_ETAG, Digest, composite, matches_etag, part_size_guess
from obs_sync.stores.sdk.client import Gate
from obs_sync.stores.sdk.messages import etag_is_digest
from obs_sync.stores.sdk.part_checksums import METADATA_NAME, Crc32, PartChecksums, combined, parse_checksums
from obs_sync.stores.sdk.partial_file import PartialFile
from obs_sync.urls import Location

logger = logging.getLogger(__name__)

_RANGES_PER_PART_THREAD = 2  # ranges wait for the disk as well as for the network


def damaged(problem: str, url: str) -> Integrity:
    """The error for bytes that differ from those in the store; a retry may help."""
    step = "run it again; if it persists, check the network path"
    error = Integrity(problem, url=url, operation="read", next_step=step)
    error.may_pass = True
    return error


class BodyReader:
    """Reads one response and verifies its length and, for a whole object, its MD5; called again for a retry."""

    def __init__(self, url: str, check_digest: bool, target: BinaryIO | None = None, size: int | None = None) -> None:
        self._url, self._check, self._target, self._size = url, check_digest, target, size
        self._blocks: list[bytes] = []

    def __call__(self, response: HTTPResponse) -> None:
        """Read the body of a successful response."""
        self._blocks = []
        if self._target is not None:
            self._target.seek(0)
            self._target.truncate()
        digest, count = hashlib.md5(), 0
        limit = self._size if self._size is not None else _range_length(response.headers)
        while block := response.read(CHUNK):
            count += len(block)
            if limit is not None and count > limit:
                raise damaged(f"more than {limit} bytes arrived", self._url)
            if self._check:
                digest.update(block)
            self._keep(block)
        self._verify(response.headers, count, digest.hexdigest())

    def _keep(self, block: bytes) -> None:
        if self._target is None:
            self._blocks.append(block)
        else:
            with local_errors(self._target.name, "write"):
                self._target.write(block)

    def content(self) -> bytes:
        """The data read, if there is no target."""
        return self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)

    def _verify(self, headers: Message, count: int, digest: str) -> None:
        _check_end(count, int(headers.get("content-length", -1)), self._url)
        for expected in (self._size, _range_length(headers)):
            if expected is not None and count != expected:
                raise damaged(f"{count} bytes arrived instead of {expected}", self._url)
        etag = headers.get("etag", "").strip('"')
        if self._check and PLAIN_ETAG.fullmatch(etag) and etag_is_digest(dict(headers.items())) and digest != etag:
            raise damaged("the data does not have the MD5 that the store reports", self._url)


def _check_end(count: int, announced: int, url: str) -> None:
    if count < announced:
        step = "check the network, then run it again"
        raise Transient(
            f"the connection ended after {count} of {announced} bytes", url=url, operation="read", next_step=step
        )


def _range_length(headers: Message) -> int | None:
    span = headers.get("content-range", "").partition(" ")[2].partition("/")[0]
    first, _, last = span.partition("-")
    return int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else None


@dataclass(frozen=True)
class _RangedDownload:
    """An object to be downloaded in ranges, the size of the ranges, and what its bytes are verified against."""

    gate: Gate
    settings: Settings
    bucket: str
    info: ObjectInfo
    part_size: int
    checksums: PartChecksums | None
    has_digest: bool

    @property
    def url(self) -> str:
        return Location(self.bucket, self.info.key).url

    def matches(self, partial: PartialFile) -> bool:
        """Whether the downloaded bytes have the known digest of the object."""
        digests = [partial.done[number] for number in sorted(partial.done)]
        if self.checksums is not None:
            return combined(digests) == self.checksums.digest
        if not self.has_digest:
            return False
        return composite(digests) == self.info.etag or matches_etag(partial.path, self.info.etag, self.info.size)


def download_in_ranges(
    gate: Gate, settings: Settings, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes
) -> None:
    """Download a big object in several threads into a temporary file that is renamed at the end."""
    ranged = _look_up(gate, settings, bucket, info)
    identity = f"{settings.endpoint}|{ranged.url}|{info.etag}|{ranged.part_size}"
    new_hash: Callable[[bytes], Digest] = Crc32 if ranged.checksums is not None else hashlib.md5
    with local_errors(path, "write"), PartialFile(path, identity, info.size, new_hash) as partial:
        for number in partial.verified(ranged.part_size):
            on_bytes(min(ranged.part_size, info.size - number * ranged.part_size))
        _fetch_missing(ranged, partial, on_bytes)
        if not ranged.matches(partial):
            _fetch_again(ranged, partial)
        partial.publish()


def _look_up(gate: Gate, settings: Settings, bucket: str, info: ObjectInfo) -> _RangedDownload:
    reply = gate.request("HEAD", bucket, info.key, operation="look up")
    checksums = parse_checksums(reply.headers.get(f"{gate.prefix}meta-{METADATA_NAME}", ""))
    part_size = checksums.part_size if checksums else part_size_guess(info.etag, info.size) or settings.part_size
    return _RangedDownload(gate, settings, bucket, info, part_size, checksums, etag_is_digest(reply.headers))


def _fetch_missing(ranged: _RangedDownload, partial: PartialFile, on_bytes: OnBytes) -> None:
    info = ranged.info

    def fetch(number: int) -> None:
        start = number * ranged.part_size
        sink = _RangeSink(partial, start, min(ranged.part_size, info.size - start), ranged.url)
        headers = {"If-Match": info.etag, "Range": f"bytes={start}-{start + sink.size - 1}"}
        ranged.gate.request(
            "GET", ranged.bucket, info.key, headers=headers, operation="download", weight=sink.size, sink=sink
        )
        partial.record(number, sink.digest)
        on_bytes(sink.size)

    missing = [number for number in range(-(-info.size // ranged.part_size)) if number not in partial.done]
    for_each(missing, fetch, _RANGES_PER_PART_THREAD * ranged.settings.part_threads)


def _fetch_again(ranged: _RangedDownload, partial: PartialFile) -> None:
    """Read everything again after the digest did not match; Integrity unless it matches now.

    For encrypted and appendable objects, and those that others uploaded in parts of unknown size, no digest is known:
    two identical reads are accepted.
    """
    logger.warning("%s: the digest does not match or is unknown; reading it again", ranged.url)
    first = dict(partial.done)
    partial.done.clear()
    _fetch_missing(ranged, partial, ignore_bytes)
    if ranged.matches(partial):
        return
    is_known = ranged.checksums is not None or (ranged.has_digest and PLAIN_ETAG.fullmatch(ranged.info.etag))
    if is_known or partial.done != first:
        problem = "the data does not have the digest that the store reports"
        raise Integrity(problem, url=ranged.url, operation="download", next_step="run it again")


class _RangeSink:
    """Writes one range to its position in the file and computes its digest; called again for a retry."""

    def __init__(self, partial: PartialFile, start: int, size: int, url: str) -> None:
        self._partial, self._start, self.size, self._url = partial, start, size, url
        self.digest = b""

    def __call__(self, response: HTTPResponse) -> None:
        """Read the body of a successful response."""
        if response.status != 206 and self._start:
            raise damaged("the store sent the whole object instead of a range", self._url)
        with local_errors(str(self._partial.handle.name), "write"):
            reserve(self._partial.handle, self._start, self.size)
        digest, position = self._partial.new_hash(b""), 0
        buffer = memoryview(bytearray(CHUNK))
        while count := response.readinto(buffer):
            if position + count > self.size:
                raise damaged("more bytes arrived than requested", self._url)
            digest.update(buffer[:count])
            _write_at(self._partial.handle, buffer[:count], self._start + position)
            position += count
        _check_end(position, int(response.headers.get("content-length", -1)), self._url)
        if position != self.size:
            raise damaged(f"{position} bytes arrived instead of {self.size}", self._url)
        begin_writeback(self._partial.handle, self._start, self.size)
        self.digest = digest.digest()


def _write_at(handle: BinaryIO, data: memoryview, offset: int) -> None:
    with local_errors(str(handle.name), "write"):
        while data:
            written = os.pwrite(handle.fileno(), data, offset)
            data, offset = data[written:], offset + written
