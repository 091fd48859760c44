"""Copying a list of names: in their order, with names that somebody waits for first, and missing ones told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

import obs_sync
from obs_sync.places import File
from obs_sync.plan import in_order


def names(files: list[File], asked: list[list[str]]) -> list[str]:
    """The order in which files are begun when the n-th look at the wishes shows the n-th list."""
    wishes = iter(asked)
    return [file.name for file in in_order(files, lambda: next(wishes, []))]


FILES = [File(name, 1) for name in "abcdef"]


def test_without_wishes_the_order_stays() -> None:
    assert names(FILES, []) == list("abcdef")


def test_a_wish_goes_first_and_nothing_is_copied_twice() -> None:
    assert names(FILES, [[], ["e", "c"]]) == list("aecbdf")


def test_wishes_for_what_is_done_or_unknown_change_nothing() -> None:
    assert names(FILES, [["a", "x"], ["a"], ["x"]]) == list("abcdef")


def test_a_lasting_wish_does_not_stop_the_rest() -> None:
    assert [file.name for file in in_order(FILES, lambda: ["b"])] == list("bacdef")


@pytest.mark.parametrize("count", [3, 40])  # one request a name, one listing
def test_missing_names_are_told_apart_from_other_failures(tmp_path: Path, count: int) -> None:
    fs = obs_sync.filesystem(storage_mode="local", obs_local_root=str(tmp_path / "root"))
    for number in range(count):
        path = tmp_path / "root" / "bucket" / "data" / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (path.parent / "out").mkdir()
    (path.parent / "out" / "there.jpg").write_bytes(b"x")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "out").symlink_to(tmp_path)
    wanted = [f"{number:02d}.jpg" for number in range(count)] + ["gone.jpg", "out/there.jpg"]
    with pytest.raises(obs_sync.Incomplete) as caught:
        obs_sync.copy("obs://bucket/data/", str(tmp_path / "here"), names=wanted, filesystem=fs)
    result = caught.value.result
    assert result is not None
    assert len(result.copied) == count
    assert set(result.failed) == {"gone.jpg", "out/there.jpg"}
    assert result.missing == ["gone.jpg"]
