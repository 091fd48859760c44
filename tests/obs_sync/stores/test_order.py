"""Copying a list of names: in their order, in one that changes meanwhile, and missing ones told apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import obs_sync
from obs_sync.transfer.endpoints import File
from obs_sync.transfer.plan import in_order

FILES = [File(name, 1) for name in "abcdef"]


@pytest.mark.parametrize(
    ("order", "expected"), [("", "abcdef"), ("fed", "fedabc"), ("fxf", "fabcde"), ("fedcba", "fedcba")]
)
def test_files_go_as_named_and_each_once(order: str, expected: str) -> None:
    assert [file.name for file in in_order(FILES, order)] == list(expected)


def test_the_order_is_drawn_from_only_when_a_file_is_due() -> None:
    wishes = ["a", "b"]

    def changing() -> Iterator[str]:
        while wishes:
            yield wishes.pop()

    files = in_order(FILES, changing())
    assert next(files).name == "b"
    wishes.append("f")
    assert [file.name for file in files] == list("facde")


def test_an_endless_order_ends_with_the_files() -> None:
    assert [file.name for file in in_order(FILES, itertools.cycle("fedcba"))] == list("fedcba")


def test_a_folder_is_copied_in_the_order_of_the_names(tmp_path: Path) -> None:
    fs = obs_sync.filesystem(storage_mode="local", obs_local_root=str(tmp_path / "root"))
    wanted = [f"{number}.jpg" for number in (5, 1, 4, 0, 3, 2)]
    (tmp_path / "root" / "bucket" / "data").mkdir(parents=True)
    for name in wanted:
        (tmp_path / "root" / "bucket" / "data" / name).write_bytes(name.encode())
    for number, options in enumerate(({"names": wanted}, {"order": iter(wanted)})):
        target = str(tmp_path / f"here{number}")
        result = obs_sync.copy("obs://bucket/data/", target, filesystem=fs, threads=1, **options)  # type: ignore[arg-type]
        assert result.copied == wanted


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
