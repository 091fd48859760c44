"""One filesystem for each storage mode, so that a test written once runs over all of them."""

from __future__ import annotations

import importlib
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import obs_sync
from obs_sync import ObsFileSystem
from tests.fakes.object_store import ObjectStore, resolve_domain_here, running_store
from tests.fakes.quirks import QUIRKS, each_value, pairwise
from tests.fakes.replay import RECORDED, quirks_of, read_report

BUCKET = "contract"
FAKES = Path(__file__).resolve().parents[1] / "fakes"
MODES = ("local", "obs", "moxing")
MOXING_VARIANTS = [*pairwise(QUIRKS), *([quirks_of(read_report(RECORDED))] if "PROBE_JSON" in os.environ else [])]
_QUICK_VARIANTS = each_value(MOXING_VARIANTS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the quick run leaves out: most variants of moxing, and patterns where the code of all modes is one."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or Path(__file__).parent not in item.path.parents:
            continue
        variant = callspec.params.get("any_fs")
        is_pattern = "glob_edge_cases" in item.name and callspec.params.get("fs") != "local"
        if is_pattern or (isinstance(variant, int) and MOXING_VARIANTS[variant] not in _QUICK_VARIANTS):
            item.add_marker("variants")


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of another or of the user's environment."""
    for name in ("OBS_STORAGE_MODE", "OBS_LOCAL_ROOT", "OBS_ENDPOINT", "S3_ENDPOINT", "MA_JOB_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN", "S3_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OBS_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def local_mode(tmp_path: Path) -> ObsFileSystem:
    """Local mode with one bucket."""
    fs = obs_sync.filesystem("local", obs_local_root=str(tmp_path / "obs_root"))
    fs.mkdir(BUCKET)
    return fs


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    """The running object store, with the bucket of the contract tests."""
    resolve_domain_here()
    with running_store() as found:
        if found is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        if not found.is_real:
            warnings.warn("Ceph is not installed: the obs tests run on moto, which checks no signatures", stacklevel=1)
        ObsFileSystem(storage_mode="obs", **found.options()).mkdir(BUCKET)
        yield found


@pytest.fixture
def obs_mode(store: ObjectStore) -> ObsFileSystem:
    """SDK mode on the object store, in OBS's own dialect."""
    return obs_sync.filesystem("obs", timeout_s=10.0, deadline_s=60.0, backoff_s=0.05, **store.options())


@pytest.fixture
def mox(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The file module of a faithful stand-in for the platform's moxing, with the bucket of the contract tests."""
    forget_moxing()
    monkeypatch.setattr(sys, "path", [str(FAKES / "moxing_image"), *sys.path])  # `syspath_prepend` rereads all folders
    module = importlib.import_module("moxing.file")
    module.buckets[BUCKET] = {}
    yield module
    forget_moxing()


def forget_moxing() -> None:
    """Let the next import of moxing begin afresh."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "moxing"]:
        del sys.modules[name]


@pytest.fixture
def moxing_mode(mox: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ObsFileSystem:
    """moxing mode on the stand-in."""
    monkeypatch.setattr("obs_sync.stores.moxing.store.EXCLUSIVE_SETTLE_S", 0.0)
    return obs_sync.filesystem("moxing", backoff_s=0.01, max_attempts=3, deadline_s=20.0)


def recognizes_copies(fs: ObsFileSystem) -> bool:
    """Whether the store tells enough to find unchanged files: not without times in moxing's listings."""
    if fs.storage_mode != "moxing":
        return True
    quirks = sys.modules["moxing.file"].quirks
    return quirks.get("fields") != "none" and quirks.get("listing_time") != "missing"


def make_bucket(fs: ObsFileSystem, name: str) -> None:
    """Create an empty bucket, in moxing mode behind its back."""
    if fs.storage_mode == "moxing":
        sys.modules["moxing.file"].buckets[name] = {}
    else:
        fs.mkdir(name)


def drop_bucket(fs: ObsFileSystem, name: str) -> None:
    """Remove a bucket and all in it."""
    if fs.storage_mode == "moxing":
        del sys.modules["moxing.file"].buckets[name]
        return
    fs.store.delete(name, [info.key for page in fs.store.pages(name) for info in page.objects])
    fs.rmdir(name)


def put_raw(fs: ObsFileSystem, bucket: str, key: str, data: bytes) -> None:
    """Store an object under any key, as another program might have."""
    if fs.storage_mode == "moxing":
        sys.modules["moxing.file"].put(bucket, key, data)
    else:
        fs.store.write(bucket, key, data)


@pytest.fixture(params=MODES)
def mode_fs(request: pytest.FixtureRequest) -> ObsFileSystem:
    """The filesystem of each mode in turn."""
    return request.getfixturevalue(f"{request.param}_mode")


@pytest.fixture
def fs(mode_fs: ObsFileSystem) -> ObsFileSystem:
    """The same; a module may replace it by `any_fs`."""
    return mode_fs


@pytest.fixture(params=[*MODES, *range(1, len(MOXING_VARIANTS))], ids=str)
def any_fs(request: pytest.FixtureRequest) -> ObsFileSystem:
    """The filesystem of each mode in turn, and moxing's in each combination of what its documentation leaves open."""
    if isinstance(request.param, str):
        return request.getfixturevalue(f"{request.param}_mode")
    found = request.getfixturevalue("moxing_mode")
    request.getfixturevalue("mox").quirks.update(MOXING_VARIANTS[request.param])
    return found


@pytest.fixture
def base() -> str:
    """An empty folder of the store for this test alone."""
    return f"obs://{BUCKET}/{uuid.uuid4().hex[:8]}"
