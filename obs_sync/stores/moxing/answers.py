"""Reads moxing's answers, relying only on documented facts: any other field may be missing or unusual.

`stat` is documented to give `length`, `mtime_nsec` and `is_directory`; `scan_dir` is documented as "like os.scandir",
so its entries may carry `st_size` and `st_mtime` instead, None, or floats. The time in a listing may differ
from the one that `stat` gives for the same object (local time or GMT), so the two are never compared.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import BinaryIO, Protocol

from obs_sync.atomic import local_error
from obs_sync.errors import InvalidRequest, NotFound, ObsSyncError, Transient
from obs_sync.stores.base import ObjectInfo
from obs_sync.stores.sdk.errors import Failure, error_for

_LOCAL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS})
_SIZES = ("length", "st_size", "size")
_NANOSECONDS = ("mtime_nsec", "st_mtime_ns", "mtime_ns")
_SECONDS = ("st_mtime", "mtime")
_UNKNOWN_SIZE = -1


class Entry(Protocol):
    """One entry of `scan_dir`."""

    name: str

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def stat(self) -> object:
        """Its status, whose fields vary."""


class FileModule(Protocol):
    """The calls of `moxing.file` that are used here."""

    def exists(self, url: str) -> bool:
        """Whether there is such an object or folder."""

    def scan_dir(self, url: str) -> Iterable[Entry]:
        """The entries directly below a folder."""

    def list_directory(self, url: str, recursive: bool = False) -> Iterable[str]:
        """Names below a folder."""

    def is_directory(self, url: str) -> bool:
        """Whether there is a folder of this name."""

    def stat(self, url: str) -> object:
        """The status of an object or folder."""

    def read(self, url: str, binary: bool = False) -> bytes:
        """An object's content."""

    def write(self, url: str, data: bytes, binary: bool = False) -> None:
        """Store an object."""

    def make_dirs(self, url: str) -> object:
        """Create a folder marker."""

    def get_size(self, url: str) -> int:
        """An object's size in bytes."""

    def copy(self, source: str, target: str) -> None:
        """Copy an object or file."""

    def remove(self, url: str, recursive: bool = False) -> None:
        """Remove an object."""

    def File(self, url: str, mode: str) -> AbstractContextManager[BinaryIO]:  # noqa: N802 - moxing's name
        """An open object."""


class Moxing(Protocol):
    """The module `moxing`."""

    file: FileModule


def real_moxing() -> Moxing | None:
    """The platform's moxing module, or None; the PyPI package of that name is a different program."""
    os.environ.setdefault("MOX_SILENT_MODE", "1")  # must be set before the import
    try:
        import moxing
    except Exception:  # noqa: BLE001 - its import connects to services
        return None
    found: Moxing = moxing
    return found if hasattr(getattr(moxing, "file", None), "copy_parallel") else None


def size_of(status: object) -> int:
    """The size in bytes; -1 if unknown."""
    value = _number(status, _SIZES)
    return _UNKNOWN_SIZE if value is None else int(value)


def time_of(status: object) -> int:
    """The modification time in nanoseconds since 1970; 0 if unknown."""
    exact = _number(status, _NANOSECONDS)
    if exact is not None:
        return int(exact)
    return int((_number(status, _SECONDS) or 0) * 1_000_000_000)


def _number(status: object, names: tuple[str, ...]) -> float | None:
    for name in names:
        value = getattr(status, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
            return value
    return None


def is_folder(status: object) -> bool | None:
    """Whether a status describes a folder; None if unknown."""
    for name in ("is_directory", "is_dir"):
        value = getattr(status, name, None)
        value = value() if callable(value) else value
        if value is not None:
            return bool(value)
    mode = getattr(status, "st_mode", None)
    return stat.S_ISDIR(mode) if isinstance(mode, int) and mode else None


def info_of(key: str, status: object, size: int, origin: str) -> ObjectInfo:
    """An object of `size` bytes as described by `origin` ("stat" or "list").

    moxing gives no ETag: size and time replace it, marked with their origin so that an ETag of a listing never equals
    one of `stat`. Without a time the ETag is empty, so that the object always counts as changed.
    """
    moment = time_of(status)
    try:
        modified = datetime.fromtimestamp(moment / 1e9, timezone.utc) if moment else None
    except (OverflowError, ValueError, OSError):
        modified, moment = None, 0
    return ObjectInfo(key, size, f"{moment:x}.{size:x}.{origin}" if moment else "", modified)


def means_missing(error: BaseException) -> bool:
    """Whether an exception means "no such object", for which moxing has several."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return True
    name = type(error).__name__
    status = getattr(getattr(error, "resp", None), "status", None)
    return "NotExist" in name or "NotFound" in name or status == 404


def converted(error: BaseException, url: str, operation: str) -> BaseException:
    """The error of this package for an exception of moxing."""
    if isinstance(error, ObsSyncError) or not isinstance(error, Exception):
        return error
    if isinstance(error, OSError) and error.errno in _LOCAL_ERRORS:
        return local_error(error, str(error.filename or url), operation)
    response = getattr(error, "resp", None)
    status = getattr(response, "status", None)
    if isinstance(status, int) and status >= 300:
        texts = [str(getattr(response, part, "") or "") for part in ("errorCode", "errorMessage", "requestId")]
        return error_for(Failure(status, *texts), url, operation)
    if means_missing(error):
        return NotFound("no such object", url=url, operation=operation, next_step="check the name")
    name = type(error).__name__
    if "NameDuplicate" in name:
        step = "rename one of them"
        return InvalidRequest("a file and a folder have this name", url=url, operation=operation, next_step=step)
    step = "run it again; files that are already there are skipped"
    return Transient(f"moxing failed with {name}: {error}", url=url, operation=operation, next_step=step)
