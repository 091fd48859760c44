"""`mox.file` as its documentation and its users' complaints describe it, on buckets in memory.

What makes it dangerous is here on purpose: a missing source is only logged, `remove` does nothing on a mismatch,
`get_size` of a folder is 0 without `recursive=True`, exceptions do not derive from OSError, copies may stop half-way
without an error.
`faults` makes the next calls misbehave: (function name, what) with what in skip, half, raise, hang, status.
`quirks` selects among the answers that the documentation leaves open; see tests/fakes/quirks.py for names and values.
"""

from __future__ import annotations

import io
import logging
import os
import stat as stat_module
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

buckets: dict[str, dict[str, tuple[bytes, int]]] = {}
faults: list[tuple[str, Any]] = []
calls: list[tuple[str, ...]] = []
quirks: dict[str, str] = {}
_LOCAL_TIME_NS = 8 * 3600 * 10**9
_lock = threading.RLock()


class _MoxFileBaseRespException(Exception):
    def __init__(self, resp: Any) -> None:
        super().__init__(resp)
        self.resp = resp


class MoxFileRespException(_MoxFileBaseRespException):
    """The service answered with a status of 300 or more."""


class MoxFileReadException(_MoxFileBaseRespException):
    """The stream broke after a good status."""


class MoxFileNotExistsException(Exception):
    """`stat` of what is not there."""


class MoxFileNameDuplicateException(Exception):
    """A file and a folder of one name."""


def put(bucket: str, key: str, data: bytes) -> None:
    """Store an object behind moxing's back; for tests."""
    with _lock:
        stamp = max([time.time_ns(), *(entry[1] + 1 for entry in buckets[bucket].values())])
        buckets[bucket][key] = (data, stamp)


def _is_url(path: str) -> bool:
    return path.startswith(("obs://", "s3://"))


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key


def _bucket(name: str) -> dict[str, tuple[bytes, int]]:
    if name not in buckets:
        answer = SimpleNamespace(status=404, errorCode="NoSuchBucket", errorMessage="", requestId="mox")
        raise MoxFileRespException(answer)
    return buckets[name]


def _status(size: int, stamp: int, is_folder: bool) -> Any:
    """A status with the fields that `quirks` selects."""
    kind = quirks.get("fields", "documented")
    if kind == "st":
        mode = stat_module.S_IFDIR if is_folder else stat_module.S_IFREG
        return SimpleNamespace(st_size=size, st_mtime=stamp / 1e9, st_mode=mode | 0o644)
    if kind == "no size":
        return SimpleNamespace(length=None, mtime_nsec=stamp, is_directory=is_folder)
    if kind == "no kind":
        return SimpleNamespace(length=size, mtime_nsec=stamp)
    if kind == "none":
        return SimpleNamespace(length=size, mtime_nsec=None, is_directory=is_folder)
    if kind == "float":
        return SimpleNamespace(length=float(size), mtime_nsec=float(stamp), is_directory=is_folder)
    return SimpleNamespace(length=size, mtime_nsec=stamp, is_directory=is_folder)


def _listed(size: int, stamp: int, is_folder: bool) -> Any:
    """The same as a listing tells it, whose time may be another one, in whole seconds, or none."""
    kind = quirks.get("listing_time", "same")
    if kind == "missing":
        found = _status(size, stamp, is_folder)
        for name in ("mtime_nsec", "st_mtime"):
            vars(found).pop(name, None)
        return found
    return _status(size, stamp + _LOCAL_TIME_NS if kind == "local" else stamp, is_folder)


def _missing_folder(url: str) -> None:
    kind = quirks.get("missing_folder", "nothing")
    if kind == "not exists":
        raise MoxFileNotExistsException(url)
    if kind == "response":
        raise MoxFileRespException(SimpleNamespace(status=404, errorCode="", errorMessage="", requestId="mox"))
    if kind == "os error":
        raise FileNotFoundError(url)


def _fault(name: str, *arguments: str) -> Any:
    calls.append((name, *arguments))
    with _lock:
        index = next((i for i, (function, _) in enumerate(faults) if function == name), None)
        if index is None:
            return None
        _, what = faults.pop(index)
    if what == "raise":
        raise KeyError("request-id")
    if what == "broken":
        raise MoxFileReadException(SimpleNamespace(status=200))
    if what == "hang":
        time.sleep(30)
    if isinstance(what, int):
        raise MoxFileRespException(SimpleNamespace(status=what, errorCode="", errorMessage="injected", requestId="mox"))
    return what


def _load(path: str) -> bytes | None:
    if not _is_url(path):
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as handle:
            return handle.read()
    bucket, key = _split(path)
    found = _bucket(bucket).get(key)
    return None if found is None else found[0]


def _save(path: str, data: bytes) -> None:
    if _is_url(path):
        bucket, key = _split(path)
        _bucket(bucket)
        put(bucket, key, data)
        return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as handle:
        handle.write(data)


def copy(src_url: str, dst_url: str, client_id: Any = None) -> None:
    """Copy one file; a missing source is logged and that is all."""
    what = _fault("copy", src_url, dst_url)
    data = _load(src_url)
    if data is None:
        if is_directory(src_url):
            raise MoxFileRespException(SimpleNamespace(status=404, errorCode="", errorMessage="a folder", requestId=""))
        logging.getLogger(__name__).warning("No files to copy.")
        return
    if what == "skip":
        return
    _save(dst_url, data[: len(data) // 2] if what == "half" else data)


def copy_parallel(
    src_url: str,
    dst_url: str,
    file_list: Any = None,
    threads: int = 16,
    is_processing: bool = True,
    use_queue: bool = True,
) -> None:
    """Copy a folder; the mark by which the real package is known."""
    for name in list_directory(src_url, recursive=True, skip_dir=True):
        copy(f"{src_url.rstrip('/')}/{name}", f"{dst_url.rstrip('/')}/{name}")


def exists(url: str) -> bool:
    """Whether there is a file or a folder."""
    _fault("exists", url)
    if not _is_url(url):
        return os.path.exists(url)
    bucket, key = _split(url)
    if bucket not in buckets or (not key and quirks.get("bucket_root") == "denied"):
        return False
    return not key or key in buckets[bucket] or is_directory(url)


def is_directory(url: str) -> bool:
    """Whether there is something below."""
    if not _is_url(url):
        return os.path.isdir(url)
    bucket, key = _split(url)
    prefix = key.rstrip("/") + "/" if key else ""
    return any(name.startswith(prefix) for name in list(buckets.get(bucket, {})))


def stat(url: str) -> Any:
    """Length, time and kind; MoxFileNotExistsException when there is neither file nor folder."""
    _fault("stat", url)
    bucket, key = _split(url)
    found = _bucket(bucket).get(key)
    if found is not None:
        return _status(len(found[0]), found[1], is_folder=False)
    if is_directory(url):
        return _status(0, 0, is_folder=True)
    raise MoxFileNotExistsException(url)


def get_size(url: str, recursive: bool = False) -> int:
    """Size of a file; of a folder 0, unless recursive."""
    bucket, key = _split(url)
    if key in _bucket(bucket):
        return len(buckets[bucket][key][0])
    prefix = key.rstrip("/") + "/"
    return sum(len(data) for name, (data, _) in buckets[bucket].items() if name.startswith(prefix)) if recursive else 0


def list_directory(url: str, recursive: bool = False, skip_file: bool = False, skip_dir: bool = False) -> list[str]:
    """Names below a folder, relative to it."""
    _fault("list_directory", url)
    bucket, key = _split(url)
    prefix = key.rstrip("/") + "/" if key else ""
    names = [name[len(prefix) :] for name in sorted(_bucket(bucket)) if name.startswith(prefix) and name != prefix]
    if recursive:
        return [name for name in names if not (skip_dir and name.endswith("/"))]
    return sorted({name.partition("/")[0] for name in names})


class DirEntry:
    """What scan_dir gives: like os.DirEntry, with what the listing said."""

    def __init__(self, url: str, name: str, is_folder: bool, size: int, stamp: int, path: str = "") -> None:
        self.path, self.name = path or f"{url.rstrip('/')}/{name}", name
        self._is_folder = is_folder
        self._stat = _listed(size, stamp, is_folder)

    def is_dir(self) -> bool:
        return self._is_folder

    def is_file(self) -> bool:
        return not self._is_folder

    def stat(self) -> Any:
        if quirks.get("entry_stat") == "request":
            _fault("entry_stat", self.path)
        return self._stat


def scan_dir(url: str) -> Iterator[DirEntry]:
    """Entries directly below a folder, from one listing; what one that is not there gives depends on `quirks`."""
    _fault("scan_dir", url)
    bucket, key = _split(url)
    prefix = key if key.endswith("/") or not key else f"{key}/"
    if prefix and not any(name.startswith(prefix) for name in _bucket(bucket)):
        _missing_folder(url)
        return
    if prefix and quirks.get("own_marker", "no") != "no":
        yield _own_marker(url)
    folders: set[str] = set()
    for name, (data, stamp) in sorted(dict(_bucket(bucket)).items()):
        head, slash, _ = name[len(prefix) :].partition("/")
        if not name.startswith(prefix) or name == prefix:
            continue
        if not slash:
            yield DirEntry(url, head, False, len(data), stamp)
        elif head not in folders:
            folders.add(head)
            yield DirEntry(url, head, True, 0, 0)


def _own_marker(url: str) -> DirEntry:
    kind = quirks["own_marker"]
    name = url.rstrip("/").rsplit("/", 1)[-1] if kind.startswith("named") else ""
    return DirEntry(url, name, kind.endswith("folder"), 0, 0, path=url)


def read(url: str, client_id: Any = None, binary: bool = False) -> Any:
    """The whole content."""
    what = _fault("read", url)
    data = _load(url)
    if data is None:
        raise MoxFileRespException(SimpleNamespace(status=404, errorCode="NoSuchKey", errorMessage="", requestId="mox"))
    data = data[: len(data) // 2] if what == "half" else data
    return data if binary else data.decode()


def write(url: str, data: Any, binary: bool = False) -> None:
    """Replace the content."""
    what = _fault("write", url)
    if what != "skip":
        content = data if binary else data.encode()
        _save(url, content[: len(content) // 2] if what == "half" else content)


def make_dirs(url: str) -> None:
    """Store the folder's marker."""
    bucket, key = _split(url)
    put(bucket, key.rstrip("/") + "/", b"")


class File(io.BytesIO):
    """A file opened for reading."""

    def __init__(self, name: str, mode: str = "r") -> None:
        if "r" not in mode or "b" not in mode:
            raise ValueError(mode)
        super().__init__(read(name, binary=True))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position, where the file can."""
        if quirks.get("seek") == "no":
            raise io.UnsupportedOperation("seek")
        return super().seek(offset, whence)


def remove(url: str, recursive: bool = False) -> None:
    """Remove a file by its exact name, a folder only when recursive; in all other cases do nothing."""
    if _fault("remove", url) == "skip":
        return
    bucket, key = _split(url)
    objects = _bucket(bucket)
    if not key.endswith("/") and key in objects:
        del objects[key]
    elif recursive:
        for name in [name for name in objects if name.startswith(key.rstrip("/") + "/")]:
            del objects[name]
