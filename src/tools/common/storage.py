"""Folders a tool reads from and writes to: local ones and obs:// ones through the same fsspec interface.

This is the one module of `src` that knows `obs_sync`, as the import contracts say: a tool is started by itself, so
nobody can hand it a storage. Everything else here is fsspec's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from src.errors import JobError

OBS_SCHEMES = ("obs://", "s3://")


def add_storage_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what obs:// means, named as in default_config.yaml."""
    parser.add_argument(
        "--storage_mode", choices=("auto", "moxing", "obs", "local"), help="what obs:// paths mean [auto]"
    )
    parser.add_argument(
        "--obs_local_root", metavar="FOLDER", help="folder used as OBS in storage mode local [./obs_root]"
    )


@contextmanager
def open_folder(
    path: str, storage_mode: str | None = None, obs_local_root: str | None = None
) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The filesystem that `path` lies in, and the path there; a JobError of everything that the storage raises."""
    if not path.startswith(OBS_SCHEMES):
        yield LocalFileSystem(), os.path.abspath(path)
        return
    import obs_sync

    settings = {"storage_mode": storage_mode, "obs_local_root": obs_local_root}
    try:
        chosen = {name: value for name, value in settings.items() if value}
        yield obs_sync.filesystem(**chosen), path.split("://", 1)[1]
    except obs_sync.ObsSyncError as error:
        raise JobError(str(error)) from None


def is_local(filesystem: AbstractFileSystem) -> bool:
    """Whether paths of this filesystem are paths of this machine."""
    return isinstance(filesystem, LocalFileSystem)
