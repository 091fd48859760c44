"""The `local` mode: a folder on disk behaves as the cloud does.

`obs://bucket/key` lies at `<root>/bucket/key`. A folder exists only while an object lies below it, an object is never
visible half-written, a missing bucket is an error. The ETag changes with the content but is no MD5.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import BinaryIO

from obs_sync.atomic import CHUNK, finish, local_error, local_errors, replacing
from obs_sync.errors import AccessDenied, Exists, Integrity, LocalProblem, NotFound, RequestFailed, Transient
from obs_sync.stores import local_keys as names
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.stores.local_walk import walk_keys
from obs_sync.urls import Location

_PAGE = 1000
_PLACE_ATTEMPTS = 20


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """What a file's status says about the object in it."""
    etag = f"{status.st_mtime_ns:x}.{status.st_size:x}.{status.st_ino:x}"
    return ObjectInfo(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, timezone.utc))


class LocalStore(Store):
    """Buckets are the folders below `root`."""

    mode = "local"
    must_confirm = False

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def buckets(self) -> list[str]:
        """Names of all buckets: the folders below the root."""
        with local_errors(self.root, "list buckets"):
            if not os.path.isdir(self.root):
                return []
            return sorted(e.name for e in os.scandir(self.root) if e.is_dir() and not e.name.startswith("."))

    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound unless the bucket's folder is there."""
        self.bucket_folder(bucket)

    def make_bucket(self, bucket: str) -> None:
        """Create the bucket's folder."""
        with local_errors(os.path.join(self.root, bucket), "create bucket"):
            os.makedirs(os.path.join(self.root, bucket), exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        """Remove the folder of a bucket that holds no object."""
        folder = self.bucket_folder(bucket)
        if any(True for _ in walk_keys(folder, "")):
            raise RequestFailed("the bucket is not empty", url=f"obs://{bucket}/", operation="remove bucket")
        with local_errors(folder, "remove bucket"):
            shutil.rmtree(folder)

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in the order of their keys' bytes, 1,000 a page; with `/` as delimiter folders are not entered."""
        folder = self.bucket_folder(bucket)
        with local_errors(folder, "list"):
            found = dict(walk_keys(folder, prefix, enter=not delimiter))
        objects = sorted((k for k in found if found[k] is not None), key=str.encode)
        folders = sorted((k for k in found if found[k] is None), key=str.encode)
        if limit:
            objects, folders = objects[:limit], folders[:limit]
        for start in range(0, max(len(objects), 1), _PAGE):
            infos = [info_of(key, status) for key in objects[start : start + _PAGE] if (status := found[key])]
            yield Page(infos, folders if start == 0 else [])

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object's size and ETag, or NotFound."""
        return info_of(key, os.stat(self.path_of(bucket, key)))

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Part of an object."""
        with self._opened(bucket, key, etag) as handle:
            handle.seek(start)
            return handle.read() if end is None else handle.read(max(end - start, 0))

    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store bytes as an object."""
        upload = self.open_upload(bucket, key)
        try:
            upload.write(data)
            return upload.place(exclusive)
        except BaseException:
            upload.abort()
            raise

    def open_upload(self, bucket: str, key: str) -> LocalUpload:
        """An object under a temporary name, below the bucket's side room."""
        return LocalUpload(self, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object to another key or bucket."""
        with self._opened(bucket, key) as handle:
            return self._store_stream(handle, to_bucket, to_key, ignore_bytes)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects and the folders that are empty without them."""
        folder = self.bucket_folder(bucket)
        for key in keys:
            for path in self._candidates(folder, key):
                with local_errors(path, "delete"):
                    self._check_inside(folder, path)
                    self._unlink(folder, path)

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file; one that changes while it is read is an error."""
        self.bucket_folder(bucket)
        with local_errors(path, "read"), open(path, "rb") as source:
            before = os.fstat(source.fileno())
            info = self._store_stream(source, bucket, key, on_bytes)
            after = os.fstat(source.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or info.size != before.st_size:
            raise Transient(
                "the file changed while it was read", url=path, operation="upload", next_step="run it again"
            )
        return info

    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Copy an object to a local file."""
        with (
            self._opened(bucket, info.key, info.etag) as source,
            local_errors(path, "write"),
            replacing(path) as target,
        ):
            while block := source.read(CHUNK):
                target.write(block)
                on_bytes(len(block))
            if target.tell() != os.fstat(source.fileno()).st_size:
                raise Integrity(
                    "the file changed while it was read", url=Location(bucket, info.key).url, operation="download"
                )

    def path_of(self, bucket: str, key: str) -> str:
        """The file that holds an object, or NotFound."""
        for path in self._candidates(self.bucket_folder(bucket), key):
            with contextlib.suppress(OSError, ValueError):
                if stat.S_ISREG(os.stat(path).st_mode):
                    return path
        raise NotFound("no such object", url=Location(bucket, key).url, next_step=f"look below {self.root}")

    def bucket_folder(self, bucket: str) -> str:
        """The folder that stands for the bucket; NotFound when there is none."""
        folder = os.path.join(self.root, bucket)
        if not os.path.isdir(folder):
            raise NotFound(
                "no such bucket",
                url=f"obs://{bucket}/",
                next_step=f"in local mode a folder is a bucket: mkdir -p {folder}",
            )
        return folder

    @staticmethod
    def _candidates(folder: str, key: str) -> list[str]:
        plain = [names.plain_path(folder, key)] if names.is_plain(key) else []
        return [*plain, names.room_path(folder, key)]

    @contextlib.contextmanager
    def _opened(self, bucket: str, key: str, etag: str = "") -> Iterator[BinaryIO]:
        url = Location(bucket, key).url
        path = self.path_of(bucket, key)
        try:
            handle = open(path, "rb")  # noqa: SIM115 - closed below; only opening it may be turned into NotFound
        except FileNotFoundError as error:
            raise NotFound("no such object", url=url, operation="read") from error
        except OSError as error:
            raise local_error(error, path, "read") from error
        with handle:
            if etag and info_of(key, os.fstat(handle.fileno())).etag != etag:
                raise Integrity(
                    "the object was replaced meanwhile", url=url, operation="read", next_step="run it again"
                )
            yield handle

    def _store_stream(self, source: BinaryIO, bucket: str, key: str, on_bytes: OnBytes) -> ObjectInfo:
        upload = self.open_upload(bucket, key)
        try:
            while block := source.read(CHUNK):
                upload.write(block)
                on_bytes(len(block))
            return upload.place()
        except BaseException:
            upload.abort()
            raise

    def place(self, part: str, bucket: str, key: str, exclusive: bool) -> ObjectInfo:
        """Give a finished temporary file its final name; folders may come and go meanwhile, so try again."""
        folder, url = self.bucket_folder(bucket), Location(bucket, key).url
        paths = self._candidates(folder, key)
        for _ in range(_PLACE_ATTEMPTS):
            if exclusive and any(os.path.isfile(path) for path in paths):
                raise Exists("the object exists already", url=url, operation="write")
            with contextlib.suppress(FileNotFoundError):
                path = next(path for path in paths if self._moved(folder, part, path, exclusive))
                for stale in paths[paths.index(path) + 1 :]:
                    self._unlink(folder, stale)
                return info_of(key, os.stat(path))
        raise LocalProblem("the folder vanishes again and again", url=url, operation="write", next_step="run it again")

    def _moved(self, folder: str, part: str, path: str, exclusive: bool) -> bool:
        """Whether the temporary file could take this name: not if a folder has it, or a file has its parent's."""
        self._check_inside(folder, path)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if exclusive:
                os.link(part, path)
                os.unlink(part)
            else:
                os.replace(part, path)
        except (IsADirectoryError, NotADirectoryError):
            return False
        except FileExistsError as error:
            if os.path.isfile(path):
                raise Exists("the object exists already", url=path, operation="write") from error
            return False
        return True

    def _check_inside(self, folder: str, path: str) -> None:
        inside = os.path.realpath(folder)
        if os.path.commonpath([inside, os.path.realpath(os.path.dirname(path))]) != inside:
            raise AccessDenied(
                "a symbolic link leads out of the bucket's folder",
                url=path,
                operation="write",
                next_step="remove the link or write elsewhere",
            )

    @staticmethod
    def _unlink(folder: str, path: str) -> None:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            if os.path.isfile(path):
                raise
            return
        parent = os.path.dirname(path)
        while parent not in (folder, os.path.join(folder, names.ROOM)):
            try:
                os.rmdir(parent)
            except OSError:
                return
            parent = os.path.dirname(parent)


class LocalUpload(Upload):
    """A temporary file in the bucket's side room that is renamed at the end."""

    def __init__(self, store: LocalStore, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key
        folder = names.temporary_folder(store.bucket_folder(bucket))
        self._part = os.path.join(folder, uuid.uuid4().hex)
        with local_errors(folder, "write"):
            os.makedirs(folder, exist_ok=True)
            self._handle = open(self._part, "xb")  # noqa: SIM115 - lives until commit or abort

    def write(self, data: bytes) -> None:
        """Append bytes to the temporary file."""
        with local_errors(self._part, "write"):
            self._handle.write(data)

    def commit(self) -> None:
        """Make the object visible."""
        self.place()

    def place(self, exclusive: bool = False) -> ObjectInfo:
        """Make the object visible and say what it is."""
        with local_errors(Location(self._bucket, self._key).url, "write"):
            with self._handle as handle:
                finish(handle)
            return self._store.place(self._part, self._bucket, self._key, exclusive)

    def abort(self) -> None:
        """Remove the temporary file."""
        self._handle.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._part)
