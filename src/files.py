"""Files that are either whole or absent: atomic writes, digests, and locks that end with their process."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from filelock import FileLock, Timeout

from src.errors import OutputError

#: Matches what a killed process may leave of a file that it was writing with `atomic_path`.
LEFTOVERS = ".*.part*"

_BLOCK = 1 << 20

Content = Union[str, bytes, Iterable[bytes]]


@contextmanager
def atomic_path(path: Path, *, durable: bool = False, suffix: str = "") -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` at the end, removed on an error.

    Creates missing parent folders. `durable` flushes file and folder to disk, so that the file also survives a power
    failure; `suffix` ends the temporary name, for writers that insist on one. Raises OSError; `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # independent of the file's name, which may already be as long as the file system allows
    temporary = path.with_name(f".{uuid.uuid4().hex}.part{suffix}")
    try:
        yield temporary
        if durable:
            flush_to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            flush_to_disk(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: Content, *, durable: bool = False) -> None:
    """Write text (UTF-8), bytes or blocks of bytes, whole or not at all; raises OSError."""
    with atomic_path(path, durable=durable) as temporary:
        if isinstance(content, (str, bytes)):
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        else:
            with temporary.open("wb") as file:
                file.writelines(content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError that names the file."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def flush_to_disk(path: Path) -> None:
    """Have a file's content, or a folder's entries, written to the disk itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():
            return  # Windows opens no folders
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; raises OSError when it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def lock_file(path: Path) -> FileLock | None:
    """Lock a file until `release()` or until this process ends, however it ends; None while another process holds it.

    Never waits. Keep what is returned: the lock is released with the last reference to it. Raises OSError when the
    file cannot be created or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    except NotImplementedError as error:
        raise OSError(errno.ENOSYS, str(error), str(path)) from None
    return lock
