"""Reading objects: bodies that are checked while they arrive, and big objects in parallel ranges that survive a kill.

Every range asks for the version it began with (If-Match). Finished ranges are noted with their digest beside the
temporary file; a later try checks each against the bytes on disk before it trusts them. The whole is compared with its
mark or ETag before it gets its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Callable

from obs_sync.atomic import CHUNK, begin_writeback, local_errors, part_path, reserve, sync_folder
from obs_sync.errors import Integrity, Transient
from obs_sync.parallel import for_each
from obs_sync.stores.base import ObjectInfo, OnBytes, ignore_bytes
from obs_sync.stores.sdk.part_checksums import NAME as MARK_NAME
from obs_sync.stores.sdk.part_checksums import Crc32, Mark, combined, read_mark
from obs_sync.transfer.compare import PLAIN_ETAG, composite, matches_etag, part_size_guess
from obs_sync.urls import Location

if TYPE_CHECKING:
    from obs_sync.stores.sdk.store import SdkStore

try:
    import fcntl
except ImportError:  # Windows: downloads work there, but start over after a kill
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_DOWN_PER_UP = 2  # ranges wait for the disk as well as for the network, so there are more of them than of parts


def damaged(problem: str, url: str) -> Integrity:
    """The error for bytes that are not what the store holds; trying again may bring the right ones."""
    error = Integrity(problem, url=url, operation="read", next_step="run it again; if it stays, check the network path")
    error.may_pass = True
    return error


class BodyReader:
    """Reads one answer to the end, checks its length and, for a whole object, its MD5; a retry calls it again."""

    def __init__(self, url: str, check_digest: bool, target: BinaryIO | None = None, size: int | None = None) -> None:
        self._url, self._check, self._target, self._size = url, check_digest, target, size
        self._blocks: list[bytes] = []

    def __call__(self, response: Any) -> None:
        """Take the body of a success."""
        self._blocks = []
        if self._target is not None:
            self._target.seek(0)
            self._target.truncate()
        digest, count = hashlib.md5(), 0
        announced = int(response.headers.get("content-length", -1))
        while block := response.read(CHUNK):
            count += len(block)
            if self._check:
                digest.update(block)
            if self._target is None:
                self._blocks.append(block)
            else:
                with local_errors(self._target.name, "write"):
                    self._target.write(block)
        self._judge(response.headers, count, announced, digest.hexdigest())

    def content(self) -> bytes:
        """What was read, when no target took it."""
        return self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)

    def _judge(self, headers: Any, count: int, announced: int, digest: str) -> None:
        _check_end(count, announced, self._url)
        for expected in (self._size, _range_length(headers)):
            if expected is not None and count != expected:
                raise damaged(f"{count} bytes came instead of {expected}", self._url)
        etag = headers.get("etag", "").strip('"')
        encrypted = any("server-side-encryption" in name.lower() for name in headers)
        if self._check and PLAIN_ETAG.fullmatch(etag) and not encrypted and digest != etag:
            raise damaged("the bytes do not have the MD5 that the store names", self._url)


def _check_end(count: int, announced: int, url: str) -> None:
    if count < announced:
        step = "check the network, then run it again"
        raise Transient(
            f"the connection ended after {count} of {announced} bytes", url=url, operation="read", next_step=step
        )


def _range_length(headers: Any) -> int | None:
    span = headers.get("content-range", "").partition(" ")[2].partition("/")[0]
    first, _, last = span.partition("-")
    return int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else None


@dataclass(frozen=True)
class _Whole:
    """What is to be fetched, in ranges of what size, and what its bytes can be checked against."""

    store: SdkStore
    bucket: str
    info: ObjectInfo
    part_size: int
    mark: Mark | None

    @property
    def url(self) -> str:
        return Location(self.bucket, self.info.key).url

    def fits(self, partial: _Partial) -> bool:
        """Whether the fetched bytes have the digest that is known of the object."""
        digests = [partial.done[number] for number in sorted(partial.done)]
        if self.mark is not None:
            return combined(digests) == self.mark.digest
        return composite(digests) == self.info.etag or matches_etag(partial.path, self.info.etag, self.info.size)


def fetch_in_ranges(store: SdkStore, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes) -> None:
    """Download a big object by several threads into a temporary file that takes its name at the end."""
    whole = _look(store, bucket, info)
    identity = f"{store.settings.endpoint}|{whole.url}|{info.etag}|{whole.part_size}"
    with local_errors(path, "write"), _Partial(path, identity, info.size, _hash_of(whole)) as partial:
        for number in partial.verified(whole.part_size):
            on_bytes(min(whole.part_size, info.size - number * whole.part_size))
        _fetch_missing(whole, partial, on_bytes)
        if not whole.fits(partial):
            _fetch_again(whole, partial)
        partial.publish()


def _look(store: SdkStore, bucket: str, info: ObjectInfo) -> _Whole:
    reply = store.gate.request("HEAD", bucket, info.key, operation="look at")
    mark = read_mark(reply.headers.get(f"{store.gate.prefix}meta-{MARK_NAME}", ""))
    part_size = mark.part_size if mark else part_size_guess(info.etag, info.size) or store.settings.part_size
    return _Whole(store, bucket, info, part_size, mark)


def _hash_of(whole: _Whole) -> Callable[..., Any]:
    return Crc32 if whole.mark is not None else hashlib.md5


def _fetch_missing(whole: _Whole, partial: _Partial, on_bytes: OnBytes) -> None:
    info, gate = whole.info, whole.store.gate

    def fetch(number: int) -> None:
        start = number * whole.part_size
        sink = _RangeSink(partial, start, min(whole.part_size, info.size - start), whole.url)
        headers = {"If-Match": info.etag, "Range": f"bytes={start}-{start + sink.size - 1}"}
        gate.request("GET", whole.bucket, info.key, headers=headers, operation="download", weight=sink.size, sink=sink)
        partial.note(number, sink.digest)
        on_bytes(sink.size)

    missing = [number for number in range(-(-info.size // whole.part_size)) if number not in partial.done]
    for_each(missing, fetch, _DOWN_PER_UP * whole.store.settings.part_threads)


def _fetch_again(whole: _Whole, partial: _Partial) -> None:
    """Read everything once more after the digest did not fit; Integrity unless it fits now.

    Where others have uploaded in parts of unknown size no digest can fit: there the same bytes twice must do.
    """
    logger.warning("%s: the bytes do not have the known digest, or none is known: read again", whole.url)
    first = dict(partial.done)
    partial.done.clear()
    _fetch_missing(whole, partial, ignore_bytes)
    if whole.fits(partial):
        return
    if whole.mark is not None or PLAIN_ETAG.fullmatch(whole.info.etag) or partial.done != first:
        problem = "the bytes do not have the digest that the store names"
        raise Integrity(problem, url=whole.url, operation="download", next_step="run it again")


class _RangeSink:
    """Writes one range to its place in the file and takes its digest; may be called again for a retry."""

    def __init__(self, partial: _Partial, start: int, size: int, url: str) -> None:
        self._partial, self._start, self.size, self._url = partial, start, size, url
        self.digest = b""

    def __call__(self, response: Any) -> None:
        """Take the body of a success."""
        if response.status != 206 and self._start:
            raise damaged("the store sent the whole object instead of a range", self._url)
        with local_errors(str(self._partial.handle.name), "write"):
            reserve(self._partial.handle, self._start, self.size)
        digest, position = self._partial.new_hash(), 0
        buffer = memoryview(bytearray(CHUNK))
        while count := response.readinto(buffer):
            if position + count > self.size:
                raise damaged("more bytes came than were asked for", self._url)
            digest.update(buffer[:count])
            _write_at(self._partial.handle, buffer[:count], self._start + position)
            position += count
        _check_end(position, int(response.headers.get("content-length", -1)), self._url)
        if position != self.size:
            raise damaged(f"{position} bytes came instead of {self.size}", self._url)
        begin_writeback(self._partial.handle, self._start, self.size)
        self.digest = digest.digest()


def _write_at(handle: BinaryIO, data: memoryview, offset: int) -> None:
    with local_errors(str(handle.name), "write"):
        while data:
            written = os.pwrite(handle.fileno(), data, offset)
            data, offset = data[written:], offset + written


class _Partial:
    """The temporary file of a download and the note of what is finished; locked: two processes never share it."""

    def __init__(self, path: str, identity: str, size: int, new_hash: Callable[..., Any]) -> None:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._final, self.new_hash = path, new_hash
        tag = hashlib.sha256(f"{identity}|{os.path.abspath(path)}".encode()).hexdigest()[:20]
        self.handle, self.path = _open_locked(path, tag)
        self._notes_path = part_path(path, f"{os.path.basename(self.path)[len('.obs_sync-') : -len('.part')]}.notes")
        self._notes = open(self._notes_path, "a+", encoding="ascii")  # noqa: SIM115 - closed in __exit__
        self._lock = threading.Lock()
        self.done: dict[int, bytes] = {}
        try:
            self.handle.truncate(size)
        except OSError:
            self._remove()
            raise

    def __enter__(self) -> _Partial:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, (Transient, KeyboardInterrupt)):
            logger.info("%s is kept: a later try goes on with it", self.path)
            self._notes.close()
            self.handle.close()
        else:
            self._remove()

    def _remove(self) -> None:
        self._notes.close()
        self.handle.close()
        for path in (self.path, self._notes_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def verified(self, part_size: int) -> Iterator[int]:
        """Numbers of the ranges that an earlier try has finished and that are still what they were."""
        self._notes.seek(0)
        for line in self._notes.read().splitlines():
            number, _, digest = line.partition(" ")
            if number.isdigit():
                block = os.pread(self.handle.fileno(), part_size, int(number) * part_size)
                if self.new_hash(block).hexdigest() == digest and int(number) not in self.done:
                    self.done[int(number)] = bytes.fromhex(digest)
                    yield int(number)

    def note(self, number: int, digest: bytes) -> None:
        """Remember a finished range."""
        with self._lock:
            self.done[number] = digest
            self._notes.write(f"{number} {digest.hex()}\n")
            self._notes.flush()

    def publish(self) -> None:
        """Give the finished file its name."""
        self.handle.flush()
        os.fsync(self.handle.fileno())
        os.replace(self.path, self._final)
        sync_folder(os.path.dirname(self._final))


def _open_locked(path: str, tag: str) -> tuple[Any, str]:
    """The temporary file for this download, or one of its own if another process is at it."""
    if fcntl is not None:
        resumable = part_path(path, tag)
        handle = open(resumable, "r+b" if os.path.exists(resumable) else "w+b")  # noqa: SIM115 - the caller closes it
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(resumable)):
                return handle, resumable
        handle.close()
    fresh = part_path(path)
    return open(fresh, "w+b"), fresh
