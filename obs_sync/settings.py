"""Which store, and how: from arguments, `configure`, the environment, defaults - in this order."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from obs_sync import credentials as creds
from obs_sync.errors import Refused

logger = logging.getLogger(__name__)

MODES = ("auto", "moxing", "obs", "local")
_ENVIRONMENT = {
    "storage_mode": ("OBS_STORAGE_MODE",),
    "obs_local_root": ("OBS_LOCAL_ROOT",),
    "endpoint": ("OBS_ENDPOINT", "S3_ENDPOINT"),
    "signature": ("OBS_SIGNATURE",),
    "region": ("OBS_REGION",),
    "path_style": ("OBS_PATH_STYLE",),
    "ca_file": ("OBS_CA_FILE",),
    "state_dir": ("OBS_STATE_DIR",),
}


@dataclass(frozen=True)
class Settings:
    """Everything about a store but its credentials; times are in seconds, sizes in bytes."""

    storage_mode: str = "auto"  # auto, moxing, obs or local
    obs_local_root: str = "./obs_root"  # local mode: the folder that stands for the service
    endpoint: str = ""  # https://obs.<region>.myhuaweicloud.com, or of any S3-compatible store
    signature: str = "obs"  # obs, or v2 / v4 for S3-compatible stores
    region: str = "region"  # only v4 signs it
    path_style: bool = False  # endpoint/bucket/key instead of bucket.endpoint/key
    ca_file: str = ""  # certificates to trust instead of the system's
    timeout_s: float = 60.0  # to connect, and for every wait on a socket
    deadline_s: float = 600.0  # for one request with all its retries; a part of a big file counts as one
    max_attempts: int = 8  # tries of one request
    backoff_s: float = 0.5  # first pause, doubled each time up to max_backoff_s, with jitter
    max_backoff_s: float = 20.0
    threads: int = 16  # files at a time
    part_threads: int = 4  # parts of one big file at a time on the way up, twice as many on the way down
    part_size: int = 16 << 20
    multipart_from: int = 64 << 20  # smaller files go in one piece
    state_dir: str = ""  # where resumable uploads and known ETags are noted; default: a folder of this user in /tmp

    def __post_init__(self) -> None:
        _one_of("storage_mode", self.storage_mode, MODES)
        _one_of("signature", self.signature, ("obs", "v2", "v4"))
        for name in (
            "timeout_s",
            "deadline_s",
            "max_attempts",
            "threads",
            "part_threads",
            "part_size",
            "multipart_from",
        ):
            if getattr(self, name) <= 0:
                raise Refused(
                    f"{name} must be greater than 0, not {getattr(self, name)}", next_step="change the setting"
                )


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise Refused(f"{name} is {value!r}", next_step=f"use one of {', '.join(choices)}")


_configured: dict[str, Any] = {}


def configure(credentials: creds.Credentials | creds.Provider | None = None, **settings: Any) -> None:
    """Set this process's defaults, for calls without a filesystem and for `fsspec.open("obs://…")`.

    Takes the fields of `Settings`; each call replaces the former. `configure()` returns to environment and defaults.
    """
    resolve(**settings)
    _configured.clear()
    _configured.update(settings)
    _configured["credentials"] = credentials


def default_credentials() -> creds.Credentials | creds.Provider | None:
    """The credentials given to `configure`, if any."""
    return _configured.get("credentials")


def resolve(**arguments: Any) -> Settings:
    """The settings in force: arguments (None means not given) over `configure` over environment over defaults."""
    known = {field.name for field in fields(Settings)}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise Refused(f"unknown storage setting {unknown[0]!r}", next_step=f"known are {', '.join(sorted(known))}")
    values = from_environment(os.environ)
    values.update({name: value for name, value in _configured.items() if name in known})
    values.update({name: value for name, value in arguments.items() if value is not None})
    return replace(Settings(), **values)


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that environment variables give."""
    values: dict[str, Any] = {}
    for name, variables in _ENVIRONMENT.items():
        found = next((environment[variable] for variable in variables if environment.get(variable)), "")
        if found:
            values[name] = found.lower() in ("1", "true", "yes") if name == "path_style" else found
    return values


def choose_mode(settings: Settings, has_credentials: bool) -> tuple[str, str]:
    """The mode `auto` stands for here, and why; any other mode is itself."""
    if settings.storage_mode != "auto":
        return settings.storage_mode, "as told"
    if importlib.util.find_spec("moxing") is not None:
        from obs_sync.stores.moxing import real_moxing

        if real_moxing() is not None:
            return "moxing", "the platform's moxing is installed"
    if settings.endpoint and has_credentials:
        return "obs", "an endpoint and credentials are given"
    missing = (
        "credentials are"
        if settings.endpoint
        else "no endpoint is"
        if has_credentials
        else "neither endpoint nor credentials are"
    )
    reason = f"no moxing here and {'no ' if missing.startswith('cred') else ''}{missing} given"
    if os.environ.get("MA_JOB_DIR"):
        logger.warning("storage: %s, so objects stay in %s on this machine", reason, settings.obs_local_root)
    return "local", reason
