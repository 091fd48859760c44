"""Names and links: nothing leads out of source or target, and what the other side cannot hold fails alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import obs_sync
from obs_sync import ObsFileSystem
from obs_sync.transfer.result import TransferResult
from tests.obs_sync.conftest import BUCKET, drop_bucket, make_bucket, put_raw
from tests.obs_sync.transfer.trees import make_tree, objects_of, tree_of


def test_names_cannot_leave_the_source(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    source = make_tree(tmp_path / "in")
    with pytest.raises(obs_sync.Incomplete, match=r"\.\."):
        obs_sync.copy(str(source), base, filesystem=fs, names=["../secret"])
    assert fs.find(base) == []


@pytest.mark.parametrize(
    "key", ["x/../../escaped", "../escaped", "x\\..\\escaped", "a//b", "/absolute", "x/./y", "p" * 300]
)
def test_keys_that_would_leave_the_target_fail_alone(any_fs: ObsFileSystem, tmp_path: Path, key: str) -> None:
    bucket = "contract-unsafe"
    make_bucket(any_fs, bucket)
    try:
        put_raw(any_fs, bucket, f"top/{key}", b"bad")
        put_raw(any_fs, bucket, "top/good", b"good")
        with pytest.raises(obs_sync.Incomplete) as caught:
            obs_sync.copy(f"obs://{bucket}/top/", str(tmp_path / "box" / "out"), filesystem=any_fs)
        assert caught.value.result is not None
        (failed,) = caught.value.result.failed
        assert key.startswith(failed) if any_fs.storage_mode == "moxing" else failed == key
        assert tree_of(tmp_path / "box") == {"out/good": b"good"}
    finally:
        drop_bucket(any_fs, bucket)


def test_links_do_not_lead_out_of_the_target(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    obs_sync.copy(str(make_tree(tmp_path / "in", {"b/c": b"1", "d": b"2", "e": b"3"})), base, filesystem=fs)
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (outside / "victim").write_bytes(b"safe")
    (out / "b").symlink_to(outside)
    (out / "d").symlink_to(outside / "victim")
    with pytest.raises(obs_sync.Incomplete, match="b/c"):
        obs_sync.copy(base, str(out), filesystem=fs)
    assert tree_of(outside) == {"victim": b"safe"}
    assert (out / "d").read_bytes() == b"2"
    assert (out / "e").read_bytes() == b"3"


def test_strange_local_files(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in", {"good": b"g", "real/x": b"x", "back\\slash": b"b"})
    (source / "link").symlink_to(source / "good")
    (source / "linked").symlink_to(source / "real")
    (source / "loop").symlink_to(source)
    (source / "broken").symlink_to(source / "nowhere")
    (source / ".obs_sync-leftover.part").write_bytes(b"half")
    os.mkfifo(source / "pipe")
    with open(os.fsencode(str(source)) + b"/bad\xff", "wb"):
        pass
    with pytest.raises(obs_sync.Incomplete) as caught:
        obs_sync.copy(str(source), base, filesystem=fs)
    result = caught.value.result
    assert result is not None
    assert set(result.failed) == {"back\\slash", "loop", "broken", "pipe", "bad\udcff"}
    assert objects_of(fs, base) == {"good": b"g", "link": b"g", "linked/x": b"x", "real/x": b"x"}


def test_file_and_folder_of_one_name_do_not_fit_a_disk(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    any_fs.pipe_file(f"{base}/t/a", b"1")
    any_fs.pipe_file(f"{base}/t/a/b", b"2")
    with pytest.raises(obs_sync.Incomplete, match="file and a folder"):
        obs_sync.copy(f"{base}/t", str(tmp_path / "out"), filesystem=any_fs)
    assert tree_of(tmp_path / "out") == {"a/b": b"2"}
    obs_sync.copy(f"{base}/t", f"{base}/u", filesystem=any_fs)
    assert objects_of(any_fs, f"{base}/u") == {"a": b"1", "a/b": b"2"}


def test_folder_markers_are_no_files(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    key = base[len(f"obs://{BUCKET}/") :]
    put_raw(any_fs, BUCKET, f"{key}/", b"")
    put_raw(any_fs, BUCKET, f"{key}/sub/", b"")
    put_raw(any_fs, BUCKET, f"{key}/sub/x", b"x")
    result = obs_sync.copy(base, str(tmp_path / "out"), filesystem=any_fs)
    assert result.copied == ["sub/x"]
    assert set(result.skipped.values()) <= {"folder marker"}
    assert result.listed == 1 + len(result.skipped)
    assert any_fs.ls(base, detail=False) == [f"{base[6:]}/sub"]
    assert obs_sync.list_files(base, filesystem=any_fs) == {"sub/x": 1}


def test_links_that_leave_the_source_are_skipped_and_named(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    make_tree(tmp_path / "secret", {"key": b"private"})
    source = make_tree(tmp_path / "in", {"a": b"1", "real/x": b"x"})
    (source / "passwd").symlink_to(tmp_path / "secret" / "key")
    (source / "folder").symlink_to(tmp_path / "secret")
    (source / "within").symlink_to(source / "real")
    (source / "sibling").symlink_to(tmp_path / "in-other")  # a name that begins alike is still outside
    make_tree(tmp_path / "in-other", {"y": b"y"})
    result = obs_sync.copy(str(source), base, filesystem=fs)
    assert objects_of(fs, base) == {"a": b"1", "real/x": b"x", "within/x": b"x"}
    assert set(result.skipped) == {"passwd", "folder", "sibling"}
    assert "not copied: folder: link to a target outside the source folder" in result.summary()
    assert obs_sync.copy(str(source / "passwd"), f"{base}/named", filesystem=fs).copied == [""]  # asked for by name


def test_names_that_the_target_cannot_hold_are_told_apart(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in", {"good.jpg": b"g", "back\\slash.jpg": b"b"})
    with pytest.raises(obs_sync.Incomplete) as caught:
        obs_sync.copy(str(source), base, names=["good.jpg", "back\\slash.jpg", "gone.jpg"], filesystem=fs)
    result = caught.value.result
    assert result is not None
    assert (result.copied, result.rejected, result.missing) == (["good.jpg"], ["back\\slash.jpg"], ["gone.jpg"])
    assert obs_sync.name_problem("back\\slash.jpg")
    with pytest.raises(obs_sync.InvalidName):
        fs.pipe_file(f"{base}/{'n' * 1100}", b"x")


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "zh_CN.GB18030"])
def test_chinese_names_in_any_locale(tmp_path: Path, root: Path, locale: str) -> None:
    make_tree(tmp_path / "输入", {"图片 一.jpg": b"1"})
    (tmp_path / "root" / "bucket").mkdir(parents=True)
    common = [sys.executable, "-m", "obs_sync", "--storage_mode=local", f"--obs_local_root={tmp_path / 'root'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON", "LANG"))}
    environment["LC_ALL"] = locale
    for command in (["cp", str(tmp_path / "输入"), "obs://bucket/数据"], ["ls", "-r", "obs://bucket/数据"]):
        done = subprocess.run([*common, *command], cwd=root, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "root" / "bucket" / "数据" / "图片 一.jpg").read_bytes() == b"1"


def test_a_summary_leaves_out_what_repeats_and_what_is_nothing() -> None:
    result = TransferResult("obs://b/run/data", "/cache/staged/b/run/data", listed=1200, seconds=2.0)
    result.copied, result.copied_bytes = [str(number) for number in range(1199)], 3_000_000
    result.skipped = {"last": "identical"}
    assert result.summary() == (
        "obs://b/run/data -> /cache/staged/…: copied 1,199 of 1,200 files (3.0 MB) in 2.0 s, 1.5 MB/s; 1 skipped"
    )
    assert TransferResult("a", "obs://b/c").summary() == "a -> obs://b/c: copied 0 of 0 files (0 bytes) in 0.0 s"
