"""Storage settings: from arguments, `configure`, the environment and defaults, in this order of precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, Union, cast

from obs_sync import credentials as creds
from obs_sync.errors import InvalidRequest
from obs_sync.formatting import nearest

Value = Union[str, float, bool, None]

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
    """All settings of a store except its credentials; times in seconds, sizes in bytes."""

    storage_mode: str = "auto"  # auto, moxing, obs or local
    obs_local_root: str = "./obs_root"  # local mode: the folder that stands in for OBS
    endpoint: str = ""  # https://obs.<region>.myhuaweicloud.com, or any S3-compatible store
    signature: str = "obs"  # obs, or v2 / v4 for S3-compatible stores
    region: str = "region"  # used by signature v4 only
    path_style: bool = False  # endpoint/bucket/key instead of bucket.endpoint/key
    ca_file: str = ""  # PEM file of certificates to trust instead of the system's
    timeout_s: float = 60.0  # for connecting and for each wait on a socket
    deadline_s: float = 600.0  # for one request with all its retries; each part of a big file is one request
    max_attempts: int = 8  # attempts of one request
    backoff_s: float = 0.5  # first pause; doubles up to max_backoff_s, with jitter
    max_backoff_s: float = 20.0
    threads: int = 16  # files transferred at the same time
    part_threads: int = 4  # parts of one big file at the same time: uploads; twice as many for downloads
    part_size: int = 16 << 20
    multipart_from: int = 64 << 20  # smaller files are sent in one request
    state_dir: str = ""  # resumable uploads and cached ETags; default: a folder of this user in /tmp

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
                raise InvalidRequest(
                    f"{name} must be greater than 0, not {getattr(self, name)}", next_step="change the setting"
                )


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        guess = f"did you mean {nearest(value, choices)}? " if nearest(value, choices) else ""
        raise InvalidRequest(f"{name} is {value!r}", next_step=f"{guess}use one of {', '.join(choices)}")


class _Build(Protocol):
    """`Settings` by keyword, for values whose types are not known statically."""

    def __call__(self, **values: Value) -> Settings: ...


@dataclass
class _Configured:
    """The arguments of the last `configure` in this process."""

    settings: dict[str, Value] = field(default_factory=dict)
    credentials: creds.Credentials | creds.Provider | None = None


_configured = _Configured()


def configure(credentials: creds.Credentials | creds.Provider | None = None, **settings: Value) -> None:
    """Set defaults for this process, for calls without a filesystem and for `fsspec.open("obs://…")`.

    Takes the fields of `Settings`; each call replaces the previous one. `configure()` restores
    environment and defaults.
    """
    resolve(**settings)
    _configured.settings, _configured.credentials = settings, credentials


def default_credentials() -> creds.Credentials | creds.Provider | None:
    """The credentials given to `configure`, if any."""
    return _configured.credentials


def resolve(**arguments: Value) -> Settings:
    """The effective settings: arguments (unless None), then `configure`, then the environment, then defaults."""
    known = {field.name for field in fields(Settings)}
    unknown = sorted(set(arguments) - known)
    if unknown:
        guess = nearest(unknown[0], known)
        step = f"did you mean {guess}?" if guess else f"use one of {', '.join(sorted(known))}"
        raise InvalidRequest(f"unknown storage setting {unknown[0]!r}", next_step=step)
    given = {name: value for name, value in arguments.items() if value is not None}
    return cast("_Build", Settings)(**{**from_environment(os.environ), **_configured.settings, **given})


def from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    """The settings given by environment variables."""
    values: dict[str, Value] = {}
    for name, variables in _ENVIRONMENT.items():
        found = next((environment[variable] for variable in variables if environment.get(variable)), "")
        if found:
            values[name] = found.lower() in ("1", "true", "yes") if name == "path_style" else found
    return values
