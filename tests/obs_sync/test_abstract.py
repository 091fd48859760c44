"""fsspec's own contract for filesystems: copy, get, put, open, pipe."""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable

import fsspec.tests.abstract as abstract
import pytest

from obs_sync import ObsFileSystem
from tests.obs_sync.conftest import BUCKET, MODES


class Fixtures(abstract.AbstractFixtures):
    """What the suites need to know of the filesystem under test."""

    @pytest.fixture(params=MODES)
    def fs(self, request: pytest.FixtureRequest) -> ObsFileSystem:
        return request.getfixturevalue(f"{request.param}_mode")

    @pytest.fixture
    def fs_path(self, fs: ObsFileSystem) -> str:
        return f"{BUCKET}/{uuid.uuid4().hex[:8]}"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: posixpath.join(*map(str, parts))

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass
