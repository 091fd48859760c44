"""Validates file names read from other files, and derives file names from them.

A name in an annotation file, a shard index or a labelme file is data, not a path: it is checked here, once, before it
is joined to a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from src.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMPONENT_BYTES = 255  # the longest file name that Linux file systems take


def name_below(name: object) -> str:
    """A file's name below some folder, as `sub/NAME.jpg`; ValueError with the reason when it may lead elsewhere."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError("is not a file name")
    if _CONTROL.search(name):
        raise ValueError(f"{name!r} has a control character")
    if name.startswith("/") or _DRIVE.match(name) or "://" in name:
        raise ValueError(f"{name!r} is an absolute path; write it relative to the folder")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the folder; write it relative to the folder")
    try:
        longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    except UnicodeEncodeError:
        raise ValueError(f"{name[:80]!a} has characters that file names cannot have here") from None
    if not path.name or longest > _COMPONENT_BYTES:
        raise ValueError(f"{name[:80]!r} is not a file name")
    return str(path)


def annotated_name(name: object) -> str:
    r"""`name_below` for names that annotation programs wrote, on Windows with `\` between folders."""
    return name_below(name.replace("\\", "/") if isinstance(name, str) else name)


def mask_name(picture: str) -> str:
    """The name of a picture's ignore mask."""
    return with_ending(picture, ".png")


def with_ending(name: str, ending: str) -> str:
    """The name with another ending: `sub/1.jpg` as `sub/1.png`."""
    return os.path.splitext(name)[0] + ending


def check_distinct(names: Iterable[str], rename: Callable[[str], str], what: str) -> None:
    """DataError naming both when two different pictures would write the same file."""
    owners: dict[str, str] = {}
    for name in names:
        other = owners.setdefault(rename(name), name)
        if other != name:
            raise DataError(f"{other} and {name} would both have the {what} {rename(name)}; rename one of the pictures")
