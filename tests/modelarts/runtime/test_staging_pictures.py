"""Staging for inference: only the pictures that the store lists are judged, each folder's in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime import staging
from modelarts.runtime.staging import stage_pictures
from src.errors import DataError


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    obs_sync.configure(storage_mode="local")
    folder = tmp_path / "obs_root" / "bucket"
    for name in ("pics/a.jpg", "pics/sub/b.PNG", "pics/notes.txt", "pics/.c.jpg", "other/a.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_what_already_lies_in_the_staging_folder_is_not_judged(bucket: Path) -> None:
    Path("pics").mkdir()
    Path("pics/mine.jpg").write_bytes(b"the user's own")
    folder, listing = stage_pictures("obs://bucket/pics/", "pics")
    assert listing.names == ["a.jpg", "sub/b.PNG"]
    assert [(folder / name).read_bytes() for name in listing.names] == [b"pics/a.jpg", b"pics/sub/b.PNG"]
    other, listing = stage_pictures("obs://bucket/other", "pics")  # the next action's pictures
    assert listing.names == ["a.jpg"]
    assert (other / "a.jpg").read_bytes() == b"other/a.jpg"
    assert Path("pics/mine.jpg").read_bytes() == b"the user's own"


def test_what_was_removed_from_the_store_is_not_judged_again(bucket: Path) -> None:
    stage_pictures("obs://bucket/pics", "pics")
    (bucket / "pics/a.jpg").unlink()
    assert stage_pictures("obs://bucket/pics", "pics")[1].names == ["sub/b.PNG"]


def test_one_picture_is_staged_alone(bucket: Path) -> None:
    folder, listing = stage_pictures("obs://bucket/pics", "pics", only="sub/b.PNG")
    assert listing.names == ["sub/b.PNG"]
    assert [path.name for path in folder.rglob("*.*")] == ["b.PNG"]
    with pytest.raises(DataError, match=r"obs://bucket/pics/absent.jpg: no such picture"):
        stage_pictures("obs://bucket/pics", "pics", only="absent.jpg")
    for name in ("../other/a.jpg", "/etc/passwd"):
        with pytest.raises(DataError, match="must be the name of a picture"):
            stage_pictures("obs://bucket/pics", "pics", only=name)


def test_earlier_results_below_the_pictures_are_no_input(bucket: Path) -> None:
    (bucket / "pics/output_img/output_img1").mkdir(parents=True)
    (bucket / "pics/output_img/output_img1/a_rendered.jpg").write_bytes(b"rendered")
    assert stage_pictures("obs://bucket/pics", "pics", results="obs://bucket/pics/output_img")[1].names == [
        "a.jpg",
        "sub/b.PNG",
    ]


def test_a_picture_that_vanishes_meanwhile_is_still_named(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_names = staging.copy_names

    def vanish(url: str, *arguments: object, **options: object) -> object:
        (bucket / "pics/a.jpg").unlink()
        return copy_names(url, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(staging, "copy_names", vanish)
    folder, listing = stage_pictures("obs://bucket/pics", "pics")
    assert listing.names == ["a.jpg", "sub/b.PNG"]
    assert not (folder / "a.jpg").exists()


def test_a_folder_without_pictures_is_one_clear_line(bucket: Path) -> None:
    (bucket / "empty").mkdir()
    (bucket / "empty/notes.txt").write_text("none")
    with pytest.raises(DataError, match="obs://bucket/empty: no pictures in this folder"):
        stage_pictures("obs://bucket/empty", "pics")
