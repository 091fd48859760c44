"""The two ends of a transfer: a local path or a place in a store, each able to list its files and to name one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

from obs_sync import urls
from obs_sync.atomic import is_part, local_errors
from obs_sync.errors import NotFound, ObsSyncError, Refused
from obs_sync.stores.base import ObjectInfo, Store


@dataclass(frozen=True)
class File:
    """One file or object: its name relative to the place, size, and for objects what the store says.

    `problem` tells why it cannot be copied (`missing`: because there is no such file), `skip` why it need not.
    """

    name: str
    size: int
    info: ObjectInfo | None = None
    problem: str = ""
    skip: str = ""
    missing: bool = False


@dataclass(frozen=True)
class LocalPlace:
    """A file or folder of this machine."""

    path: str

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.path

    def path_of(self, name: str) -> str:
        """The path of a relative name; the place itself for an empty one."""
        return os.path.join(self.path, *name.split("/")) if name else self.path

    def single(self) -> File | None:
        """The place as one file, or None if it is a folder; NotFound when it is neither."""
        with local_errors(self.path, "copy"):
            status = os.stat(self.path)
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a regular file", url=self.path, operation="copy", next_step="name a file or a folder")
        return File("", status.st_size)

    def below(self) -> Iterator[File]:
        """All files of the folder, links to files and folders followed, leftovers of transfers left out."""
        yield from _walk(os.path.abspath(self.path), "", frozenset())

    def named(self, name: str) -> File:
        """One file of the folder by its relative name."""
        return _local_file(name, self.path_of(name))


@dataclass(frozen=True)
class RemotePlace:
    """A key in a bucket, or the folder of keys below it; `key` has no slash at its end."""

    store: Store
    bucket: str
    key: str
    is_folder: bool

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"obs://{self.bucket}/{self.key}"

    def key_of(self, name: str) -> str:
        """The key of a relative name; the place's own for an empty one."""
        return "/".join(part for part in (self.key, name) if part)

    def single(self) -> File | None:
        """The place as one object, or None if it has to be read as a folder."""
        if self.is_folder or not self.key:
            return None
        try:
            info = self.store.head(self.bucket, self.key)
        except NotFound:
            return None
        return File("", info.size, info)

    def below(self) -> Iterator[File]:
        """All objects below the key."""
        prefix = f"{self.key}/" if self.key else ""
        for page in self.store.pages(self.bucket, prefix):
            for info in page.objects:
                name = info.key[len(prefix) :]
                if not name or (name.endswith("/") and info.size == 0):
                    yield File(name or "/", 0, info, skip="folder marker")
                else:
                    yield File(name, info.size, info)

    def named(self, name: str) -> File:
        """One object by its relative name; a missing one is a problem of that name, not an error."""
        try:
            urls.check_key(self.key_of(name))
            info = self.store.head(self.bucket, self.key_of(name))
        except ObsSyncError as error:
            return File(name, 0, problem=str(error), missing=isinstance(error, NotFound))
        return File(name, info.size, info)


Place = Union[LocalPlace, RemotePlace]


def _walk(folder: str, base: str, above: frozenset[str]) -> Iterator[File]:
    real = os.path.realpath(folder)
    with local_errors(folder, "list"):
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        name = base + entry.name
        if is_part(entry.name):
            continue
        if not entry.is_dir():
            yield _local_file(name, entry.path)
        elif entry.is_symlink() and os.path.realpath(entry.path) in above | {real}:
            yield File(name, 0, problem="a link to a folder above it")
        else:
            yield from _walk(entry.path, f"{name}/", above | {real})


def _local_file(name: str, path: str) -> File:
    try:
        status = os.stat(path)
    except OSError as error:
        gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return File(name, 0, problem=error.strerror or "cannot be read", missing=gone)
    if not stat.S_ISREG(status.st_mode):
        return File(name, 0, problem="not a regular file")
    return File(name, status.st_size)
