"""Access keys: where they come from, how they are renewed during a job, and that they never show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable

from obs_sync.errors import AccessDenied

_VARIABLES = (
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SECURITY_TOKEN"),
)


@dataclass(frozen=True)
class Credentials:
    """An access key, its secret and, for temporary ones, a token and the time (UTC) they end."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: datetime | None = None

    def __repr__(self) -> str:
        return f"Credentials(hidden, temporary={bool(self.security_token)}, expires={self.expires})"

    def __reduce__(self) -> Any:
        raise TypeError("credentials are not pickled; the other process takes its own from its environment")

    def hide_in(self, text: str) -> str:
        """The text with every secret in it blackened."""
        for secret in (self.secret_access_key, self.security_token, self.access_key_id):
            if secret:
                text = text.replace(secret, "***")
        return text


Provider = Callable[[], Credentials]


def from_environment(environment: Mapping[str, str] | None = None) -> Credentials | None:
    """The credentials in the environment (`OBS_…`, or `S3_…` as ModelArts sets them), read anew at each call."""
    variables = os.environ if environment is None else environment
    for key_name, secret_name, token_name in _VARIABLES:
        key, secret = variables.get(key_name, ""), variables.get(secret_name, "")
        if key and secret:
            return Credentials(key, secret, variables.get(token_name, ""))
    return None


def environment_provider() -> Credentials:
    """The environment's credentials, or AccessDenied that names the variables."""
    found = from_environment()
    if found is None:
        raise AccessDenied(
            "no credentials", operation="sign in", next_step="set OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY"
        )
    return found
