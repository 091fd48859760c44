"""The `moxing` mode: the file interface of ModelArts images, where every result is verified.

`mox.file` reports a missing source only in its log, may stop half-way without an error, ignores a `remove` that matches
nothing, and may hang. Therefore every source is checked first and every result afterwards, and every call has a
deadline. `copy_parallel` is not used, because it does not report what it copied. Keys with empty or dot components are
rejected: moxing cannot address them reliably.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence

from obs_sync.atomic import local_errors, publish, removing_on_error, stamp
from obs_sync.errors import (
    AlreadyExists,
    Integrity,
    InvalidName,
    InvalidRequest,
    LocalProblem,
    MissingDependency,
    NotFound,
    RequestFailed,
    Transient,
    already_exists,
    changed_while_read,
)
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.stores.moxing import answers
from obs_sync.stores.moxing.calls import Calls, read_range, size_from
from obs_sync.stores.moxing.listing import list_folder
from obs_sync.urls import Location, is_url, name_problem

EXCLUSIVE_SETTLE_S = 1.0  # how long a rival that checked before our write may take to write


class MoxingStore(Store):
    """Objects through `mox.file`."""

    mode = "moxing"

    def __init__(self, settings: Settings) -> None:
        found = answers.real_moxing()
        if found is None:
            raise MissingDependency(
                "the moxing of ModelArts is not installed (the PyPI package of that name is a different program)",
                operation="storage mode moxing",
                next_step="use it inside a ModelArts image, or set storage_mode to obs or local",
            )
        self.file = found.file
        self._calls = Calls(found.file, settings)
        self._threads = settings.threads

    def key_problem(self, key: str) -> str:
        """Why moxing cannot address a key, or an empty string."""
        problem = name_problem(key)
        return f"{problem}: moxing cannot address it" if problem else ""

    def _url(self, bucket: str, key: str) -> str:
        url = Location(bucket, key).url
        if key and (problem := self.key_problem(key)):
            raise InvalidName(problem, url=url, next_step="rename it, or use storage_mode obs")
        return url

    # ---- buckets and listings ----

    def buckets(self) -> list[str]:
        """Not supported by moxing."""
        raise InvalidRequest("moxing cannot list buckets", operation="list buckets", next_step="name a bucket")

    def make_bucket(self, bucket: str) -> None:
        """Not supported by moxing."""
        raise _unsupported(bucket, "create", "create it in the OBS console")

    def remove_bucket(self, bucket: str) -> None:
        """Not supported by moxing."""
        raise _unsupported(bucket, "remove", "remove it in the OBS console")

    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound unless the bucket exists; moxing's `exists` may be False for an existing bucket's root."""
        url = f"obs://{bucket}"
        try:
            found = self._calls.run(url, "look up bucket", lambda: self.file.exists(url) or self._can_list(f"{url}/"))
        except NotFound:
            found = False
        if not found:
            raise NotFound("no such bucket", url=f"{url}/", next_step="check the bucket's name")

    def _can_list(self, url: str) -> bool:
        list(self.file.scan_dir(url))
        return True

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in byte order of their keys: one listing per folder."""
        above, _, _ = prefix.rpartition("/")
        if above and name_problem(above):
            return
        page = Page([], [])
        self._gather(bucket, f"{above}/" if above else "", prefix, not delimiter, page)
        if not page.objects and not page.folders:
            self.check_bucket(bucket)
        page.objects.sort(key=lambda info: info.key.encode())
        yield Page(page.objects[:limit] if limit else page.objects, page.folders)

    def _gather(self, bucket: str, base: str, prefix: str, enter: bool, page: Page) -> None:
        url = Location(bucket, base).url
        objects, folders = list_folder(self._calls, url, base, prefix, self._threads)
        page.objects.extend(objects)
        for folder in folders:
            if enter:
                self._gather(bucket, folder, prefix, enter, page)
            else:
                page.folders.append(folder)

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object's size and time, or NotFound; a folder is not an object."""
        url = self._url(bucket, key)
        status, size = self._calls.run(url, "look up", lambda: self._look_up(url))
        if status is None:
            raise NotFound("this is a folder, not an object", url=url, operation="look up", next_step="name an object")
        return answers.info_of(key, status, size, "stat")

    def _look_up(self, url: str) -> tuple[object, int]:
        """Status and size of an object; None and 0 for a folder."""
        status = self._status(url)
        is_folder = answers.is_folder(status)
        if is_folder:
            return None, 0
        size = size_from(self.file, url, status)
        if is_folder is None and not size and self.file.is_directory(url):
            return None, 0
        return status, size

    def _status(self, url: str) -> object:
        status = self.file.stat(url)
        if status is None:
            raise NotFound("no such object", url=url, operation="look up", next_step="check the name")
        return status

    def _size(self, url: str) -> int:
        return size_from(self.file, url, self._status(url))

    # ---- content ----

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Part of an object, with as many bytes as the object has."""
        url, info = self._url(bucket, key), self.head(bucket, key)
        if etag and info.etag != etag:
            raise _replaced(url, "read")
        end = info.size if end is None else min(end, info.size)
        if end <= start:
            return b""

        def work() -> bytes:
            whole = start == 0 and end == info.size
            data = self.file.read(url, binary=True) if whole else read_range(self.file, url, start, end - start)
            if len(data) != end - start:
                raise _short(url, "read", len(data), end - start)
            return data

        return self._calls.run(url, "read", work, end - start)

    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store bytes and verify the result.

        `exclusive` checks for the object, writes it, waits for rivals that checked at the same time, and reads it back:
        of writers that start within a second of each other, at most one succeeds.
        """
        url = self._url(bucket, key)
        if exclusive and self.exists(bucket, key):
            raise already_exists(url, "create")

        def work() -> ObjectInfo:
            self.file.write(url, data, binary=True)
            return self._written(url, key, len(data))

        info = self._calls.run(url, "write", work, len(data))
        if exclusive:
            time.sleep(EXCLUSIVE_SETTLE_S)
            if self.read(bucket, key) != data:
                problem = "another writer created the object at the same time"
                raise AlreadyExists(problem, url=url, operation="create", next_step="choose another key")
        return info

    def _written(self, url: str, key: str, size: int) -> ObjectInfo:
        """The written object, after its size was verified; without an ETag, which only a later request gives."""
        try:
            found = self._size(url)
        except Exception as error:
            if not answers.means_missing(error):
                raise
            raise _short(url, "write", 0, size) from error
        if found != size:
            raise _short(url, "write", found, size)
        return ObjectInfo(key, size)

    def open_upload(self, bucket: str, key: str) -> Upload:
        """An object collected in a local file and sent at the end."""
        self._url(bucket, key)
        return _SpooledUpload(self, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object within OBS and verify the result."""
        source, target = self._url(bucket, key), self._url(to_bucket, to_key)
        info = self.head(bucket, key)

        def work() -> ObjectInfo:
            self.file.copy(source, target)
            return self._written(target, to_key, info.size)

        return self._calls.run(target, f"copy {source} to", work, info.size)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects one by one and verify that they are gone; never recursive."""
        self.check_bucket(bucket)
        for key in keys:
            url = self._url(bucket, key)
            if self.exists(bucket, key):
                self._calls.run(url, "delete", lambda url=url: self.file.remove(url))  # type: ignore[misc]
                if self.exists(bucket, key):
                    problem = "moxing did not remove it"
                    raise RequestFailed(problem, url=url, operation="delete", next_step="check your permissions")

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file and verify the result."""
        url = self._url(bucket, key)
        if is_url(path):
            problem = "the source is a URL, not a local file"
            raise InvalidRequest(problem, url=path, operation="upload", next_step="use copy, or name a local file")
        with local_errors(path, "read"), open(path, "rb"):
            before, size = stamp(path), os.path.getsize(path)

        def work() -> ObjectInfo:
            with local_errors(path, "read"):
                if stamp(path) != before:
                    raise changed_while_read(LocalProblem, path, "upload")
            self.file.copy(os.path.abspath(path), url)
            return self._written(url, key, size)

        info = self._calls.run(url, "upload", work, size)
        if stamp(path) != before:
            raise changed_while_read(Transient, path, "upload")
        on_bytes(size)
        return info

    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Copy an object to a temporary file, renamed if its size is right and the object has not changed."""
        url = self._url(bucket, info.key)
        before = self.head(bucket, info.key)
        if info.size not in (before.size, -1):
            raise _replaced(url, "download")
        with local_errors(path, "write"), removing_on_error(path) as part:

            def work() -> None:
                self.file.copy(url, os.path.abspath(part))
                size = os.path.getsize(part) if os.path.exists(part) else -1
                if size != before.size:
                    raise _short(url, "download", max(size, 0), before.size)

            self._calls.run(url, "download", work, before.size)
            if self.head(bucket, info.key) != before:
                raise _replaced(url, "download")
            publish(part, path)
        on_bytes(before.size)


def _unsupported(bucket: str, verb: str, step: str) -> InvalidRequest:
    problem = f"moxing cannot {verb} buckets"
    return InvalidRequest(problem, url=f"obs://{bucket}/", operation=f"{verb} bucket", next_step=step)


def _replaced(url: str, operation: str) -> Integrity:
    problem = "the object was replaced during the operation"
    return Integrity(problem, url=url, operation=operation, next_step="run it again")


def _short(url: str, operation: str, size: int, expected: int) -> Integrity:
    problem = f"moxing reported success, but only {size} of {expected} bytes arrived"
    error = Integrity(problem, url=url, operation=operation, next_step="run it again, or use storage_mode obs")
    error.may_pass = True
    return error


class _SpooledUpload(Upload):
    """Parts collected in a local file, because moxing writes only whole objects."""

    def __init__(self, store: MoxingStore, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key
        self._handle = tempfile.NamedTemporaryFile(prefix="obs_sync-", delete=False)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Append one part."""
        with local_errors(self._handle.name, "write"):
            self._handle.write(data)

    def commit(self) -> None:
        """Send the file."""
        self._handle.close()
        try:
            self._store.upload(self._handle.name, self._bucket, self._key)
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove the file."""
        self._handle.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._handle.name)
