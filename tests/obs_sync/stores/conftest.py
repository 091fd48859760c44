"""A gateway of a test's own before the real store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import obs_sync
from obs_sync import ObsFileSystem
from tests.fakes.gateway import Gateway
from tests.fakes.object_store import ObjectStore

QUICK = {"timeout_s": 5.0, "deadline_s": 10.0, "max_attempts": 2, "backoff_s": 0.02}


@pytest.fixture
def real_store(store: ObjectStore) -> None:
    """For tests that look at what only the real store checks."""
    if not store.is_real:
        pytest.skip("needs Ceph: bash tests/fakes/install_store.sh")


@pytest.fixture
def gateway(store: ObjectStore) -> Iterator[Gateway]:
    """A gateway of this test alone, whose keys and clock can be changed."""
    with Gateway(("127.0.0.1", store.upstream)) as running:
        yield running


def through(gateway: Gateway, **more: Any) -> ObsFileSystem:
    """A filesystem that speaks to that gateway."""
    settings = {"endpoint": f"http://obs.localhost:{gateway.port}", "path_style": True, **QUICK, **more}
    if "credentials" not in more:
        settings.setdefault("access_key_id", "obsak")
        settings.setdefault("secret_access_key", "obssk")
    return obs_sync.filesystem("obs", **settings)
