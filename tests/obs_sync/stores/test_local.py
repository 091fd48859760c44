"""What is special to local mode: plain files, links, empty folders, kill -9, names of no cloud."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from obs_sync import AccessDenied, NotFound, ObsFileSystem
from obs_sync.atomic import is_part
from tests.obs_sync.conftest import BUCKET


@pytest.fixture
def bucket(tmp_path: Path, local_mode: ObsFileSystem) -> Path:
    """The folder that stands for the bucket."""
    return tmp_path / "obs_root" / BUCKET


def test_objects_are_plain_files(local_mode: ObsFileSystem, bucket: Path) -> None:
    local_mode.pipe_file(f"obs://{BUCKET}/a/b.txt", b"x")
    assert (bucket / "a" / "b.txt").read_bytes() == b"x"
    (bucket / "a" / "c.txt").write_bytes(b"by hand")
    assert local_mode.cat_file(f"obs://{BUCKET}/a/c.txt") == b"by hand"
    assert local_mode.find(f"obs://{BUCKET}/a") == [f"{BUCKET}/a/b.txt", f"{BUCKET}/a/c.txt"]


def test_default_root_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "obs_root" / "bucket").mkdir(parents=True)
    fs = obs_sync.filesystem("auto")
    assert fs.storage_mode == "local"
    fs.pipe_file("obs://bucket/x", b"x")
    assert (tmp_path / "obs_root" / "bucket" / "x").read_bytes() == b"x"


def test_missing_bucket_says_how_to_make_it(tmp_path: Path) -> None:
    fs = obs_sync.filesystem("local", obs_local_root=str(tmp_path / "none"))
    with pytest.raises(NotFound, match="mkdir -p"):
        fs.pipe_file("obs://bucket/x", b"x")
    assert fs.ls("") == []
    assert not (tmp_path / "none").exists()


def test_empty_folders_and_leftovers_are_not_listed(local_mode: ObsFileSystem, bucket: Path) -> None:
    (bucket / "empty" / "deep").mkdir(parents=True)
    (bucket / ".obs_sync-1234.part").write_bytes(b"half")
    (bucket / ".obs_sync" / "tmp").mkdir(parents=True)
    (bucket / ".obs_sync" / "tmp" / "half").write_bytes(b"half")
    assert local_mode.ls(BUCKET) == []
    assert local_mode.find(BUCKET) == []
    assert is_part(".obs_sync-1234.part")


def test_links_are_read_but_never_written_through(local_mode: ObsFileSystem, bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "x").write_bytes(b"mine")
    (bucket / "linked").symlink_to(data)
    (bucket / "loop").symlink_to(bucket)
    assert local_mode.find(BUCKET) == [f"{BUCKET}/linked/x"]
    assert local_mode.cat_file(f"{BUCKET}/linked/x") == b"mine"
    for call in (
        lambda: local_mode.pipe_file(f"{BUCKET}/linked/x", b"changed"),
        lambda: local_mode.pipe_file(f"{BUCKET}/linked/new", b"new"),
        lambda: local_mode.rm_file(f"{BUCKET}/linked/x"),
    ):
        with pytest.raises(AccessDenied, match="link"):
            call()
    assert [path.name for path in data.iterdir()] == ["x"]
    assert (data / "x").read_bytes() == b"mine"


def test_names_that_no_store_could_hold_are_left_out(
    local_mode: ObsFileSystem, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bucket / "good").write_bytes(b"x")
    with open(os.fsencode(str(bucket)) + b"/bad\xff", "wb"):
        pass
    assert local_mode.find(BUCKET) == [f"{BUCKET}/good"]
    assert "UTF-8" in caplog.text


def test_removal_takes_empty_folders_but_not_the_bucket(local_mode: ObsFileSystem, bucket: Path) -> None:
    local_mode.pipe_file(f"{BUCKET}/a/b/c", b"x")
    local_mode.rm_file(f"{BUCKET}/a/b/c")
    assert bucket.is_dir()
    assert not (bucket / "a").exists()


def test_writing_while_the_folder_is_removed(local_mode: ObsFileSystem) -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            local_mode.pipe_file(f"{BUCKET}/deep/er/other", b"")
            local_mode.rm_file(f"{BUCKET}/deep/er/other")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for number in range(200):
            local_mode.pipe_file(f"{BUCKET}/deep/er/{number % 3}", b"%d" % number)
            local_mode.rm_file(f"{BUCKET}/deep/er/{number % 3}")
    finally:
        stop.set()
        thread.join()


WRITER = """
import sys, obs_sync
fs = obs_sync.filesystem("local", obs_local_root=sys.argv[1])
number = 0
while True:
    number += 1
    fs.pipe_file("obs://contract/x", bytes([number % 250]) * 3_000_000)
"""


def test_kill_9_leaves_a_whole_object(local_mode: ObsFileSystem, bucket: Path, root: Path) -> None:
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(bucket.parent)], cwd=root)
        end = time.monotonic() + 20
        while not (bucket / "x").exists() and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.1)
        writer.kill()
        writer.wait()
        data = local_mode.cat_file(f"{BUCKET}/x")
        assert len(data) == 3_000_000
        assert len(set(data)) == 1
        assert local_mode.find(BUCKET) == [f"{BUCKET}/x"]


def test_a_disk_mounted_inside_the_bucket(
    local_mode: ObsFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = f"{os.path.join(str(tmp_path), 'obs_root', BUCKET, 'mounted')}{os.sep}"

    def across_disks(original: Any) -> Any:
        def call(source: str, target: str, **options: Any) -> None:
            if str(source).startswith(mounted) != str(target).startswith(mounted):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
            original(source, target, **options)

        return call

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, across_disks(getattr(os, name)))
    local_mode.pipe_file(f"{BUCKET}/mounted/x", b"1")
    local_mode.pipe_file(f"{BUCKET}/mounted/x", b"22")
    local_mode.pipe_file(f"{BUCKET}/mounted/y", b"3", mode="create")
    with pytest.raises(obs_sync.AlreadyExists):
        local_mode.pipe_file(f"{BUCKET}/mounted/y", b"4", mode="create")
    assert [local_mode.cat_file(f"{BUCKET}/mounted/{name}") for name in "xy"] == [b"22", b"3"]
    assert sorted(os.listdir(mounted)) == ["x", "y"]
    assert os.listdir(tmp_path / "obs_root" / BUCKET / ".obs_sync" / "tmp") == []


def test_creation_without_hard_links(local_mode: ObsFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: str, _target: str) -> None:
        raise OSError(errno.EPERM, "no hard links here", source)

    monkeypatch.setattr(os, "link", no_links)
    local_mode.pipe_file(f"{BUCKET}/x", b"1", mode="create")
    with pytest.raises(obs_sync.AlreadyExists):
        local_mode.pipe_file(f"{BUCKET}/x", b"2", mode="create")
    assert local_mode.cat_file(f"{BUCKET}/x") == b"1"
