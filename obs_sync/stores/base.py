"""The interface of every storage mode: objects addressed by bucket and key, without folders or paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Callable, NamedTuple

from obs_sync.errors import Integrity, NotFound

OnBytes = Callable[[int], None]


def ignore_bytes(_count: int) -> None:
    """The progress callback for callers that do not need one."""


@dataclass(frozen=True)
class ObjectInfo:
    """One object as returned by a listing or a HEAD; `etag` changes whenever the content does, and may be empty."""

    key: str
    size: int
    etag: str = ""
    modified: datetime | None = None


class Page(NamedTuple):
    """A page of a listing: objects and, with a delimiter, folders (each ends with `/`)."""

    objects: list[ObjectInfo]
    folders: list[str]


def mismatch(written: ObjectInfo, found: ObjectInfo | None) -> str:
    """How the store's object differs from what was written, or an empty string."""
    if found is None:
        return "the store reported success but has no such object"
    if found.size != written.size:
        return f"the store has {found.size} bytes instead of {written.size}"
    if written.etag and found.etag and written.etag != found.etag:
        return f"the store has different content: ETag {found.etag} instead of {written.etag}"
    return ""


class Upload(ABC):
    """An object written in parts, which appears, complete, only on `commit`."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Append one part."""

    @abstractmethod
    def commit(self) -> None:
        """Make the object visible."""

    @abstractmethod
    def abort(self) -> None:
        """Discard the parts."""


class Store(ABC):
    """The objects of one service. Every method raises the errors of `obs_sync.errors` and no others.

    A write is visible completely or not at all; deleting a missing key is not an error; callers validate keys
    (`urls.split`). A read with `etag` raises Integrity if the object has been replaced since.
    """

    mode: str
    part_size: int = 16 << 20
    must_confirm = True  # whether a reported success must be verified; False only if the write itself is proof

    def key_problem(self, _key: str) -> str:
        """Why this mode cannot hold a key that is valid in OBS, or an empty string."""
        return ""

    def confirm(self, bucket: str, info: ObjectInfo) -> None:
        """Raise Integrity unless the object is in the store as it was written."""
        if self.must_confirm and (problem := mismatch(info, self.head(bucket, info.key))):
            raise Integrity(problem, url=f"obs://{bucket}/{info.key}", operation="verify", next_step="run it again")

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object."""
        try:
            self.head(bucket, key)
        except NotFound:
            return False
        return True

    @abstractmethod
    def buckets(self) -> list[str]:
        """Names of all buckets."""

    @abstractmethod
    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound or AccessDenied unless the bucket can be used."""

    @abstractmethod
    def make_bucket(self, bucket: str) -> None:
        """Create a bucket; no error if it exists and is your own."""

    @abstractmethod
    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""

    @abstractmethod
    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects whose key starts with the prefix, in byte order of keys; at most `limit` keys if given."""

    @abstractmethod
    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object, or NotFound."""

    @abstractmethod
    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Bytes from `start` to `end` (exclusive; None: to the end of the object), neither negative."""

    @abstractmethod
    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store an object; with `exclusive` raise AlreadyExists if there is one, even one written at the same time.

        Simultaneous exclusive writes must differ in their data. How reliably only one of them succeeds depends on the
        mode; see each store.
        """

    @abstractmethod
    def open_upload(self, bucket: str, key: str) -> Upload:
        """Start an object that is written in parts."""

    @abstractmethod
    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object within the store."""

    @abstractmethod
    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects."""

    @abstractmethod
    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file, verified."""

    @abstractmethod
    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Write an object to a local file that appears complete and verified, or not at all."""
