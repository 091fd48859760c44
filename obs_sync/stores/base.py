"""What every mode offers: objects addressed by bucket and key, nothing about folders or paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Callable, NamedTuple

from obs_sync.errors import Integrity

OnBytes = Callable[[int], None]


def ignore_bytes(_count: int) -> None:
    """The progress callback of someone who does not ask."""


@dataclass(frozen=True)
class ObjectInfo:
    """One object as a listing or a HEAD shows it; `etag` changes whenever the content does."""

    key: str
    size: int
    etag: str = ""
    modified: datetime | None = None


class Page(NamedTuple):
    """A part of a listing: objects, and with a delimiter the folders (each ends with `/`)."""

    objects: list[ObjectInfo]
    folders: list[str]


def mismatch(written: ObjectInfo, found: ObjectInfo | None) -> str:
    """How the store's object differs from what was written, or an empty text."""
    if found is None:
        return "the store reported success but has no such object"
    if found.size != written.size:
        return f"the store holds {found.size} bytes instead of {written.size}"
    if written.etag and found.etag and written.etag != found.etag:
        return f"the store holds other bytes: ETag {found.etag} instead of {written.etag}"
    return ""


class Upload(ABC):
    """An object that is written in parts and appears, whole, only with `commit`."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Append one part."""

    @abstractmethod
    def commit(self) -> None:
        """Make the object visible."""

    @abstractmethod
    def abort(self) -> None:
        """Forget the parts."""


class Store(ABC):
    """The objects of one service. Every method raises the errors of `obs_sync.errors` and nothing else.

    A write is visible whole or not at all; `delete` of a missing key is no error; keys are checked by the caller
    (`urls.split`). `etag` given to a read means: only if the object still is that one, else Integrity.
    """

    mode: str
    part_size: int = 16 << 20
    must_confirm = True  # whether a success still has to be looked at: false only where the write itself is proof

    def confirm(self, bucket: str, info: ObjectInfo) -> None:
        """Raise Integrity unless the object that was written is there as it was written."""
        if self.must_confirm and (problem := mismatch(info, self.head(bucket, info.key))):
            raise Integrity(problem, url=f"obs://{bucket}/{info.key}", operation="confirm", next_step="run it again")

    @abstractmethod
    def buckets(self) -> list[str]:
        """Names of all buckets."""

    @abstractmethod
    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound or AccessDenied unless the bucket can be used."""

    @abstractmethod
    def make_bucket(self, bucket: str) -> None:
        """Create a bucket; an own one that exists is fine."""

    @abstractmethod
    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""

    @abstractmethod
    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects whose key starts with the prefix, in order of the keys' bytes; `limit` keys at most if given."""

    @abstractmethod
    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object, or NotFound."""

    @abstractmethod
    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Bytes `start` to `end` (exclusive; None: to the end), both not negative."""

    @abstractmethod
    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store an object; with `exclusive` raise Exists if there is one already."""

    @abstractmethod
    def open_upload(self, bucket: str, key: str) -> Upload:
        """Begin an object that is written in parts."""

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
        """Write an object to a local file that appears whole and verified, or not at all."""
