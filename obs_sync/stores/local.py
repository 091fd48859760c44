"""The `local` mode: a folder on disk that behaves like OBS.

`obs://bucket/key` is `<root>/bucket/key`. A folder exists only while there is an object below it, an object is never
visible half-written, and a missing bucket is an error. The ETag changes with the content but is not an MD5.
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

from obs_sync.atomic import CHUNK, finish, local_error, local_errors, move, replacing
from obs_sync.errors import (
    AccessDenied,
    Integrity,
    LocalProblem,
    NotFound,
    RequestFailed,
    Transient,
    already_exists,
    changed_while_read,
)
from obs_sync.stores import local_keys
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.urls import Location

_PAGE = 1000
_COMMIT_ATTEMPTS = 20


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """The object that a file's status describes."""
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
        """Raise NotFound unless the bucket's folder exists."""
        self.bucket_folder(bucket)

    def make_bucket(self, bucket: str) -> None:
        """Create the bucket's folder."""
        with local_errors(os.path.join(self.root, bucket), "create bucket"):
            os.makedirs(os.path.join(self.root, bucket), exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        """Remove the folder of a bucket without objects."""
        folder = self.bucket_folder(bucket)
        if any(True for _ in local_keys.walk_keys(folder, "")):
            raise RequestFailed(
                "the bucket is not empty",
                url=f"obs://{bucket}/",
                operation="remove bucket",
                next_step="remove its objects first",
            )
        with local_errors(folder, "remove bucket"):
            shutil.rmtree(folder)

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in byte order of their keys, 1,000 per page; with `/` as delimiter folders are not entered."""
        folder = self.bucket_folder(bucket)
        with local_errors(folder, "list"):
            found = dict(local_keys.walk_keys(folder, prefix, enter=not delimiter))
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
        """Store bytes as an object; with `exclusive` exactly one of several simultaneous writers succeeds."""
        upload = self.open_upload(bucket, key)
        try:
            upload.write(data)
            return upload.publish(exclusive)
        except BaseException:
            upload.abort()
            raise

    def open_upload(self, bucket: str, key: str) -> LocalUpload:
        """An object under a temporary name in the bucket's reserved folder."""
        return LocalUpload(self, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object to another key or bucket."""
        with self._opened(bucket, key) as handle:
            return self._store_stream(handle, to_bucket, to_key, ignore_bytes)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects and the folders this leaves empty."""
        folder = self.bucket_folder(bucket)
        for key in keys:
            for path in self._candidates(folder, key):
                with local_errors(path, "delete"):
                    self._check_inside(folder, path)
                    self._unlink(folder, path)

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file; Transient if it changes while it is read."""
        self.bucket_folder(bucket)
        with local_errors(path, "read"), open(path, "rb") as source:
            before = os.fstat(source.fileno())
            info = self._store_stream(source, bucket, key, on_bytes)
            after = os.fstat(source.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or info.size != before.st_size:
            raise changed_while_read(Transient, path, "upload")
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
                raise changed_while_read(Integrity, Location(bucket, info.key).url, "download")

    def path_of(self, bucket: str, key: str) -> str:
        """The file of an object, or NotFound."""
        for path in self._candidates(self.bucket_folder(bucket), key):
            with contextlib.suppress(OSError, ValueError):
                if stat.S_ISREG(os.stat(path).st_mode):
                    return path
        raise NotFound(
            "no such object",
            url=Location(bucket, key).url,
            next_step=f"check the key; local mode reads from {self.root}",
        )

    def bucket_folder(self, bucket: str) -> str:
        """The folder of a bucket, or NotFound."""
        folder = os.path.join(self.root, bucket)
        if not os.path.isdir(folder):
            raise NotFound(
                "no such bucket",
                url=f"obs://{bucket}/",
                next_step=f"in local mode a bucket is a folder: mkdir -p {folder}",
            )
        return folder

    @staticmethod
    def _candidates(folder: str, key: str) -> list[str]:
        plain = [local_keys.plain_path(folder, key)] if local_keys.is_plain(key) else []
        return [*plain, local_keys.encoded_path(folder, key)]

    @contextlib.contextmanager
    def _opened(self, bucket: str, key: str, etag: str = "") -> Iterator[BinaryIO]:
        url = Location(bucket, key).url
        path = self.path_of(bucket, key)
        try:
            handle = open(path, "rb")  # noqa: SIM115 - closed below; only a failure to open it means NotFound
        except FileNotFoundError as error:
            raise NotFound("no such object", url=url, operation="read", next_step="check the key") from error
        except OSError as error:
            raise local_error(error, path, "read") from error
        with handle:
            if etag and info_of(key, os.fstat(handle.fileno())).etag != etag:
                raise Integrity(
                    "the object was replaced while it was read", url=url, operation="read", next_step="run it again"
                )
            yield handle

    def _store_stream(self, source: BinaryIO, bucket: str, key: str, on_bytes: OnBytes) -> ObjectInfo:
        upload = self.open_upload(bucket, key)
        try:
            while block := source.read(CHUNK):
                upload.write(block)
                on_bytes(len(block))
            return upload.publish()
        except BaseException:
            upload.abort()
            raise

    def commit(self, part: str, bucket: str, key: str, exclusive: bool) -> ObjectInfo:
        """Give a finished temporary file its final name; retried, as folders may come and go concurrently."""
        folder, url = self.bucket_folder(bucket), Location(bucket, key).url
        paths = self._candidates(folder, key)
        for _ in range(_COMMIT_ATTEMPTS):
            if exclusive and any(os.path.isfile(path) for path in paths):
                raise already_exists(url, "write")
            with contextlib.suppress(FileNotFoundError):
                path = next(path for path in paths if self._moved(folder, part, path, exclusive))
                for stale in paths[paths.index(path) + 1 :]:
                    self._unlink(folder, stale)
                return info_of(key, os.stat(path))
        problem = "the target folder keeps disappearing; is another process deleting it?"
        raise LocalProblem(problem, url=url, operation="write", next_step="run it again")

    def _moved(self, folder: str, part: str, path: str, exclusive: bool) -> bool:
        """Rename the temporary file; False if the name is a folder, or its parent is a file."""
        self._check_inside(folder, path)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            move(part, path, exclusive)
        except (IsADirectoryError, NotADirectoryError):
            return False
        except FileExistsError as error:
            if os.path.isfile(path):
                raise already_exists(path, "write") from error
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
        while parent not in (folder, os.path.join(folder, local_keys.RESERVED)):
            try:
                os.rmdir(parent)
            except OSError:
                return
            parent = os.path.dirname(parent)


class LocalUpload(Upload):
    """A temporary file in the bucket's reserved folder that is renamed at the end."""

    def __init__(self, store: LocalStore, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key
        folder = local_keys.temporary_folder(store.bucket_folder(bucket))
        self._part = os.path.join(folder, uuid.uuid4().hex)
        with local_errors(folder, "write"):
            os.makedirs(folder, exist_ok=True)
            self._handle = open(self._part, "xb")  # noqa: SIM115 - open until commit or abort

    def write(self, data: bytes) -> None:
        """Append bytes to the temporary file."""
        with local_errors(self._part, "write"):
            self._handle.write(data)

    def commit(self) -> None:
        """Make the object visible."""
        self.publish()

    def publish(self, exclusive: bool = False) -> ObjectInfo:
        """Make the object visible and return its size and ETag."""
        with local_errors(Location(self._bucket, self._key).url, "write"):
            with self._handle as handle:
                finish(handle)
            return self._store.commit(self._part, self._bucket, self._key, exclusive)

    def abort(self) -> None:
        """Remove the temporary file."""
        self._handle.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._part)
