"""Where the objects of local mode lie: `bucket/key` as a plain file, and a side room for keys no disk can hold.

A key such as `a//b`, `dir/`, `a/../b` or one with a 300-byte part is kept under `<bucket>/.obs_sync/keys`, and so is
`a/b` while `a` is a file (or `a` while `a/` is a folder). A plain file wins over one in the side room.
"""

from __future__ import annotations

import os
from urllib.parse import quote, unquote

from obs_sync.urls import name_problem

ROOM = ".obs_sync"
_CHUNK = 200


def is_plain(key: str) -> bool:
    """Whether the key can be a path below the bucket's folder, as far as the name alone tells."""
    return not name_problem(key) and key.split("/", 1)[0] != ROOM


def plain_path(folder: str, key: str) -> str:
    """The path a key has as a plain file."""
    return os.path.join(folder, *key.split("/"))


def room_path(folder: str, key: str) -> str:
    """The path a key has in the side room: percent-encoded, cut into parts a disk can hold."""
    text = quote(key, safe="")
    chunks = [text[i : i + _CHUNK] for i in range(0, len(text), _CHUNK)]
    return os.path.join(folder, ROOM, "keys", *(f"d{chunk}" for chunk in chunks[:-1]), f"f{chunks[-1]}")


def room_key(relative: str) -> str:
    """The key of a path below `.obs_sync/keys`."""
    return unquote("".join(part[1:] for part in relative.split(os.sep)))


def temporary_folder(folder: str) -> str:
    """Where objects of a bucket are written before they appear."""
    return os.path.join(folder, ROOM, "tmp")
