"""Opens the store for given settings: one per process, shared by threads, never across a fork."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Union

from obs_sync import credentials as creds
from obs_sync.settings import Settings, default_credentials, resolve
from obs_sync.stores.base import Store
from obs_sync.stores.local import LocalStore
from obs_sync.urls import is_url, split

logger = logging.getLogger(__name__)

CredentialSource = Union[creds.Credentials, creds.Provider, None]
_stores: dict[tuple[int, Settings, object], Store] = {}
_lock = threading.Lock()


class StorageAccess(Protocol):
    """What a transfer needs: the settings and their store."""

    @property
    def settings(self) -> Settings:
        """The effective settings."""

    @property
    def store(self) -> Store:
        """The store of this process."""


@dataclass(frozen=True)
class _Access:
    settings: Settings
    credentials: CredentialSource

    @property
    def store(self) -> Store:
        return open_store(self.settings, self.credentials)


def default_access() -> StorageAccess:
    """The store that `configure` and the environment select."""
    return _Access(resolve(), default_credentials())


def provider_of(source: CredentialSource) -> creds.Provider:
    """A function that returns the credentials to use now."""
    if source is None:
        return creds.environment_provider
    if isinstance(source, creds.Credentials):
        return _Fixed(source)
    return source


class _Fixed:
    """A provider of fixed credentials; equal for equal credentials, so that stores are shared."""

    def __init__(self, value: creds.Credentials) -> None:
        self._value = value

    def __call__(self) -> creds.Credentials:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fixed) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def open_store(settings: Settings, source: CredentialSource = None) -> Store:
    """The store for these settings and credentials in this process."""
    found = creds.from_environment()
    expires = source is None and found is not None and bool(found.security_token)
    mode, reason = choose_mode(settings, source is not None or found is not None, expires)
    provider = provider_of(source)
    root = os.path.abspath(settings.obs_local_root) if mode == "local" else ""
    key = (os.getpid(), settings, (mode, root, provider))
    with _lock:
        store = _stores.get(key)
        if store is None:
            for stale in [k for k in _stores if k[0] != os.getpid()]:
                del _stores[stale]
            store = _stores[key] = _build(mode, settings, provider)
            logger.info("storage mode: %s (%s)", mode, reason)
    return store


def choose_mode(settings: Settings, has_credentials: bool, expires: bool = False) -> tuple[str, str]:
    """The mode that `auto` selects here, and why; any other mode is returned unchanged.

    The OBS SDK is preferred: Huawei recommends it over moxing for production code. With `expires` the credentials are
    temporary and not renewed; moxing renews its own.
    """
    if settings.storage_mode != "auto":
        return settings.storage_mode, "set explicitly"
    obstacle = _sdk_obstacle(settings, has_credentials)
    if not obstacle and not expires:
        return "obs", "endpoint and credentials are set"
    if _is_moxing_installed():
        why = obstacle or "the environment's temporary keys would expire during a long job"
        return "moxing", f"the platform's moxing is installed; OBS SDK not used: {why}"
    if not obstacle:
        return "obs", "endpoint and temporary credentials are set"
    reason = f"moxing is not installed and {obstacle}"
    if os.environ.get("MA_JOB_DIR"):
        logger.warning("storage: %s, so objects stay in %s on this machine", reason, settings.obs_local_root)
    return "local", reason


def _sdk_obstacle(settings: Settings, has_credentials: bool) -> str:
    """Why the OBS SDK cannot be used, or an empty string."""
    if not settings.endpoint and not has_credentials:
        return "neither endpoint nor credentials are set"
    if not settings.endpoint:
        return "no endpoint is set"
    if not has_credentials:
        return "no credentials are set"
    return "" if _is_sdk_installed() else "the OBS SDK is not installed"


def _is_moxing_installed() -> bool:
    if importlib.util.find_spec("moxing") is None:
        return False
    from obs_sync.stores.moxing.answers import real_moxing

    return real_moxing() is not None


def _is_sdk_installed() -> bool:
    try:
        from obs_sync.stores.sdk import client
    except ImportError:
        return False
    return client is not None


def _build(mode: str, settings: Settings, provider: creds.Provider) -> Store:
    if mode == "local":
        return LocalStore(settings.obs_local_root)
    if mode == "moxing":
        from obs_sync.stores.moxing.store import MoxingStore

        return MoxingStore(settings)
    from obs_sync.stores.sdk.store import SdkStore

    return SdkStore(settings, provider)


def create_local_buckets(urls: Iterable[str], filesystem: StorageAccess | None = None) -> None:
    """In local mode, create the buckets of these URLs; in the cloud, buckets must exist already."""
    store = (filesystem or default_access()).store
    if store.mode == "local":
        for bucket in {split(url).bucket for url in urls if is_url(url)}:
            store.make_bucket(bucket)
