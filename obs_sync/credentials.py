"""Access keys: their sources, and their renewal during a job. They never appear in any output."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Callable, NoReturn

from obs_sync.errors import AccessDenied

logger = logging.getLogger(__name__)

_VARIABLES = (
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SECURITY_TOKEN"),
)


@dataclass(frozen=True)
class Credentials:
    """An access key, its secret and, for temporary ones, a token and the time (UTC) they expire."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: datetime | None = None

    def __repr__(self) -> str:
        return f"Credentials(hidden, temporary={bool(self.security_token)}, expires={self.expires})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials cannot be pickled; the other process reads its own from its environment")

    def hide_in(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        for secret in (self.secret_access_key, self.security_token, self.access_key_id):
            if secret:
                text = text.replace(secret, "***")
        return text


Provider = Callable[[], Credentials]


def from_environment(environment: Mapping[str, str] | None = None) -> Credentials | None:
    """The credentials in the environment (`OBS_…`, or `S3_…` as set by ModelArts), read at each call."""
    variables = os.environ if environment is None else environment
    for key_name, secret_name, token_name in _VARIABLES:
        key, secret = variables.get(key_name, ""), variables.get(secret_name, "")
        if key and secret:
            return Credentials(key, secret, variables.get(token_name, ""))
    return None


def environment_provider() -> Credentials:
    """The credentials in the environment, or AccessDenied naming the variables to set."""
    found = from_environment()
    if found is None:
        raise AccessDenied(
            "no credentials", operation="sign in", next_step="set OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY"
        )
    return found


def file_provider(path: str) -> Provider:
    """A provider that reads a JSON file each time it is called, for credentials that another program renews.

    The file contains `access_key_id`, `secret_access_key` and, for temporary ones, `security_token` and `expires`
    (ISO 8601).
    """

    def read() -> Credentials:
        _warn_if_readable_by_others(path)
        try:
            with open(path, encoding="utf-8") as handle:
                found = json.load(handle)
            ends = found.get("expires")
            expires = datetime.fromisoformat(ends.replace("Z", "+00:00")) if ends else None
            token = found.get("security_token", "")
            return Credentials(found["access_key_id"], found["secret_access_key"], token, expires)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            reason = f"no usable credentials in the file ({type(error).__name__})"
            step = "write access_key_id and secret_access_key into it as JSON"
            raise AccessDenied(reason, url=path, operation="sign in", next_step=step) from None

    return read


@functools.lru_cache(maxsize=64)
def _warn_if_readable_by_others(path: str) -> None:
    """Warn, once per file and process, that other users of this machine can read the keys."""
    with contextlib.suppress(OSError):
        if os.name == "posix" and os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH):
            logger.warning("other users can read the access keys in %s: run chmod 600 on it", path)


class CurrentCredentials:
    """The credentials to use now: requested every minute, before they expire, and when the store rejects them."""

    ASK_AGAIN_S = 60.0
    BEFORE_EXPIRY_S = 120.0

    def __init__(self, provider: Provider) -> None:
        self._provider, self._lock = provider, threading.Lock()
        self._value: Credentials | None = None
        self._asked = 0.0

    def get(self) -> Credentials:
        """The credentials, renewed when due."""
        with self._lock:
            if self._value is None or self._is_old(self._value):
                self._ask()
            assert self._value is not None
            return self._value

    def renew(self, rejected: Credentials) -> bool:
        """Ask the provider at once; returns whether the credentials now differ from the rejected ones."""
        with self._lock:
            if self._value == rejected:
                self._ask()
            return self._value != rejected

    def _ask(self) -> None:
        self._value, self._asked = self._provider(), time.monotonic()

    def _is_old(self, value: Credentials) -> bool:
        if time.monotonic() - self._asked > self.ASK_AGAIN_S:
            return True
        if value.expires is None:
            return False
        left = (value.expires - datetime.now(timezone.utc)).total_seconds()
        return left < self.BEFORE_EXPIRY_S and time.monotonic() - self._asked > 1
