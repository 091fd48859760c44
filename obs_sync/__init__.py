"""Access to OBS in three modes that behave alike: `moxing`, `obs` (the Python SDK) and `local` (a folder as OBS).

    import obs_sync
    obs_sync.configure(storage_mode="local", obs_local_root="./obs_root")
    obs_sync.copy("obs://bucket/data/", "./data")
    with fsspec.open("obs://bucket/note.txt", "w") as f: ...

Importing it registers the protocol `obs` with fsspec and has no other side effect.
"""

from __future__ import annotations

import importlib.util
import sys

if sys.argv[:1] == ["-m"] and importlib.util.find_spec("fsspec") is None:  # only while `python -m obs_sync` starts
    sys.stderr.write(f"error: {sys.executable} lacks the package fsspec; run: pip install -r requirements.txt\n")
    sys.exit(2)

from obs_sync.credentials import Credentials
from obs_sync.errors import (
    AccessDenied,
    AlreadyExists,
    Integrity,
    InvalidName,
    InvalidRequest,
    LocalProblem,
    MissingDependency,
    NotAFile,
    NotFound,
    ObsSyncError,
    RequestFailed,
    Transient,
)
from obs_sync.filesystem import ObsFileSystem, filesystem, register
from obs_sync.settings import Settings, Value, configure
from obs_sync.stores.open import create_local_buckets
from obs_sync.transfer.copy import copy, create_exclusive, download, exists, list_files, upload
from obs_sync.transfer.progress import Progress
from obs_sync.transfer.result import Incomplete, TransferResult
from obs_sync.transfer.uploader import Uploader
from obs_sync.urls import is_url, join, name_problem, split, under

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "Credentials",
    "Incomplete",
    "Integrity",
    "InvalidName",
    "InvalidRequest",
    "LocalProblem",
    "MissingDependency",
    "NotAFile",
    "NotFound",
    "ObsFileSystem",
    "ObsSyncError",
    "Progress",
    "RequestFailed",
    "Settings",
    "TransferResult",
    "Transient",
    "Uploader",
    "Value",
    "configure",
    "copy",
    "create_exclusive",
    "create_local_buckets",
    "download",
    "exists",
    "filesystem",
    "is_url",
    "join",
    "list_files",
    "name_problem",
    "register",
    "split",
    "under",
    "upload",
]

register()
