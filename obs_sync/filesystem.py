# ruff: noqa: ARG002 - fsspec prescribes these signatures
"""The fsspec filesystem of protocol `obs`: paths, folders and files on top of any of the three stores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, TypedDict, cast

import fsspec
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.spec import AbstractFileSystem

from obs_sync import urls
from obs_sync.credentials import Credentials, Provider
from obs_sync.errors import InvalidName, NotAFile, NotFound, already_exists
from obs_sync.file import ObsFile
from obs_sync.settings import Value, default_credentials, resolve
from obs_sync.stores.base import ObjectInfo, Store
from obs_sync.stores.open import open_store

_SECRET = ("credentials", "access_key_id", "secret_access_key", "security_token")


class Entry(TypedDict, total=False):
    """A file, or a folder, which has neither ETag nor time."""

    name: str
    size: int  # bytes
    type: str  # file or directory
    etag: str
    LastModified: datetime | None


class ObsFileSystem(AbstractFileSystem):
    """Objects in OBS, an S3-compatible store or a local folder, depending on `storage_mode`.

    Nothing is cached: listings always show the current state of the store. Credentials never appear in
    `storage_options`, `repr` or a pickle; a copy in another process takes them from that process's environment or
    `configure`.
    """

    protocol = "obs"
    root_marker = ""
    cachable = False

    def __init__(
        self,
        *,
        credentials: Credentials | Provider | None = None,
        access_key_id: str = "",
        secret_access_key: str = "",
        security_token: str = "",
        **settings: Value,
    ) -> None:
        for ignored in ("use_listings_cache", "listings_expiry_time", "max_paths", "asynchronous", "loop"):
            settings.pop(ignored, None)
        super().__init__(use_listings_cache=False)
        if access_key_id:
            credentials = Credentials(access_key_id, secret_access_key, security_token)
        self.settings = resolve(**settings)
        self._credentials = credentials if credentials is not None else default_credentials()
        self._store: Store | None = None
        self._pid = 0

    @property
    def store(self) -> Store:
        """The store of this process; reopened after a fork."""
        if self._store is None or self._pid != os.getpid():
            self._store, self._pid = open_store(self.settings, self._credentials), os.getpid()
        return self._store

    @property
    def storage_mode(self) -> str:
        """The mode in use: moxing, obs or local."""
        return self.store.mode

    @property
    def storage_options(self) -> dict[str, object]:
        """The arguments to create this filesystem again, without its credentials."""
        return cast("dict[str, object]", self.__dict__.get("_options", {}))

    @storage_options.setter
    def storage_options(self, options: dict[str, object]) -> None:
        self.__dict__["_options"] = {name: value for name, value in options.items() if name not in _SECRET}

    def __repr__(self) -> str:
        return f"ObsFileSystem(storage_mode={self.settings.storage_mode!r})"

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> str | list[str]:
        return [_stripped(each) for each in path] if isinstance(path, (list, tuple)) else _stripped(path)

    def split(self, path: str) -> urls.Location:
        """Bucket and key of a path."""
        return urls.split(_stripped(path))

    def object_at(self, path: str, operation: str) -> urls.Location:
        """Bucket and key of a path that must name an object, not a bucket."""
        location = self.split(path)
        if not location.key:
            raise NotAFile("this is a bucket", url=location.url, operation=operation, next_step="name an object in it")
        return location

    # ---- listings ----

    def _file(self, bucket: str, info: ObjectInfo) -> Entry:
        name = f"{bucket}/{info.key}"
        return {"name": name, "size": info.size, "type": "file", "etag": info.etag, "LastModified": info.modified}

    def ls(self, path: str, detail: bool = True, **kwargs: object) -> list[Entry] | list[str]:
        """Files and folders directly below a folder, or the file itself; NotFound if there is neither."""
        stripped = _stripped(path)
        entries = self._ls(stripped) if stripped else [_folder(bucket) for bucket in self.store.buckets()]
        return entries if detail else sorted(entry["name"] for entry in entries)

    def _ls(self, path: str) -> list[Entry]:
        bucket, key = self.split(path)
        prefix = f"{key}/" if key else ""
        entries: list[Entry] = []
        seen = not key
        for page in self.store.pages(bucket, prefix, "/"):
            seen = seen or bool(page.objects or page.folders)
            entries += [self._file(bucket, info) for info in page.objects if info.key != prefix]
            entries += [_folder(f"{bucket}/{folder[:-1]}") for folder in page.folders if folder != prefix + "/"]
        if seen:
            return entries
        return [self._file(bucket, self.store.head(bucket, key))]

    def info(self, path: str, **kwargs: object) -> Entry:
        """The entry of a path: a file with size and ETag, or a folder with at least one file."""
        stripped = _stripped(path)
        if not stripped:
            return _folder("")
        bucket, key = self.split(stripped)
        if not key:
            self.store.check_bucket(bucket)
            return _folder(bucket)
        try:
            return self._file(bucket, self.store.head(bucket, key))
        except NotFound as error:
            for page in self.store.pages(bucket, f"{key}/", limit=1):
                if page.objects:
                    return _folder(stripped)
            raise NotFound("no such object or folder", url=f"obs://{stripped}", next_step=error.next_step) from None

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: object
    ) -> dict[str, Entry] | list[str]:
        """All files below a path: one request per 1,000 keys."""
        stripped = _stripped(path)
        if not stripped or maxdepth is not None or withdirs:
            found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
            return cast("dict[str, Entry] | list[str]", found)
        bucket, key = self.split(stripped)
        found = {
            f"{bucket}/{info.key}": self._file(bucket, info) for info in self._below(bucket, f"{key}/" if key else "")
        }
        if not found and key:
            try:
                found = {stripped: self._file(bucket, self.store.head(bucket, key))}
            except NotFound:
                return {} if detail else []
        return found if detail else sorted(found)

    def _below(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for page in self.store.pages(bucket, prefix):
            yield from (info for info in page.objects if not info.key.endswith("/"))

    def created(self, path: str) -> datetime | None:
        """When the object was written: stores keep no creation time."""
        return self.modified(path)

    def modified(self, path: str) -> datetime | None:
        """When the object was written, in UTC."""
        return self.info(path)["LastModified"]

    def checksum(self, path: str) -> str:
        """The ETag, which changes when the content does."""
        return self.info(path).get("etag") or str(self.ukey(path))

    # ---- folders, which exist only while they contain files ----

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: object) -> None:
        """Create a bucket; folders need not be created."""
        bucket, key = self.split(path)
        if not key:
            self.store.make_bucket(bucket)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing to do: a folder exists once there is an object below it."""
        self.split(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty bucket; a folder disappears with its last file."""
        bucket, key = self.split(path)
        if not key:
            self.store.remove_bucket(bucket)

    # ---- content ----

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: object) -> bytes:
        """An object's bytes, or a range of them; negative positions count from the end."""
        bucket, key = self.object_at(path, "read")
        if (start or 0) < 0 or (end is not None and end < 0):
            size = self.store.head(bucket, key).size
            start = max(0, size + start) if start is not None and start < 0 else start
            end = size + end if end is not None and end < 0 else end
        if end is not None and end <= (start or 0):
            self.store.head(bucket, key)
            return b""
        return self.store.read(bucket, key, start or 0, end)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        """Store bytes; mode `create` raises AlreadyExists instead of overwriting, also for simultaneous writers."""
        bucket, key = self.object_at(path, "write")
        self.store.write(bucket, key, bytes(value), exclusive=mode == "create")

    def get_file(
        self, rpath: str, lpath: object, callback: Callback = DEFAULT_CALLBACK, outfile: object = None, **kwargs: object
    ) -> None:
        """Write an object to a local file that appears complete and verified, or not at all."""
        if outfile is not None or not isinstance(lpath, (str, os.PathLike)):
            super().get_file(rpath, lpath, callback=callback, outfile=outfile, **kwargs)
            return
        bucket, key = self.split(rpath)
        entry = self.info(rpath)
        if entry["type"] == "directory":
            os.makedirs(lpath, exist_ok=True)
            return
        if problem := urls.name_problem(key):
            step = "use obs_sync.copy with a file name"
            raise InvalidName(problem, url=f"obs://{bucket}/{key}", operation="download", next_step=step)
        callback.set_size(entry["size"])
        info = ObjectInfo(key, entry["size"], entry["etag"], entry["LastModified"])
        self.store.download(bucket, info, os.fspath(lpath), callback.relative_update)

    def put_file(
        self, lpath: str, rpath: str, callback: Callback = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: object
    ) -> None:
        """Store a local file, verified."""
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        bucket, key = self.object_at(rpath, "upload")
        if mode == "create" and self.exists(rpath):
            raise already_exists(f"obs://{bucket}/{key}", "upload")
        callback.set_size(os.path.getsize(lpath))
        self.store.confirm(bucket, self.store.upload(os.fspath(lpath), bucket, key, callback.relative_update))

    def cp_file(self, path1: str, path2: str, **kwargs: object) -> None:
        """Copy an object within the store; for a folder do nothing."""
        bucket, key = self.split(path1)
        to_bucket = self.split(path2).bucket
        try:
            if key:
                self.store.copy(bucket, key, to_bucket, self.object_at(path2, "copy").key)
                return
        except NotFound:
            if not self.isdir(path1):
                raise
        self.makedirs(path2, exist_ok=True)

    def rm_file(self, path: str) -> None:
        """Remove an object; NotFound if there is none, NotAFile for a folder."""
        bucket, key = self.object_at(path, "remove")
        if self.info(path)["type"] == "directory":
            step = "remove it with everything in it: rm -r (in Python: recursive=True)"
            raise NotAFile("this is a folder", url=f"obs://{bucket}/{key}", operation="remove", next_step=step)
        self.store.delete(bucket, [key])

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove objects, or with `recursive` everything below a path (1,000 keys per request)."""
        for each in path if isinstance(path, (list, tuple)) else [path]:
            if recursive and maxdepth is None and not any(mark in str(each) for mark in "*?["):
                self._rm_below(each)
                continue
            for found in reversed(self.expand_path(each, recursive=recursive, maxdepth=maxdepth)):
                if self.isfile(found):
                    self.rm_file(found)

    def _rm_below(self, path: str) -> None:
        bucket, key = self.split(path)
        prefix = f"{key}/" if key else ""
        keys = [info.key for page in self.store.pages(bucket, prefix) for info in page.objects]
        if key:
            try:
                keys.append(self.store.head(bucket, key).key)
            except NotFound:
                if not keys:
                    raise
        self.store.delete(bucket, keys)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_options: dict[str, object] | None = None,
        **kwargs: object,
    ) -> ObsFile:
        self.object_at(path, "open")
        return ObsFile(self, path, mode, block_size, autocommit, cache_options=cache_options, **kwargs)


def _stripped(path: str) -> str:
    """A path without scheme and trailing slashes; empty for the root."""
    text = urls.without_scheme(os.fspath(path))
    return text.rstrip("/") if text.strip("/") else ""


def _folder(name: str) -> Entry:
    return {"name": name, "size": 0, "type": "directory"}


class _Open(Protocol):
    def __call__(self, **options: Credentials | Provider | Value) -> ObsFileSystem: ...


def filesystem(storage_mode: str | None = None, **options: Credentials | Provider | Value) -> ObsFileSystem:
    """The filesystem for these `Settings` and credentials; unset ones come from `configure`, then the environment."""
    return cast("_Open", ObsFileSystem)(storage_mode=storage_mode, **options)


def register() -> None:
    """Register `obs://` with fsspec, and so with pandas and pyarrow."""
    fsspec.register_implementation("obs", ObsFileSystem, clobber=True)
