"""Copies of files and folders in every direction, over all modes: complete, exact, contained, and never silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import obs_sync
from obs_sync import ObsFileSystem, Progress
from obs_sync.transfer import plan
from obs_sync.transfer.endpoints import File, StoreEndpoint
from tests.obs_sync.conftest import BUCKET, drop_bucket, make_bucket, recognizes_copies
from tests.obs_sync.transfer.trees import TREE, make_tree, objects_of, tree_of


def test_folder_up_across_and_down(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in")
    up = obs_sync.copy(str(source), f"{base}/data", filesystem=any_fs)
    assert sorted(up.copied) == sorted(TREE)
    assert (up.listed, up.copied_bytes) == (len(TREE), sum(map(len, TREE.values())))
    assert objects_of(any_fs, f"{base}/data") == TREE
    obs_sync.copy(f"{base}/data", f"{base}/twin", filesystem=any_fs)
    assert objects_of(any_fs, f"{base}/twin") == TREE
    obs_sync.copy(f"{base}/twin", str(tmp_path / "out"), filesystem=any_fs)
    assert tree_of(tmp_path / "out") == TREE
    assert tree_of(source) == TREE


def test_between_buckets_and_s3_synonym(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    make_bucket(fs, "contract-other")
    obs_sync.copy(str(make_tree(tmp_path / "in")), f"{base}/data".replace("obs://", "s3://"), filesystem=fs)
    result = obs_sync.copy(f"{base}/data/", "obs://contract-other/x", filesystem=fs)
    assert len(result.copied) == len(TREE)
    assert objects_of(fs, "obs://contract-other/x") == TREE
    drop_bucket(fs, "contract-other")


def test_local_to_local(fs: ObsFileSystem, tmp_path: Path) -> None:
    obs_sync.copy(str(make_tree(tmp_path / "in")), str(tmp_path / "out"), filesystem=fs)
    assert tree_of(tmp_path / "out") == TREE


def test_second_copy_moves_nothing(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in")
    for src, dst in ((str(source), f"{base}/d"), (f"{base}/d", f"{base}/e"), (f"{base}/e", str(tmp_path / "out"))):
        first = obs_sync.copy(src, dst, filesystem=any_fs)
        again = obs_sync.copy(src, dst, filesystem=any_fs)
        assert len(first.copied) == len(TREE)
        assert again.listed == len(TREE)
        if recognizes_copies(any_fs):
            assert again.copied == []
            assert set(again.skipped.values()) == {"identical"}


def test_change_of_the_same_size_is_noticed(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in")
    obs_sync.copy(str(source), f"{base}/d", filesystem=any_fs)
    obs_sync.copy(f"{base}/d", str(tmp_path / "out"), filesystem=any_fs)
    stat = os.stat(source / "a.txt")
    (source / "a.txt").write_bytes(b"ALPHA")
    os.utime(source / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    copied = obs_sync.copy(str(source), f"{base}/d", filesystem=any_fs).copied
    assert "a.txt" in copied
    assert len(copied) == 1 or not recognizes_copies(any_fs)
    assert "a.txt" in obs_sync.copy(f"{base}/d", str(tmp_path / "out"), filesystem=any_fs).copied
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"ALPHA"
    (tmp_path / "out" / "b" / "c.jpg").write_bytes(b"\x00" * 1400)
    assert "b/c.jpg" in obs_sync.copy(f"{base}/d", str(tmp_path / "out"), filesystem=any_fs).copied
    assert tree_of(tmp_path / "out") == tree_of(source)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.txt"], [], {"a.txt", "b/d/e.txt", "ünï 文件.txt"}),
        (["b/*"], ["*.jpg"], {"b/d/e.txt", "b/.hidden"}),
        ([], ["b/*"], {"a.txt", "ünï 文件.txt"}),
        (["no*"], [], set()),
    ],
)
def test_patterns(
    fs: ObsFileSystem, base: str, tmp_path: Path, include: list[str], exclude: list[str], expected: set[str]
) -> None:
    result = obs_sync.copy(str(make_tree(tmp_path / "in")), base, filesystem=fs, include=include, exclude=exclude)
    assert set(result.copied) == expected
    assert set(objects_of(fs, base)) == expected


@pytest.mark.parametrize("count", [3, 60])
def test_only_the_named_files(fs: ObsFileSystem, base: str, tmp_path: Path, count: int) -> None:
    obs_sync.copy(str(make_tree(tmp_path / "in", {f"{n}.bin": b"%d" % n for n in range(70)})), base, filesystem=fs)
    names = [f"{n}.bin" for n in range(count)]
    result = obs_sync.copy(base, str(tmp_path / "out"), filesystem=fs, names=names)
    assert sorted(result.copied) == sorted(names)
    assert set(tree_of(tmp_path / "out")) == set(names)
    with pytest.raises(obs_sync.Incomplete, match=r"gone\.bin") as caught:
        obs_sync.copy(base, str(tmp_path / "out2"), filesystem=fs, names=[*names, "gone.bin"])
    result = caught.value.result
    assert result is not None
    assert result.listed == len(result.copied) + len(result.skipped) + len(result.failed) == count + 1


def test_dry_run_moves_nothing(any_fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    result = obs_sync.copy(str(make_tree(tmp_path / "in")), base, filesystem=any_fs, dry_run=True)
    assert sorted(result.copied) == sorted(TREE)
    assert result.dry_run
    assert any_fs.find(base) == []


def test_progress_ends_at_the_total(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    source = make_tree(tmp_path / "in")
    obs_sync.copy(str(source), base, filesystem=fs, progress=seen.append)
    obs_sync.copy(base, str(tmp_path / "out"), filesystem=fs, progress=seen.append)
    total = sum(map(len, TREE.values()))
    assert seen[-1] == Progress(len(TREE), len(TREE), total, total)
    assert all(before.bytes_done <= after.bytes_done for before, after in zip(seen, seen[1:]) if after.files_done)


def test_single_file_targets(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    file = tmp_path / "f.ckpt"
    file.write_bytes(b"weights")
    obs_sync.copy(str(file), f"{base}/exact.ckpt", filesystem=fs)
    obs_sync.copy(str(file), f"{base}/folder/", filesystem=fs)
    assert objects_of(fs, base) == {"exact.ckpt": b"weights", "folder/f.ckpt": b"weights"}
    (tmp_path / "have").mkdir()
    obs_sync.copy(f"{base}/exact.ckpt", str(tmp_path / "have"), filesystem=fs)
    obs_sync.copy(f"{base}/exact.ckpt", str(tmp_path / "new" / "name"), filesystem=fs)
    obs_sync.copy(f"{base}/exact.ckpt", str(tmp_path / "slash") + "/", filesystem=fs)
    assert (tmp_path / "have" / "exact.ckpt").read_bytes() == b"weights"
    assert (tmp_path / "new" / "name").read_bytes() == b"weights"
    assert (tmp_path / "slash" / "exact.ckpt").read_bytes() == b"weights"
    assert obs_sync.copy(str(file), f"{base}/exact.ckpt", filesystem=fs).skipped == {"": "identical"}


def test_file_rights_follow_the_umask(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    fs.pipe_file(f"{base}/x", b"x")
    obs_sync.copy(f"{base}/x", str(tmp_path / "x"), filesystem=fs)
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("source", ["missing", "empty/"])
def test_nothing_to_copy_is_an_error(fs: ObsFileSystem, base: str, tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    for src, dst in ((str(tmp_path / source), base), (f"{base}/{source}", str(tmp_path / "out"))):
        with pytest.raises(obs_sync.NotFound):
            obs_sync.copy(src, dst, filesystem=fs)


def test_overlapping_places_are_refused(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in")
    obs_sync.copy(str(source), f"{base}/d", filesystem=fs)
    for src, dst in (
        (f"{base}/d", f"{base}/d/"),
        (f"{base}/d", f"{base}/d/deeper"),
        (f"{base}/d", base),
        (str(source), str(source / "b")),
        (f"{base}/d/a.txt", f"{base}/d/a.txt"),
    ):
        with pytest.raises(obs_sync.InvalidRequest):
            obs_sync.copy(src, dst, filesystem=fs)
    assert objects_of(fs, f"{base}/d") == TREE
    assert tree_of(source) == TREE


def test_named_files_may_go_into_a_folder_of_their_own_source(tmp_path: Path) -> None:
    """A checkout's code goes into the folder that stands in for OBS, which lies in the checkout."""
    checkout = make_tree(tmp_path / "checkout")
    fs = ObsFileSystem(storage_mode="local", obs_local_root=str(checkout / "obs_root"))
    fs.mkdir("obs://bucket")
    for target in ("obs://bucket/code/", f"{checkout / 'work' / 'code'}/"):
        result = obs_sync.copy(f"{checkout}/", target, filesystem=fs, names=sorted(TREE))
        assert sorted(result.copied) == sorted(TREE)
    assert objects_of(fs, "obs://bucket/code") == tree_of(checkout / "work" / "code") == TREE
    with pytest.raises(obs_sync.InvalidRequest):  # this would put b/x onto the b/b/x of the list
        obs_sync.copy(f"{checkout}/", f"{checkout / 'b'}/", filesystem=fs, names=["b/x", "b/b/x"])


def test_swapped_directions_are_refused(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "in")
    for call, args in ((obs_sync.upload, (base, str(source))), (obs_sync.download, (str(source), base))):
        with pytest.raises(obs_sync.InvalidRequest):
            call(*args, filesystem=fs)
    assert tree_of(source) == TREE


def test_unreadable_target_is_reported(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    fs.pipe_file(f"{base}/x", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(obs_sync.ObsSyncError):
        obs_sync.copy(f"{base}/x", str(tmp_path / "file" / "below"), filesystem=fs)
    with pytest.raises(obs_sync.InvalidRequest):
        obs_sync.copy(base, str(tmp_path / "file"), filesystem=fs)


def test_disk_full_leaves_nothing_behind(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    import resource

    fs.pipe_file(f"{base}/big", b"x" * 300_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(obs_sync.LocalProblem, match="disk"):
            obs_sync.copy(f"{base}/big", str(tmp_path / "out" / "big"), filesystem=fs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree_of(tmp_path / "out") == {}


def test_second_local_copy_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = make_tree(tmp_path / "in"), tmp_path / "out"
    obs_sync.copy(str(source), str(target))
    with monkeypatch.context() as patched:
        patched.setattr("obs_sync.transfer.compare._equal", lambda *_: pytest.fail("a file was read"))
        assert len(obs_sync.copy(str(source), str(target)).skipped) == len(TREE)
    stat = os.stat(target / "a.txt")
    (target / "a.txt").write_bytes(b"ALPHA")
    os.utime(target / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert obs_sync.copy(str(source), str(target)).copied == ["a.txt"]


def test_looking_for_a_few_files_does_not_grow_with_the_folder(
    local_mode: ObsFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, many = f"obs://{BUCKET}/many", {f"{number:02d}.txt": b"old" for number in range(40)}
    obs_sync.copy(str(make_tree(tmp_path / "in", many)), url, filesystem=local_mode)
    monkeypatch.setattr(plan, "_KEYS_PER_PAGE", 10)
    seen: list[str] = []
    below, named = StoreEndpoint.below, StoreEndpoint.named

    def listed(self: StoreEndpoint) -> Iterator[File]:
        for file in below(self):
            seen.append("listed")
            yield file

    def looked_up(self: StoreEndpoint, name: str) -> File:
        seen.append("looked up")
        return named(self, name)

    monkeypatch.setattr(StoreEndpoint, "below", listed)
    monkeypatch.setattr(StoreEndpoint, "named", looked_up)
    make_tree(tmp_path / "in", {"35.txt": b"new"})
    few = [f"{number:02d}.txt" for number in range(30, 38)]
    result = obs_sync.copy(str(tmp_path / "in"), url, filesystem=local_mode, names=few)
    assert result.copied == ["35.txt"]
    assert (seen.count("listed"), seen.count("looked up")) == (11, len(few))
    seen.clear()
    assert obs_sync.copy(str(tmp_path / "in"), url, filesystem=local_mode, names=few * 3 + list(many)).copied == []
    assert (seen.count("listed"), seen.count("looked up")) == (21, 40)
    monkeypatch.setattr(plan, "_KEYS_PER_PAGE", 1000)
    seen.clear()
    assert obs_sync.copy(str(tmp_path / "in"), url, filesystem=local_mode, names=few).copied == []
    assert (seen.count("listed"), seen.count("looked up")) == (40, 0)
