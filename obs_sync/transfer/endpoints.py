"""The two ends of a transfer: a local path or a location in a store; each lists its files and finds one by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Union

from obs_sync import urls
from obs_sync.atomic import is_part, local_errors, stamp_of
from obs_sync.errors import InvalidName, InvalidRequest, NotFound, ObsSyncError
from obs_sync.stores.base import ObjectInfo, Store

OUTSIDE = "link to a target outside the source folder"


class File(NamedTuple):
    """One file or object: its name relative to the endpoint, its size in bytes, and the store's entry of an object.

    `stamp` changes when a local file does; it is empty for objects.
    `problem` says why it cannot be copied (`missing`: it does not exist; `rejected`: the target cannot hold such a
    name), `skip` why it is not.
    """

    name: str
    size: int
    info: ObjectInfo | None = None
    problem: str = ""
    skip: str = ""
    missing: bool = False
    rejected: bool = False
    stamp: str = ""


@dataclass(frozen=True)
class LocalEndpoint:
    """A file or folder of this machine."""

    path: str

    @property
    def label(self) -> str:
        """The path as it appears in messages."""
        return self.path

    def path_of(self, name: str) -> str:
        """The path of a relative name; the endpoint itself for an empty one."""
        return self._prefix + name.replace("/", os.sep) if name else self.path

    @cached_property
    def _prefix(self) -> str:
        return os.path.join(self.path, "")

    def single(self) -> File | None:
        """The endpoint as one file, or None if it is a folder; NotFound if it is neither."""
        with local_errors(self.path, "copy"):
            status = os.stat(self.path)
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequest(
                "not a regular file", url=self.path, operation="copy", next_step="name a file or a folder"
            )
        return File("", status.st_size, stamp=stamp_of(status))

    def below(self) -> Iterator[File]:
        """All files of the folder; links within it are followed, others skipped; temporary files are left out."""
        folder = os.path.abspath(self.path)
        yield from _walk(folder, "", frozenset(), os.path.realpath(folder))

    def named(self, name: str) -> File:
        """One file of the folder by its relative name."""
        return _local_file(name, self.path_of(name))


@dataclass(frozen=True)
class StoreEndpoint:
    """A key in a bucket, or the folder of keys below it; `key` has no trailing slash."""

    store: Store
    bucket: str
    key: str
    is_folder: bool

    @property
    def label(self) -> str:
        """The URL as it appears in messages."""
        return f"obs://{self.bucket}/{self.key}"

    def key_of(self, name: str) -> str:
        """The key of a relative name; the endpoint's own for an empty one."""
        return "/".join(part for part in (self.key, name) if part)

    def single(self) -> File | None:
        """The endpoint as one object, or None if it has to be read as a folder."""
        if self.is_folder or not self.key:
            return None
        try:
            info = self.store.head(self.bucket, self.key)
        except NotFound:
            return None
        return File("", info.size, info)

    def exists(self) -> bool:
        """Whether there is such a bucket, an object of this key or one below it."""
        try:
            if not self.key:
                self.store.check_bucket(self.bucket)
                return True
            if replace(self, is_folder=False).single() is not None:
                return True
            pages = self.store.pages(self.bucket, f"{self.key}/", limit=1)
            return any(page.objects for page in pages)
        except NotFound:
            return False

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
            missing, rejected = isinstance(error, NotFound), isinstance(error, InvalidName)
            return File(name, 0, problem=str(error), missing=missing, rejected=rejected)
        return File(name, info.size, info)


Endpoint = Union[LocalEndpoint, StoreEndpoint]


def _walk(folder: str, base: str, above: frozenset[str], root: str) -> Iterator[File]:
    real = os.path.realpath(folder)
    with local_errors(folder, "list"):
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        name = base + entry.name
        if is_part(entry.name):
            continue
        if entry.is_symlink() and os.path.exists(entry.path) and not _is_inside(root, entry.path):
            yield File(name, 0, skip=OUTSIDE)
        elif not entry.is_dir():
            yield _local_file(name, entry.path)
        elif entry.is_symlink() and os.path.realpath(entry.path) in above | {real}:
            yield File(name, 0, problem="link to a parent folder")
        else:
            yield from _walk(entry.path, f"{name}/", above | {real}, root)


def _is_inside(root: str, path: str) -> bool:
    return os.path.realpath(path).startswith(root.rstrip(os.sep) + os.sep) or os.path.realpath(path) == root


def _local_file(name: str, path: str) -> File:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return File(name, 0, problem=getattr(error, "strerror", None) or "cannot be read", missing=missing)
    if not stat.S_ISREG(status.st_mode):
        return File(name, 0, problem="not a regular file")
    return File(name, status.st_size, stamp=stamp_of(status))
