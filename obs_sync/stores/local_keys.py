"""Keys of local mode: where each object's file is kept in a bucket's folder, and how the folder is listed.

`bucket/key` is a plain file wherever a disk can hold it. A key such as `a//b`, `dir/`, `a/../b` or one with a 300-byte
component is kept, percent-encoded, under `<bucket>/.obs_sync/keys`, and so is `a/b` while `a` is a file (or `a` while
`a/` is a folder). A plain file takes precedence over an encoded one. A folder is listed only if it contains a file.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from urllib.parse import quote, unquote

from obs_sync.atomic import is_part
from obs_sync.urls import name_problem

logger = logging.getLogger(__name__)

RESERVED = ".obs_sync"
_ENCODED_NAME_LENGTH = 200

Found = tuple[str, "os.stat_result | None"]


def is_plain(key: str) -> bool:
    """Whether the key can be a path below the bucket's folder, judging by the name alone."""
    return not name_problem(key) and key.split("/", 1)[0] != RESERVED


def plain_path(folder: str, key: str) -> str:
    """The path of a key as a plain file."""
    return os.path.join(folder, *key.split("/"))


def encoded_path(folder: str, key: str) -> str:
    """The path of a key under `.obs_sync/keys`: percent-encoded and split into names a disk can hold."""
    text = quote(key, safe="")
    names = [text[i : i + _ENCODED_NAME_LENGTH] for i in range(0, len(text), _ENCODED_NAME_LENGTH)]
    return os.path.join(folder, RESERVED, "keys", *(f"d{name}" for name in names[:-1]), f"f{names[-1]}")


def decoded_key(relative: str) -> str:
    """The key of a path relative to `.obs_sync/keys`."""
    return unquote("".join(part[1:] for part in relative.split(os.sep)))


def temporary_folder(folder: str) -> str:
    """Where the objects of a bucket are written before they become visible."""
    return os.path.join(folder, RESERVED, "tmp")


def walk_keys(folder: str, prefix: str, enter: bool = True) -> Iterator[Found]:
    """(key, status) of objects whose key starts with the prefix; with `enter=False` folders are (key + "/", None)."""
    yield from _walk_plain(folder, prefix, enter)
    yield from _walk_encoded(folder, prefix, enter)


def contains_file(folder: str) -> bool:
    """Whether there is a file anywhere below the folder."""
    return any(True for _ in _files(folder, "", frozenset()))


def _walk_plain(folder: str, prefix: str, enter: bool) -> Iterator[Found]:
    above, _, _ = prefix.rpartition("/")
    if above and not is_plain(above):
        return
    start = plain_path(folder, above) if above else folder
    base = f"{above}/" if above else ""
    skip = "" if above else RESERVED
    if enter:
        yield from _files(start, base, frozenset(), skip, prefix)
        return
    for entry in _entries(start, skip):
        key = base + entry.name
        if key.startswith(prefix):
            if entry.is_dir():
                if contains_file(entry.path):
                    yield key + "/", None
            elif entry.is_file():
                yield key, entry.stat()


def _walk_encoded(folder: str, prefix: str, enter: bool) -> Iterator[Found]:
    encoded = os.path.join(folder, RESERVED, "keys")
    for base, _folders, files in os.walk(encoded):
        for name in files:
            path = os.path.join(base, name)
            key = decoded_key(os.path.relpath(path, encoded))
            if not key.startswith(prefix) or (is_plain(key) and os.path.isfile(plain_path(folder, key))):
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
    return [entry for entry in found if _is_utf8(entry.name, folder)]


def _is_utf8(name: str, folder: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        logger.warning("skipping %r in %s: the name is not valid UTF-8, so no store can hold it", name, folder)
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
                logger.warning("skipping %s: link to a parent folder", entry.path)
                continue
            yield from _files(entry.path, key + "/", above | {real} if real else above, "", prefix)
        elif entry.is_file():
            with contextlib.suppress(FileNotFoundError):
                yield key, entry.stat()
