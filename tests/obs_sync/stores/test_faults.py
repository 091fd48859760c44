"""Every fault on every operation: the right bytes or the right error, in time, and nothing partial under a final name.

The table in docs/storage.md is the result of this file: set OBS_FAULT_TABLE to a path to have it written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from obs_sync import Integrity, ObsFileSystem, Transient
from obs_sync.atomic import reserve
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.object_store import ObjectStore, free_ports
from tests.obs_sync.conftest import BUCKET
from tests.obs_sync.stores.faults import (
    BIG,
    CASES,
    ERROR_BODY,
    LIMIT_S,
    OPERATIONS,
    PART,
    REQUEST,
    SMALL,
    Fault,
    Work,
    as_markdown,
)


def options(store: ObjectStore, port: int, **more: Any) -> dict[str, Any]:
    """Settings with short times and small parts, so that the tests are quick."""
    small = {"timeout_s": 0.8, "deadline_s": 3.0, "max_attempts": 3, "backoff_s": 0.02, "threads": 4}
    return {**store.options(port), **small, "multipart_from": 2 * PART, "part_size": PART, **more}


@pytest.fixture(scope="module")
def proxy(store: ObjectStore) -> Iterator[FaultProxy]:
    """One proxy in front of the store for all tests here."""
    with FaultProxy(store.port) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(proxy: FaultProxy) -> Iterator[None]:
    """Each test begins and ends without faults."""
    proxy.clear()
    yield
    proxy.clear()


@pytest.fixture
def broken(store: ObjectStore, proxy: FaultProxy) -> ObsFileSystem:
    """The filesystem behind the proxy."""
    return obs_sync.filesystem("obs", **options(store, proxy.port))


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], str]]:
    """What each fault ended in, written as a table at the end if asked for."""
    results: dict[tuple[str, str], str] = {}
    yield results
    path = os.environ.get("OBS_FAULT_TABLE")
    if path:
        Path(path).write_text(as_markdown(results), encoding="utf-8")


@pytest.mark.parametrize(("fault", "operation"), CASES, ids=[f"{fault.name}-{op}" for fault, op in CASES])
def test_fault(
    fault: Fault,
    operation: str,
    proxy: FaultProxy,
    broken: ObsFileSystem,
    obs_mode: ObsFileSystem,
    store: ObjectStore,
    base: str,
    tmp_path: Path,
    table: dict[tuple[str, str], str],
) -> None:
    if not store.is_real and fault.kind in ("corrupt_send", "replace", "swallow"):
        pytest.skip("moto does not check what it is sent")
    work = Work(operation, obs_mode, base, tmp_path / "work")
    fs = broken
    if fault.kind == "refused":
        fs = obs_sync.filesystem("obs", **options(store, free_ports(1)[0]))
    else:
        rule = proxy.add(fault.kind, REQUEST[operation], times=fault.times, **fault.options)
    begin = time.monotonic()
    if fault.expected is None:
        work.run(fs)
        assert work.is_right()
    else:
        with pytest.raises(fault.expected) as caught:
            work.run(fs)
        assert "obs://" in str(caught.value)
        assert "obssk" not in str(caught.value)
        assert work.is_absent_or_right()
    seconds = time.monotonic() - begin
    assert fault.kind == "refused" or rule.hits > 0
    assert seconds < LIMIT_S
    if not isinstance(fault.expected, type) or fault.expected is not Transient:
        assert work.leftovers() == []
    proxy.clear()
    work.run(broken)
    assert work.is_right()
    assert work.leftovers() == []
    outcome = "right bytes" if fault.expected is None else fault.expected.__name__
    table[fault.name, operation] = f"{outcome}, {seconds:.1f} s"


@pytest.mark.parametrize("kind", ["replace", "reset_after", "reset_before", "status"])
def test_completing_an_upload_fails_once(
    kind: str, proxy: FaultProxy, broken: ObsFileSystem, obs_mode: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    work = Work("upload in parts", obs_mode, base, tmp_path / "work")
    rule = proxy.add(kind, r"^POST .*uploadId=", arg=ERROR_BODY if kind == "replace" else None)
    work.run(broken)
    assert rule.hits == 1
    assert work.is_right()
    assert sum("partNumber" in line for line in proxy.log) == 3


def test_completing_an_upload_fails_for_ever(
    proxy: FaultProxy, broken: ObsFileSystem, obs_mode: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    work = Work("upload in parts", obs_mode, base, tmp_path / "work")
    proxy.add("replace", r"^POST .*uploadId=", times=None, arg=ERROR_BODY)
    with pytest.raises(Transient):
        work.run(broken)
    assert not obs_mode.exists(work.url)
    proxy.clear()
    work.run(broken)
    assert work.is_right()
    assert [line for line in proxy.log if line.startswith("PUT")] == []  # all parts were there already
    assert [line for line in proxy.log if line.endswith("uploads")] == []


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["blackhole", "status", "reset_after"])
def test_store_goes_down_in_the_middle(
    kind: str,
    operation: str,
    proxy: FaultProxy,
    broken: ObsFileSystem,
    obs_mode: ObsFileSystem,
    base: str,
    tmp_path: Path,
) -> None:
    work = Work(operation, obs_mode, base, tmp_path / "work")
    proxy.add(kind, "", times=None, skip=0 if operation == "list" else 1)
    begin = time.monotonic()
    with pytest.raises(Transient):
        work.run(broken)
    assert time.monotonic() - begin < LIMIT_S
    proxy.clear()
    assert work.is_absent_or_right()
    work.run(broken)
    assert work.is_right()


@pytest.mark.parametrize("kind", ["replace", "reset_after", "status"])
def test_copy_in_the_store(kind: str, proxy: FaultProxy, broken: ObsFileSystem, base: str) -> None:
    broken.pipe_file(f"{base}/x", SMALL)
    rule = proxy.add(kind, r"^PUT .*/y$", arg=ERROR_BODY if kind == "replace" else None)
    obs_sync.copy(f"{base}/x", f"{base}/y", filesystem=broken)
    assert rule.hits == 1
    assert broken.cat_file(f"{base}/y") == SMALL
    proxy.clear()
    proxy.add("replace", r"^PUT .*/z$", times=None, arg=ERROR_BODY)
    with pytest.raises(Transient):
        obs_sync.copy(f"{base}/x", f"{base}/z", filesystem=broken)
    proxy.clear()
    assert not broken.exists(f"{base}/z")


def test_object_replaced_during_a_download_is_never_mixed(
    proxy: FaultProxy, broken: ObsFileSystem, obs_mode: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    work = Work("download in ranges", obs_mode, base, tmp_path / "work")
    proxy.add("slow", REQUEST["download in ranges"], times=1, arg=400_000)
    proxy.add("status", REQUEST["download in ranges"], times=1, skip=2)
    info = broken.store.head(*broken.split(work.url))
    other = bytes(len(BIG))
    (tmp_path / "other").write_bytes(other)
    obs_sync.copy(str(tmp_path / "other"), work.url, filesystem=obs_mode)
    with pytest.raises(Integrity):
        broken.store.download(BUCKET, info, str(work.local))
    assert not work.local.exists()
    obs_sync.copy(work.url, str(work.local), filesystem=broken)
    assert work.local.read_bytes() == other


def test_one_bad_file_of_many_is_named_and_the_rest_arrives(
    proxy: FaultProxy, broken: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / f"{number}.bin").write_bytes(bytes([number]) * 100)
    proxy.add("status", r"^PUT .*/3\.bin$", times=None, arg=403)
    with pytest.raises(obs_sync.Incomplete, match=r"3\.bin") as caught:
        obs_sync.copy(str(tmp_path / "in"), base, filesystem=broken)
    result = caught.value.result
    assert result is not None
    assert (len(result.copied), list(result.failed), result.listed) == (7, ["3.bin"], 8)
    proxy.clear()
    again = obs_sync.copy(str(tmp_path / "in"), base, filesystem=broken)
    assert (again.copied, len(again.skipped)) == (["3.bin"], 7)


def test_absent_after_success_in_a_folder(proxy: FaultProxy, broken: ObsFileSystem, base: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / f"{number}.bin").write_bytes(bytes([number]) * 100)
    proxy.add("swallow", r"^PUT .*/5\.bin$", times=1)
    obs_sync.copy(str(tmp_path / "in"), f"{base}/once", filesystem=broken)
    assert len(broken.find(f"{base}/once")) == 8
    proxy.add("swallow", r"^PUT .*/6\.bin$", times=None)
    with pytest.raises(obs_sync.Incomplete, match="no such object"):
        obs_sync.copy(str(tmp_path / "in"), f"{base}/ever", filesystem=broken)


def test_reserving_keeps_what_is_there(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as handle:
        handle.write(b"abc")
        handle.flush()
        reserve(handle, 1, 9000)
        assert (tmp_path / "file").read_bytes()[:3] == b"abc"


def test_disk_full_in_ranges(broken: ObsFileSystem, obs_mode: ObsFileSystem, base: str, tmp_path: Path) -> None:
    import resource

    work = Work("download in ranges", obs_mode, base, tmp_path / "work")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PART, hard))
    try:
        with pytest.raises(obs_sync.LocalProblem, match="disk"):
            work.run(broken)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not work.local.exists()
    assert work.leftovers() == []
