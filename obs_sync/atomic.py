"""Local files that appear complete or not at all; locks and stamps of files; the state folder."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast

from obs_sync.errors import AccessDenied, LocalProblem, NotFound, ObsSyncError

PART_PREFIX, PART_SUFFIX = ".obs_sync-", ".part"
CHUNK = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2


def is_part(name: str) -> bool:
    """Whether a file name is that of an unfinished transfer."""
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)


def part_path(path: str, tag: str = "") -> str:
    """A temporary name in the folder of `path`: the same for the same tag, unique without one."""
    return os.path.join(os.path.dirname(path), f"{PART_PREFIX}{tag or uuid.uuid4().hex}{PART_SUFFIX}")


def state_folder(setting: str = "") -> str:
    """The folder for state that outlives a process: unfinished uploads and known ETags."""
    user = os.getuid() if hasattr(os, "getuid") else "state"
    return setting or os.path.join(tempfile.gettempdir(), f"obs_sync-{user}")


def stamp(path: str) -> str:
    """A text that changes whenever the file changes, even if its size stays the same within one second."""
    return stamp_of(os.stat(path))


def stamp_of(status: os.stat_result) -> str:
    """The stamp of a file with the given status."""
    return f"{status.st_dev:x}.{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}.{status.st_ctime_ns:x}"


def local_error(error: OSError, path: str, operation: str) -> ObsSyncError:
    """The error of this package that corresponds to one of the operating system."""
    if isinstance(error, ObsSyncError):
        return error
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOENT:
        return NotFound(reason, url=path, operation=operation, next_step="check the local path")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AccessDenied(reason, url=path, operation=operation, next_step="check the permissions of the local path")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return LocalProblem(reason, url=path, operation=operation, next_step="free disk space, then run it again")
    return LocalProblem(reason, url=path, operation=operation, next_step="check the local path")


@contextlib.contextmanager
def local_errors(path: str, operation: str) -> Iterator[None]:
    """Convert errors of the operating system into those of this package."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ObsSyncError):
            raise
        raise local_error(error, path, operation) from error


def sync_folder(folder: str) -> None:
    """Make a rename in the folder survive a power failure, where the file system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder or ".", os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class _SystemCall(Protocol):
    def __call__(self, *arguments: int) -> int: ...


@functools.cache
def _linux(name: str, *kinds: object) -> _SystemCall | None:
    """A Linux system call on files, or None elsewhere."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = kinds
    return cast("_SystemCall", function)


def reserve(handle: BinaryIO, offset: int, size: int) -> None:
    """Allocate contiguous disk space for a range of a file, where the file system can; OSError on a full disk.

    Not `os.posix_fallocate`, which writes to every block where the file system cannot allocate.
    """
    call = _linux("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call is not None and call(handle.fileno(), 0, offset, size):
        code = ctypes.get_errno()
        if code in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(code, os.strerror(code), handle.name)


def begin_writeback(handle: BinaryIO, offset: int, size: int) -> None:
    """Start writing a range to disk, so that the final fsync has little left to wait for."""
    call = _linux("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    if call is not None:
        call(handle.fileno(), offset, size, _SYNC_FILE_RANGE_WRITE)


def finish(handle: BinaryIO) -> None:
    """Flush everything written to a file to disk."""
    handle.flush()
    os.fsync(handle.fileno())


@contextlib.contextmanager
def removing_on_error(path: str) -> Iterator[str]:
    """A temporary name in the folder of `path`, which is created; that file is removed if the block fails."""
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
    """A binary file under a temporary name that replaces `path` when the block succeeds."""
    with removing_on_error(path) as part:
        with open(part, "xb") as handle:
            yield handle
            finish(handle)
        os.replace(part, path)


def publish(part: str, path: str) -> None:
    """Give a finished temporary file its final name, durably."""
    with open(part, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(part, path)
    sync_folder(os.path.dirname(path))


def move(part: str, path: str, exclusive: bool) -> None:
    """Rename a finished file, also across disks; with `exclusive`, FileExistsError if the name is taken."""
    try:
        _rename(part, path, exclusive)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with removing_on_error(path) as near:
            shutil.copyfile(part, near)
            with open(near, "rb") as handle:
                os.fsync(handle.fileno())
            _rename(near, path, exclusive)
        os.unlink(part)


def _rename(part: str, path: str, exclusive: bool) -> None:
    if not exclusive:
        os.replace(part, path)
        return
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        _claim_and_replace(part, path)  # a file system without hard links
        return
    os.unlink(part)


def _claim_and_replace(part: str, path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.replace(part, path)
    except BaseException:
        os.unlink(path)
        raise


@contextlib.contextmanager
def exclusive_lock(path: str) -> Iterator[bool]:
    """Whether this process is the only one in such a block for this path; the lock file is removed by its owner."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError, NotImplementedError, RuntimeError):
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        lock.release()
