"""Sync with OBS in three modes that behave alike: `moxing`, `obs` (the Python SDK), `local` (a folder stands for OBS).

    import obs_sync
    obs_sync.configure(storage_mode="local", obs_local_root="./obs_root")
    obs_sync.copy("obs://bucket/data/", "./data")
    with fsspec.open("obs://bucket/note.txt", "w") as f: ...

Importing it registers the protocol `obs` with fsspec and has no other effect.
"""

from __future__ import annotations

from obs_sync.credentials import Credentials
from obs_sync.errors import (
    AccessDenied,
    Exists,
    Integrity,
    LocalProblem,
    MissingDependency,
    NotAFile,
    NotFound,
    ObsSyncError,
    Refused,
    RequestFailed,
    Transient,
)
from obs_sync.filesystem import ObsFileSystem, filesystem, register
from obs_sync.settings import Settings, configure
from obs_sync.transfer.copy import copy, download, exists, list_files, upload
from obs_sync.transfer.progress import Progress
from obs_sync.transfer.result import Incomplete, TransferResult
from obs_sync.transfer.uploader import Uploader
from obs_sync.urls import is_url, join, split, under

__all__ = [
    "AccessDenied",
    "Credentials",
    "Exists",
    "Incomplete",
    "Integrity",
    "LocalProblem",
    "MissingDependency",
    "NotAFile",
    "NotFound",
    "ObsFileSystem",
    "ObsSyncError",
    "Progress",
    "Refused",
    "RequestFailed",
    "Settings",
    "TransferResult",
    "Transient",
    "Uploader",
    "configure",
    "copy",
    "download",
    "exists",
    "filesystem",
    "is_url",
    "join",
    "list_files",
    "register",
    "split",
    "under",
    "upload",
]

register()
