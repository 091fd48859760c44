"""Listing a bucket's folder: every file is an object, a folder counts only when a file lies below it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from obs_sync.atomic import is_part
from obs_sync.stores import local_keys as names

logger = logging.getLogger(__name__)

Found = tuple[str, "os.stat_result | None"]


def walk_keys(folder: str, prefix: str, enter: bool = True) -> Iterator[Found]:
    """(key, status) of objects whose key starts with the prefix; with `enter=False` folders are (key + "/", None)."""
    yield from _walk_plain(folder, prefix, enter)
    yield from _walk_room(folder, prefix, enter)


def contains_file(folder: str, skip: str = "") -> bool:
    """Whether a file lies anywhere below the folder."""
    return any(True for _ in _files(folder, "", frozenset(), skip))


def _walk_plain(folder: str, prefix: str, enter: bool) -> Iterator[Found]:
    above, _, _ = prefix.rpartition("/")
    if above and not names.is_plain(above):
        return
    start = names.plain_path(folder, above) if above else folder
    base = f"{above}/" if above else ""
    skip = "" if above else names.ROOM
    if enter:
        for key, status in _files(start, base, frozenset(), skip, prefix):
            yield key, status
        return
    for entry in _entries(start, skip):
        key = base + entry.name
        if key.startswith(prefix):
            if entry.is_dir():
                if contains_file(entry.path):
                    yield key + "/", None
            elif entry.is_file():
                yield key, entry.stat()


def _walk_room(folder: str, prefix: str, enter: bool) -> Iterator[Found]:
    room = os.path.join(folder, names.ROOM, "keys")
    for base, _folders, files in os.walk(room):
        for name in files:
            path = os.path.join(base, name)
            key = names.room_key(os.path.relpath(path, room))
            if not key.startswith(prefix) or (names.is_plain(key) and os.path.isfile(names.plain_path(folder, key))):
                continue
            head, slash, _ = key[len(prefix) :].partition("/")
            if enter or not slash:
                with contextlib.suppress(FileNotFoundError):
                    yield key, os.stat(path)
            else:
                yield prefix + head + slash, None


def _entries(folder: str, skip: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name != skip and not is_part(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [entry for entry in found if _readable(entry.name, folder)]


def _readable(name: str, folder: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        logger.warning("%r below %s is not valid UTF-8: no store could hold it, so it is not listed", name, folder)
        return False
    return True


def _files(folder: str, base: str, above: frozenset[str], skip: str = "", prefix: str = "") -> Iterator[Found]:
    for entry in _entries(folder, skip):
        key = base + entry.name
        if not (key.startswith(prefix) or prefix.startswith(key + "/")):
            continue
        if entry.is_dir():
            real = os.path.realpath(entry.path) if entry.is_symlink() else ""
            if real and (real in above or f"{os.path.realpath(folder)}{os.sep}".startswith(real + os.sep)):
                logger.warning("%s is a link to a folder above it: not followed", entry.path)
                continue
            yield from _files(entry.path, key + "/", above | {real} if real else above, "", prefix)
        elif entry.is_file():
            with contextlib.suppress(FileNotFoundError):
                yield key, entry.stat()
