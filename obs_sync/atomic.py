"""Local files that appear whole or not at all: temporary name, fsync, rename."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import uuid
from collections.abc import Iterator
from typing import Any, BinaryIO

from obs_sync.errors import AccessDenied, LocalProblem, NotFound, ObsSyncError

PART_PREFIX, PART_SUFFIX = ".obs_sync-", ".part"
CHUNK = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2


def is_part(name: str) -> bool:
    """Whether a file name is that of an unfinished transfer."""
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)


def part_path(path: str, tag: str = "") -> str:
    """A temporary name in the folder of `path`; the same for the same tag, unique without one."""
    return os.path.join(os.path.dirname(path), f"{PART_PREFIX}{tag or uuid.uuid4().hex}{PART_SUFFIX}")


def local_error(error: OSError, path: str, operation: str) -> ObsSyncError:
    """The error of this package for one of the operating system."""
    if isinstance(error, ObsSyncError):
        return error
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in (errno.ENOENT,):
        return NotFound(reason, url=path, operation=operation, next_step="check the local path")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AccessDenied(reason, url=path, operation=operation, next_step="check the rights on the local path")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return LocalProblem(reason, url=path, operation=operation, next_step="free disk space, then run it again")
    return LocalProblem(reason, url=path, operation=operation, next_step="check the local path")


@contextlib.contextmanager
def local_errors(path: str, operation: str) -> Iterator[None]:
    """Turn the operating system's errors into those of this package."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ObsSyncError):
            raise
        raise local_error(error, path, operation) from error


def sync_folder(folder: str) -> None:
    """Make a rename in the folder survive a power cut, where the file system offers it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder or ".", os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@functools.cache
def _linux(name: str, *kinds: Any) -> Any:
    """One of Linux's own calls on files, or None elsewhere."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = kinds
    return function


def reserve(handle: BinaryIO, offset: int, size: int) -> None:
    """Give bytes of a file to come one place on the disk, where the file system can; OSError on a full disk.

    Not `os.posix_fallocate`, which writes to every block where the file system cannot.
    """
    call = _linux("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call is not None and call(handle.fileno(), 0, offset, size):
        code = ctypes.get_errno()
        if code in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(code, os.strerror(code), handle.name)


def begin_writeback(handle: BinaryIO, offset: int, size: int) -> None:
    """Let the disk begin with these bytes, so that the fsync at the end has little left to wait for."""
    call = _linux("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    if call is not None:
        call(handle.fileno(), offset, size, _SYNC_FILE_RANGE_WRITE)


def finish(handle: BinaryIO) -> None:
    """Bring everything written to a file onto the disk."""
    handle.flush()
    os.fsync(handle.fileno())


@contextlib.contextmanager
def removing_on_error(path: str) -> Iterator[str]:
    """A temporary name in the folder of `path` (which is made); the file of that name is removed if the block fails."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    part = part_path(path)
    try:
        yield part
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A binary file under a temporary name that takes the place of `path` when the block ends well."""
    with removing_on_error(path) as part:
        with open(part, "xb") as handle:
            yield handle
            finish(handle)
        os.replace(part, path)


def publish(part: str, path: str) -> None:
    """Give a finished temporary file its name, durably."""
    with open(part, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(part, path)
    sync_folder(os.path.dirname(path))
