"""Access to the platform: endpoint, project and access keys from the environment or a profile file."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from src.errors import ConfigError

DEFAULT_FILE = Path(".huaweicloud") / "credentials"
DEFAULT_SECTION = "basic"
#: Variables with the access key, its secret and the token of temporary ones; the first complete pair is used.
_KEYS = (
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
)
_VARIABLES = {
    "project_id": "HUAWEICLOUD_SDK_PROJECT_ID",
    "endpoint": "MODELARTS_ENDPOINT",
    "region": "MODELARTS_REGION",
    "verify": "MODELARTS_VERIFY",
    "ca_file": "MODELARTS_CA_FILE",
}
_FILE_VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"


@dataclass(frozen=True)
class Profile:
    """Everything a request needs; the keys are never shown. An empty endpoint means the region's."""

    endpoint: str
    project_id: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    verify: bool = True
    ca_file: str = ""
    region: str = ""


def read_profile(environment: Mapping[str, str], section: str = "") -> Profile:
    """The profile from environment variables, completed from the profile file; with `section` the file has precedence.

    The file (~/.huaweicloud/credentials, or HUAWEICLOUD_SDK_CREDENTIALS_FILE) has sections like [basic] with ak, sk,
    security_token, project_id, region or endpoint, verify, ca_file. Keys and token always come from the same source.
    Raises ConfigError that names what is missing.
    """
    path = Path(environment.get(_FILE_VARIABLE) or Path(environment.get("HOME") or Path.home()) / DEFAULT_FILE)
    from_file = _read_file(path, section)
    given = {name: environment.get(variable, "") for name, variable in _VARIABLES.items()}
    first, second = (from_file, given) if section else (given, from_file)
    values = {name: first.get(name) or second.get(name) or "" for name in _VARIABLES}
    keys = [
        _keys_from_environment(environment),
        tuple(from_file.get(name, "") for name in ("ak", "sk", "security_token")),
    ]
    access_key, secret_key, token = next(
        (k for k in (reversed(keys) if section else keys) if k[0] and k[1]), ("", "", "")
    )
    if not access_key:
        raise ConfigError(f"no access keys: set {_KEYS[0][0]} and {_KEYS[0][1]}, or write ak and sk into {path}")
    if not values["project_id"]:
        raise ConfigError(f"no project: set {_VARIABLES['project_id']}, or write project_id into {path}")
    return Profile(
        _endpoint(values["endpoint"], values["region"], path),
        values["project_id"],
        access_key,
        secret_key,
        token,
        _parse_bool(values["verify"] or "true"),
        values["ca_file"],
        values["region"],
    )


def has_profile(environment: Mapping[str, str], section: str = "") -> bool:
    """Whether access to the platform is set up."""
    try:
        read_profile(environment, section)
    except ConfigError:
        return False
    return True


def _keys_from_environment(environment: Mapping[str, str]) -> tuple[str, str, str]:
    for key, secret, token in _KEYS:
        if environment.get(key) and environment.get(secret):
            return environment[key], environment[secret], environment.get(token, "")
    return "", "", ""


def _read_file(path: Path, section: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as handle:
            parser.read_file(handle)
    except FileNotFoundError:
        if section:
            raise ConfigError(f"{path}: no such profile file, so no profile '{section}'") from None
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigError(
            f"{path}: not a profile file ({type(error).__name__}); write [basic], ak = …, sk = …"
        ) from None
    if section and not parser.has_section(section):
        raise ConfigError(f"{path}: no profile '{section}'; available: {', '.join(parser.sections()) or 'none'}")
    name = section or DEFAULT_SECTION
    return dict(parser.items(name)) if parser.has_section(name) else {}


def _endpoint(endpoint: str, region: str, path: Path) -> str:
    if endpoint:
        if not endpoint.startswith(("https://", "http://")):
            raise ConfigError(f"{_VARIABLES['endpoint']}: {endpoint} must begin with https://")
        return endpoint.rstrip("/")
    if not region:
        raise ConfigError(f"no region: set {_VARIABLES['region']} or {_VARIABLES['endpoint']}, or write it into {path}")
    return ""


def _parse_bool(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.strip().lower() not in words:
        raise ConfigError(f"{_VARIABLES['verify']}: '{text}' is neither true nor false; a CA file goes into ca_file")
    return words[text.strip().lower()]
