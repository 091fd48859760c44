"""Background uploads: order, bounds, retries, deadlines, and an honest account."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from obs_sync import ObsFileSystem, Transient, Uploader
from obs_sync.stores.base import ObjectInfo
from tests.obs_sync.conftest import BUCKET


class Gate:
    """Lets uploads through one by one, or fails them, by url."""

    def __init__(self, fs: ObsFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.open = threading.Event()
        self.open.set()
        original = fs.store.upload

        def upload(path: str, bucket: str, key: str, *rest: Any) -> ObjectInfo:
            self.open.wait(10)
            self.order.append(key)
            if key in self.failing:
                raise self.failing[key]
            return original(path, bucket, key, *rest)

        monkeypatch.setattr(fs.store, "upload", upload)


@pytest.fixture
def gate(local_mode: ObsFileSystem, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(local_mode, monkeypatch)


def make(tmp_path: Path, name: str) -> tuple[str, str]:
    """A file to upload and its url."""
    (tmp_path / name).write_text(name)
    return str(tmp_path / name), f"obs://{BUCKET}/{name}"


def test_all_modes(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    uploader = Uploader(fs)
    (tmp_path / "f").write_bytes(b"x" * 1000)
    assert uploader.submit((str(tmp_path / "f"), f"{base}/f"))
    assert uploader.drain(20) == {}
    assert fs.cat_file(f"{base}/f") == b"x" * 1000
    uploader.close()


def test_files_of_one_upload_arrive_in_order(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    uploader, done = Uploader(local_mode), []
    uploader.submit(make(tmp_path, "data"), make(tmp_path, "manifest"), on_done=lambda: done.append(list(gate.order)))
    uploader.submit(make(tmp_path, "next"))
    assert uploader.drain(10) == {}
    assert gate.order == ["data", "manifest", "next"]
    assert done == [["data", "manifest"]]
    assert uploader.waiting == 0


def test_manifest_waits_for_its_data(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    gate.failing["data"] = Transient("no")
    uploader = Uploader(local_mode, retry_s=0.01)
    uploader.submit(make(tmp_path, "data"), make(tmp_path, "manifest"))
    lost = uploader.drain(0.3)
    assert "no" in lost[f"obs://{BUCKET}/manifest"]
    assert str(tmp_path / "data") in lost[f"obs://{BUCKET}/manifest"]
    assert "manifest" not in gate.order
    assert gate.order.count("data") > 1
    gate.failing.clear()
    assert uploader.drain(10) == {}
    assert local_mode.exists(f"obs://{BUCKET}/manifest")


def test_a_failing_upload_does_not_block_the_next(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    gate.failing["bad"] = Transient("store is down")
    uploader = Uploader(local_mode, retry_s=30)
    uploader.submit(make(tmp_path, "bad"))
    uploader.submit(make(tmp_path, "good"))
    end = time.monotonic() + 10
    while not local_mode.exists(f"obs://{BUCKET}/good") and time.monotonic() < end:
        time.sleep(0.01)
    assert local_mode.exists(f"obs://{BUCKET}/good")
    assert list(uploader.failures) == [f"obs://{BUCKET}/bad"]
    uploader.close()


def test_queue_is_bounded(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    gate.open.clear()
    uploader = Uploader(local_mode, max_waiting=2)
    assert uploader.submit(make(tmp_path, "1"))
    assert uploader.submit(make(tmp_path, "2"))
    assert not uploader.submit(make(tmp_path, "3"), wait_s=0.05)
    assert uploader.waiting == 2
    gate.open.set()
    assert uploader.submit(make(tmp_path, "3"), wait_s=10)
    assert uploader.drain(10) == {}
    assert gate.order == ["1", "2", "3"]


def test_gives_up_in_the_end_and_says_so(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    gate.failing["bad"] = Transient("store is down")
    uploader = Uploader(local_mode, retry_s=0.02, give_up_s=0.1, max_waiting=1)
    uploader.submit(make(tmp_path, "bad"))
    assert uploader.submit(make(tmp_path, "good"), wait_s=10), "what is given up must not block the queue for ever"
    assert list(uploader.drain(10)) == [f"obs://{BUCKET}/bad"]


def test_hopeless_upload_is_not_tried_again(local_mode: ObsFileSystem, tmp_path: Path) -> None:
    uploader = Uploader(local_mode, retry_s=0.01)
    uploader.submit((str(tmp_path / "x"), "obs://Bad_Bucket/x"))
    assert list(uploader.drain(10)) == ["obs://Bad_Bucket/x"]


def test_drain_keeps_its_deadline(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    gate.open.clear()
    uploader = Uploader(local_mode)
    uploader.submit(make(tmp_path, "slow"))
    begin = time.monotonic()
    assert list(uploader.drain(0.2)) == [f"obs://{BUCKET}/slow"]
    assert time.monotonic() - begin < 5
    gate.open.set()


def test_nothing_starts_at_import() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("obs_sync-0")]
    assert callable(obs_sync.Uploader)


def test_a_waiting_upload_can_be_withdrawn(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    obs_sync.configure(storage_mode="local", obs_local_root=str(tmp_path / "root"))  # no such bucket: uploads fail
    uploader = obs_sync.Uploader(retry_s=30)
    try:
        for name in ("first", "second"):
            assert uploader.submit((str(tmp_path / name), f"obs://absent/{name}"))
        deadline = time.monotonic() + 10
        while len(uploader.failures) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert uploader.withdraw("obs://absent/first")
        assert not uploader.withdraw("obs://absent/first")
        assert list(uploader.failures) == ["obs://absent/second"]
    finally:
        uploader.close()


def test_file_that_vanished_is_given_up_at_once(local_mode: ObsFileSystem, gate: Gate, tmp_path: Path) -> None:
    uploader = Uploader(local_mode, retry_s=3600.0)
    files = make(tmp_path, "gone")
    (tmp_path / "gone").unlink()
    uploader.submit(files)
    lost = uploader.drain(30)
    assert list(lost) == [files[1]]
    assert str(tmp_path / "gone") in lost[files[1]]
    assert [item.given_up for item in uploader._items] == [True]
    uploader.close()
