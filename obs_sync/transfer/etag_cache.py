"""Cache of local files' ETags, so that unchanged files are not hashed again.

Kept in SQLite in the state folder; an entry is valid only while size, times and inode of the file are unchanged.
Without a writable state folder everything still works, but files are read again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache

from obs_sync.atomic import stamp

logger = logging.getLogger(__name__)

_FLUSH_AT = 500
_AT_ONCE = 500  # parameters of one query; every SQLite accepts 999


class EtagCache:
    """Known ETags by absolute path; thread-safe, one instance per transfer."""

    def __init__(self, folder: str) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, tuple[str, str]] = {}
        self._loaded: dict[str, tuple[str, str] | None] = {}
        self._real = lru_cache(None)(os.path.realpath)  # few folders, many files
        self._database: sqlite3.Connection | None = None
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if hasattr(os, "getuid") and os.stat(folder).st_uid != os.getuid():
                raise OSError(f"{folder} belongs to another user")
            path = os.path.join(folder, "etags.sqlite3")
            self._database = sqlite3.connect(path, timeout=10, check_same_thread=False)
            self._database.execute("create table if not exists etags (path text primary key, stamp text, etag text)")
        except (OSError, sqlite3.Error) as error:
            self._disable(error)

    def load(self, paths: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
        """Load the entries of files and copies that are about to be looked up, in few queries."""
        keys = [*map(self._key, paths), *urls]
        with self._lock:
            self._loaded = dict.fromkeys(keys)
            for start in range(0, len(keys), _AT_ONCE):
                self._loaded.update(self._rows(keys[start : start + _AT_ONCE]))

    def etag_of(self, path: str) -> str:
        """The file's ETag if it is known, else an empty string."""
        path = self._key(path)
        with self._lock:
            row = self._row(path)
        with contextlib.suppress(OSError):
            if row and row[0] == stamp(path):
                return row[1]
        return ""

    def remember(self, path: str, etag: str) -> None:
        """Record that the file, as it is now, has this ETag."""
        path = self._key(path)
        with contextlib.suppress(OSError):
            self._add(path, (stamp(path), etag))

    def remember_copy(self, url: str, etag: str, source_etag: str) -> None:
        """Record that an object, while it has this ETag, is a copy of one with `source_etag`."""
        if etag and source_etag:
            self._add(url, (etag, source_etag))

    def copied_from(self, url: str, etag: str) -> str:
        """The ETag of the copy's source, if the object still has the given ETag."""
        with self._lock:
            row = self._row(url)
        return row[1] if row and row[0] == etag else ""

    def close(self) -> None:
        """Write new entries and close the database."""
        with self._lock:
            self._flush()
            if self._database is not None:
                self._database.close()
                self._database = None

    def _add(self, key: str, entry: tuple[str, str]) -> None:
        with self._lock:
            self._new[key] = entry
            if len(self._new) >= _FLUSH_AT:  # a killed transfer should not have to read its files again
                self._flush()

    def _flush(self) -> None:
        if self._database is None:
            return
        rows = [(path, *entry) for path, entry in self._new.items()]
        try:
            with self._database:
                self._database.executemany("insert or replace into etags values (?, ?, ?)", rows)
        except (sqlite3.Error, ValueError) as error:
            self._disable(error)
        else:
            self._new.clear()

    def _key(self, path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(self._real(folder or "."), name)

    def _row(self, key: str) -> tuple[str, str] | None:
        if key in self._new:
            return self._new[key]
        return self._loaded[key] if key in self._loaded else self._rows([key]).get(key)

    def _rows(self, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        if self._database is None:
            return {}
        query = f"select path, stamp, etag from etags where path in ({','.join('?' * len(keys))})"
        try:
            return {path: (stamp, etag) for path, stamp, etag in self._database.execute(query, keys)}
        except (sqlite3.Error, ValueError) as error:
            self._disable(error)
            return {}

    def _disable(self, error: Exception) -> None:
        logger.info("ETag cache disabled: %s", error)
        self._database = None
