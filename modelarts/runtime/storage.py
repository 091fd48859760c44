"""One interface to obs:// URLs and plain folders, with the operations that checkpoints and results need."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import fsspec
from fsspec import AbstractFileSystem

import obs_sync
from src.files import write_atomically

#: The attributes of a file in a listing; equal in two listings if the file was not written in between.
Stamp = tuple[object, ...]


def filesystem_of(url: str) -> AbstractFileSystem:
    """The fsspec filesystem of an obs:// URL or of a folder, without cached listings."""
    filesystem = obs_sync.filesystem() if obs_sync.is_url(url) else fsspec.filesystem("file")
    filesystem.invalidate_cache()
    return filesystem


def list_with_stamps(url: str) -> Mapping[str, Stamp]:
    """Relative name -> stamp of each file below `url`; empty if there is no such folder."""
    base = Path(absolute(url)).as_posix() + "/" if not obs_sync.is_url(url) else absolute(url).partition("://")[2] + "/"
    found = filesystem_of(url).find(url, detail=True)
    return {path[len(base) :]: _stamp(entry) for path, entry in found.items() if path.startswith(base)}


def read_bytes(url: str) -> bytes:
    """The content of an object or file; raises what obs_sync raises, or OSError."""
    return bytes(filesystem_of(url).cat_file(url))


def write_bytes(url: str, content: bytes) -> None:
    """Write a small object or file atomically; raises what obs_sync raises, or OSError."""
    if obs_sync.is_url(url):
        obs_sync.filesystem().pipe_file(url, content)
        return
    write_atomically(Path(url), content)


def remove(url: str) -> None:
    """Delete an object or file; nothing happens when there is none."""
    with contextlib.suppress(FileNotFoundError):
        filesystem_of(url).rm_file(url)


def names_in(url: str) -> list[str]:
    """The names of files and folders directly below `url`; empty if there is no such folder."""
    try:
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in filesystem_of(url).ls(url, detail=False)]
    except FileNotFoundError:
        return []


def absolute(url: str) -> str:
    """The URL or folder without a trailing slash, folders as absolute paths: equal for the same location."""
    return url.rstrip("/") if obs_sync.is_url(url) else os.path.abspath(url)


def _stamp(entry: Mapping[str, object]) -> Stamp:
    names = ("size", "etag", "LastModified", "mtime", "ino")
    return tuple(entry.get(name) for name in names)
