"""Folders a tool reads from and writes to: local ones and obs:// ones through the same fsspec interface."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

OBS_SCHEMES = ("obs://", "s3://")

#: fsspec imports this class by itself when it first meets such an address, so that src does not depend on it.
_OBS_FILESYSTEM = "obs_sync.filesystem.ObsFileSystem"


def add_storage_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what obs:// means, named as in default_config.yaml."""
    parser.add_argument(
        "--storage_mode", choices=("auto", "moxing", "obs", "local"), help="what obs:// paths mean [auto]"
    )
    parser.add_argument("--obs_local_root", metavar="FOLDER", help="stands for OBS in storage mode local [./obs_root]")


def open_folder(path: str, storage_mode: str | None = None, obs_local_root: str | None = None) -> tuple[Any, str]:
    """The filesystem that `path` lies in, and the path there."""
    if not path.startswith(OBS_SCHEMES):
        return LocalFileSystem(), os.path.abspath(path)
    fsspec.register_implementation("obs", _OBS_FILESYSTEM, clobber=True)
    settings = {"storage_mode": storage_mode, "obs_local_root": obs_local_root}
    chosen = {name: value for name, value in settings.items() if value}
    return url_to_fs("obs://" + path.split("://", 1)[1], **chosen)


def is_local(filesystem: Any) -> bool:
    """Whether paths of this filesystem are paths of this machine."""
    return isinstance(filesystem, LocalFileSystem)


def storage_errors() -> tuple[type[Exception], ...]:
    """The kinds of errors that obs:// paths raise, for an except clause; none while no such path was opened."""
    module = sys.modules.get("obs_sync.errors")
    return (module.ObsSyncError,) if module is not None else ()
