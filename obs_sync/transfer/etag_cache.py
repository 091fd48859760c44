"""A notebook of which ETag a local file is known to have, so that nothing is read again to find it unchanged.

Kept in SQLite in the state folder; an entry counts only while size, times and inode of the file are what they were.
Without a writable state folder everything still works, by reading the files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import tempfile
import threading
from functools import lru_cache

logger = logging.getLogger(__name__)

_FLUSH_AT = 500


def state_folder(setting: str = "") -> str:
    """The folder for what outlives a process: unfinished uploads and known ETags."""
    return setting or os.path.join(
        tempfile.gettempdir(), f"obs_sync-{os.getuid() if hasattr(os, 'getuid') else 'state'}"
    )


def stamp(path: str) -> str:
    """What changes when a file does, even one of the same size written in the same second."""
    status = os.stat(path)
    return f"{status.st_dev:x}.{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}.{status.st_ctime_ns:x}"


class TagBook:
    """Known ETags by absolute path; safe for threads, one object a transfer."""

    def __init__(self, folder: str) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, tuple[str, str]] = {}
        self._real = lru_cache(None)(os.path.realpath)  # of few folders with many files
        self._base: sqlite3.Connection | None = None
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if hasattr(os, "getuid") and os.stat(folder).st_uid != os.getuid():
                raise OSError(f"{folder} belongs to another user")
            self._base = sqlite3.connect(os.path.join(folder, "etags.sqlite3"), timeout=10, check_same_thread=False)
            self._base.execute("create table if not exists etags (path text primary key, stamp text, etag text)")
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def tag(self, path: str) -> str:
        """The ETag the file is known to have, or an empty text."""
        path = self._key(path)
        with self._lock:
            row = self._new.get(path) or self._row(path)
        with contextlib.suppress(OSError):
            if row and row[0] == stamp(path):
                return row[1]
        return ""

    def note(self, path: str, etag: str) -> None:
        """Remember that the file, as it is now, has this ETag."""
        path = self._key(path)
        with contextlib.suppress(OSError):
            entry = (stamp(path), etag)
            with self._lock:
                self._new[path] = entry
                if len(self._new) >= _FLUSH_AT:
                    self._flush()

    def note_copy(self, url: str, etag: str, source_etag: str) -> None:
        """Remember that an object, while it has this ETag, was copied from one with that ETag."""
        if etag and source_etag:
            with self._lock:
                self._new[url] = (etag, source_etag)

    def copied_from(self, url: str, etag: str) -> str:
        """The ETag of what an object was copied from, if it still has the ETag given."""
        with self._lock:
            row = self._new.get(url) or self._row(url)
        return row[1] if row and row[0] == etag else ""

    def close(self) -> None:
        """Write down what is new."""
        with self._lock:
            self._flush()
            if self._base is not None:
                self._base.close()
                self._base = None

    def _flush(self) -> None:
        """Write down what is new, now and then: a killed transfer should not have to read its files again."""
        if self._base is None:
            return
        rows = [(path, *entry) for path, entry in self._new.items()]
        try:
            with self._base:
                self._base.executemany("insert or replace into etags values (?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._give_up(error)
        else:
            self._new.clear()

    def _key(self, path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(self._real(folder or "."), name)

    def _row(self, path: str) -> tuple[str, str] | None:
        if self._base is None:
            return None
        try:
            row: tuple[str, str] | None = self._base.execute(
                "select stamp, etag from etags where path = ?", (path,)
            ).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return row

    def _give_up(self, error: Exception) -> None:
        logger.info("known ETags are not kept: %s", error)
        self._base = None
