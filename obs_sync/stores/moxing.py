"""The `moxing` mode: the file interface of ModelArts' images, believed in nothing.

`mox.file` reports a missing source by a log line, stops half-way in silence, ignores a `remove` that does not fit, and
may hang. So every source is looked at first, every result after, and every call has a deadline. `copy_parallel` is not
used: it gives no account.
Only this module imports moxing. Keys with empty or dot parts are refused: moxing cannot address them reliably.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar, cast

from obs_sync import retry
from obs_sync.atomic import local_error, local_errors, publish, removing_on_error
from obs_sync.errors import (
    Exists,
    Integrity,
    MissingDependency,
    NotFound,
    ObsSyncError,
    Refused,
    RequestFailed,
    Transient,
)
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.stores.sdk.errors import Failure, error_for
from obs_sync.transfer.etag_cache import stamp
from obs_sync.urls import Location, is_url, name_problem

T = TypeVar("T")
MIN_BYTES_PER_S = 64 << 10
_LOCAL_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS})


def real_moxing() -> Any:
    """The platform's moxing module, or None: the package of that name on PyPI is another program."""
    os.environ.setdefault("MOX_SILENT_MODE", "1")  # has to be set before the import
    try:
        import moxing
    except ImportError:
        return None
    return moxing if hasattr(getattr(moxing, "file", None), "copy_parallel") else None


def info_of(key: str, status: Any) -> ObjectInfo:
    """What moxing says of an object. It gives no ETag: size and time of writing stand for it."""
    size = int(getattr(status, "length", getattr(status, "st_size", 0)))
    moment = int(getattr(status, "mtime_nsec", 0))
    modified = datetime.fromtimestamp(moment / 1e9, timezone.utc) if moment else None
    return ObjectInfo(key, size, f"{moment:x}.{size:x}.mox" if moment else "", modified)


class MoxingStore(Store):
    """Objects through `mox.file`."""

    mode = "moxing"

    def __init__(self, settings: Settings) -> None:
        found = real_moxing()
        if found is None:
            raise MissingDependency(
                "the moxing of ModelArts is not installed (the PyPI package of that name is another program)",
                operation="storage mode moxing",
                next_step="use it inside a ModelArts image, or set storage_mode to obs or local",
            )
        self._file = found.file
        self._settings = settings

    # ---- one call, judged ----

    def _call(self, url: str, operation: str, work: Callable[[], T], weight: int = 0) -> T:
        settings = self._settings
        seconds = settings.deadline_s + weight / MIN_BYTES_PER_S
        policy = retry.Policy(settings.max_attempts, settings.backoff_s, settings.max_backoff_s, seconds)
        return retry.run(lambda deadline, _: self._once(url, operation, work, deadline), policy)

    def _once(self, url: str, operation: str, work: Callable[[], T], deadline: retry.Deadline) -> T:
        """Do the work in a thread that can be left behind when it hangs, as moxing is known to do."""
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append((True, work()))
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread
                outcome.append((False, error))

        worker = threading.Thread(target=run, name="obs_sync-moxing", daemon=True)
        worker.start()
        worker.join(max(deadline.remaining(), 0.0))
        if not outcome:
            problem = "moxing does not come back"
            raise Transient(problem, url=url, operation=operation, next_step="run it again, or use storage_mode obs")
        succeeded, value = outcome[0]
        if succeeded:
            return cast(T, value)
        raise self._judged(value, url, operation) from value

    def _judged(self, error: BaseException, url: str, operation: str) -> BaseException:
        if isinstance(error, ObsSyncError) or not isinstance(error, Exception):
            return error
        if isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE:
            return local_error(error, str(error.filename or url), operation)
        response = getattr(error, "resp", None)
        name = type(error).__name__
        if name == "MoxFileNotExistsException":
            return NotFound("no such object", url=url, operation=operation, next_step="check the name")
        if name == "MoxFileNameDuplicateException":
            return Refused("a file and a folder have this name", url=url, operation=operation, next_step="rename one")
        status = getattr(response, "status", None)
        if isinstance(status, int) and status >= 300:
            texts = [str(getattr(response, part, "") or "") for part in ("errorCode", "errorMessage", "requestId")]
            return error_for(Failure(status, *texts), url, operation)
        step = "run it again; what is there already is skipped"
        return Transient(f"moxing failed with {name}: {error}", url=url, operation=operation, next_step=step)

    @staticmethod
    def _url(bucket: str, key: str) -> str:
        if key and (problem := name_problem(key)):
            url = Location(bucket, key).url
            step = "rename it, or use storage_mode obs"
            raise Refused(f"{problem}: moxing cannot address it", url=url, next_step=step)
        return Location(bucket, key).url

    # ---- what is there ----

    def buckets(self) -> list[str]:
        """Not offered by moxing."""
        raise Refused("moxing cannot list buckets", operation="list buckets", next_step="name a bucket")

    def make_bucket(self, bucket: str) -> None:
        """Not offered by moxing."""
        step = "create it in the OBS console"
        raise Refused("moxing cannot create buckets", url=f"obs://{bucket}/", operation="create bucket", next_step=step)

    def remove_bucket(self, bucket: str) -> None:
        """Not offered by moxing."""
        step = "remove it in the OBS console"
        raise Refused("moxing cannot remove buckets", url=f"obs://{bucket}/", operation="remove bucket", next_step=step)

    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound unless the bucket is there."""
        url = f"obs://{bucket}"
        if not self._call(url, "look at bucket", lambda: self._file.exists(url)):
            raise NotFound("no such bucket", url=f"{url}/", next_step="check the bucket's name")

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in the order of their keys' bytes: one listing for each folder, with sizes."""
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
        for entry in self._call(url, "list", lambda: list(self._file.scan_dir(url))):
            key = base + entry.name.rstrip("/")
            if not f"{key}/".startswith(prefix):
                continue
            if not entry.is_dir():
                page.objects.append(info_of(key, entry.stat()))
            elif entry.name.rstrip("/") in ("", ".", ".."):
                # Nothing below can be addressed; listed with an impossible size so that a copy fails on it by name.
                page.objects.append(ObjectInfo(f"{key}/", -1))
            elif enter:
                self._gather(bucket, f"{key}/", prefix, enter, page)
            else:
                page.folders.append(f"{key}/")

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object's size and time, or NotFound; a folder is none."""
        url = self._url(bucket, key)
        status = self._call(url, "look at", lambda: self._file.stat(url))
        if getattr(status, "is_directory", False):
            raise NotFound("that is a folder, not an object", url=url, operation="look at", next_step="name an object")
        return info_of(key, status)

    # ---- content ----

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Part of an object, of the length that the object has."""
        url, info = self._url(bucket, key), self.head(bucket, key)
        if etag and info.etag != etag:
            raise Integrity("the object was replaced meanwhile", url=url, operation="read", next_step="run it again")
        end = info.size if end is None else min(end, info.size)
        if end <= start:
            return b""

        def work() -> bytes:
            if start == 0 and end == info.size:
                data = self._file.read(url, binary=True)
            else:
                with self._file.File(url, "rb") as handle:
                    handle.seek(start)
                    data = handle.read(end - start)
            if len(data) != end - start:
                raise _short(url, "read", len(data), end - start)
            return cast(bytes, data)

        return self._call(url, "read", work, end - start)

    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store bytes and look at the result."""
        url = self._url(bucket, key)
        if exclusive and self._is_there(bucket, key):
            raise Exists("the object exists already", url=url, operation="write")

        def work() -> ObjectInfo:
            self._file.write(url, data, binary=True)
            return self._written(url, key, len(data))

        return self._call(url, "write", work, len(data))

    def _written(self, url: str, key: str, size: int) -> ObjectInfo:
        try:
            info = info_of(key, self._file.stat(url))
        except Exception as error:
            if type(error).__name__ != "MoxFileNotExistsException":
                raise
            raise _short(url, "write", 0, size) from error
        if info.size != size:
            raise _short(url, "write", info.size, size)
        return info

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self.head(bucket, key)
        except NotFound:
            return False
        return True

    def open_upload(self, bucket: str, key: str) -> Upload:
        """An object gathered in a local file and sent at the end."""
        self._url(bucket, key)
        return _GatheredUpload(self, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object within OBS and look at the result."""
        source, target = self._url(bucket, key), self._url(to_bucket, to_key)
        info = self.head(bucket, key)

        def work() -> ObjectInfo:
            self._file.copy(source, target)
            return self._written(target, to_key, info.size)

        return self._call(target, f"copy {source} to", work, info.size)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects one by one and look whether they are gone; never recursive."""
        self.check_bucket(bucket)
        for key in keys:
            url = self._url(bucket, key)
            if self._is_there(bucket, key):
                self._call(url, "delete", lambda url=url: self._file.remove(url))  # type: ignore[misc]
                if self._is_there(bucket, key):
                    problem = "moxing did not remove it"
                    raise RequestFailed(problem, url=url, operation="delete", next_step="check the rights")

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file and look at the result."""
        url = self._url(bucket, key)
        if is_url(path):
            raise Refused("the source is a url, not a local file", url=path, operation="upload")
        with local_errors(path, "read"), open(path, "rb"):
            before, size = stamp(path), os.path.getsize(path)

        def work() -> ObjectInfo:
            self._file.copy(os.path.abspath(path), url)
            return self._written(url, key, size)

        info = self._call(url, "upload", work, size)
        if stamp(path) != before:
            problem = "the file changed while it was read"
            raise Transient(problem, url=path, operation="upload", next_step="run it again")
        on_bytes(size)
        return info

    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Copy an object to a temporary file that takes its name when its size is right and the object unchanged."""
        url = self._url(bucket, info.key)
        with local_errors(path, "write"), removing_on_error(path) as part:

            def work() -> None:
                self._file.copy(url, os.path.abspath(part))
                size = os.path.getsize(part) if os.path.exists(part) else 0
                if size != info.size or not os.path.exists(part):
                    raise _short(url, "download", size, info.size)

            self._call(url, "download", work, info.size)
            if self.head(bucket, info.key).etag != info.etag:
                problem = "the object was replaced meanwhile"
                raise Integrity(problem, url=url, operation="download", next_step="run it again")
            publish(part, path)
        on_bytes(info.size)


def _short(url: str, operation: str, size: int, expected: int) -> Integrity:
    problem = f"moxing reported success, but {size} of {expected} bytes are there"
    error = Integrity(problem, url=url, operation=operation, next_step="run it again, or use storage_mode obs")
    error.may_pass = True
    return error


class _GatheredUpload(Upload):
    """Parts gathered in a local file, because moxing writes objects only whole."""

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
