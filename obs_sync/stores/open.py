"""One store for each settings and process: clients and their connections are shared by threads, never across a fork."""

from __future__ import annotations

import logging
import os
import threading
from typing import Union

from obs_sync import credentials as creds
from obs_sync.settings import Settings, choose_mode
from obs_sync.stores.base import Store
from obs_sync.stores.local import LocalStore

logger = logging.getLogger(__name__)

Given = Union[creds.Credentials, creds.Provider, None]
_stores: dict[tuple[int, Settings, object], Store] = {}
_lock = threading.Lock()


def provider_of(given: Given) -> creds.Provider:
    """A function that returns the credentials to use now."""
    if given is None:
        return creds.environment_provider
    if isinstance(given, creds.Credentials):
        return _Fixed(given)
    return given


class _Fixed:
    """A provider of credentials that do not change; equal for equal ones, so that stores are shared."""

    def __init__(self, value: creds.Credentials) -> None:
        self._value = value

    def __call__(self) -> creds.Credentials:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fixed) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def open_store(settings: Settings, given: Given = None) -> Store:
    """The store for these settings and credentials in this process."""
    has_credentials = given is not None or creds.from_environment() is not None
    mode, reason = choose_mode(settings, has_credentials)
    provider = provider_of(given)
    root = os.path.abspath(settings.obs_local_root) if mode == "local" else ""
    key = (os.getpid(), settings, (mode, root, provider))
    with _lock:
        store = _stores.get(key)
        if store is None:
            for stale in [k for k in _stores if k[0] != os.getpid()]:
                del _stores[stale]
            store = _stores[key] = _build(mode, settings, provider)
            logger.info("storage mode %s (%s)", mode, reason)
    return store


def _build(mode: str, settings: Settings, provider: creds.Provider) -> Store:
    if mode == "local":
        return LocalStore(settings.obs_local_root)
    if mode == "moxing":
        from obs_sync.stores.moxing import MoxingStore

        return MoxingStore(settings)
    from obs_sync.stores.sdk.store import SdkStore

    return SdkStore(settings, provider)
