"""Which files of a folder are pictures: by ending and content; everything else is named with the reason."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.images import read_picture
from src.data.listing import inside, list_folder, pictures_to_judge
from src.errors import DataError


def picture(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(np.full((8, 9, 3), 90, np.uint8)).save(file, kind)


def test_listing_is_sorted_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.txt", ".hidden.jpg", "sub/z.webp", "sub/a.jpeg", ".cache/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_folder(tmp_path).names == ["a.png", "b.JPG"]
    assert list_folder(tmp_path, recursive=True).names == ["a.png", "b.JPG", "sub/a.jpeg", "sub/z.webp"]


def test_endings_that_lie_or_are_missing_are_read_by_content(tmp_path: Path) -> None:
    for name, kind in (("a.jfif", "JPEG"), ("b.JPE", "JPEG"), ("c.jpg", "PNG"), ("d.dat", "WEBP"), ("e", "BMP")):
        picture(tmp_path / name, kind)
    picture(tmp_path / "f.tmp", "TIFF")
    listing = list_folder(tmp_path)
    assert listing.names == ["a.jfif", "b.JPE", "c.jpg", "d.dat", "e", "f.tmp"]
    assert not listing.skipped
    for name in listing.names:
        assert read_picture(tmp_path / name).shape == (8, 9, 3)


def test_everything_else_is_named_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture(tmp_path / "a.jpg", "JPEG")
    picture(tmp_path / "gif", "GIF")
    picture(tmp_path / "photo.NEF", "TIFF")  # a raw photograph begins like one
    (tmp_path / "phone.heic").write_bytes(b"")
    (tmp_path / "phone").write_bytes(b"\0\0\0\x18ftypheic" + bytes(30))
    (tmp_path / "labels.json").write_text("{}")
    (tmp_path / "readme").write_text("hello")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    with caplog.at_level(logging.INFO):
        listing = pictures_to_judge(tmp_path)
    assert listing.names == ["a.jpg"]
    assert listing.skipped == {
        "gif": "GIF pictures are not read; convert it to JPEG or PNG",
        "photo.NEF": ".NEF pictures are not read; convert it to JPEG or PNG",
        "phone.heic": ".heic pictures are not read; convert it to JPEG or PNG",
        "phone": "HEIC pictures are not read; convert it to JPEG or PNG",
        "labels.json": "not a picture",
        "readme": "not a picture",
        "empty": "not a picture",
        "pipe": "not a regular file",
    }
    for name in ("phone.heic", "photo.NEF", "gif", "pipe"):
        assert f"not read: {tmp_path / name}" in caplog.text
    assert "3 files not pictures: 2 without ending, 1 .json" in caplog.text


def test_a_folder_without_pictures_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.heic").touch()
    with pytest.raises(DataError, match=r"holds no pictures that can be read; 1 other file, such as a\.heic"):
        pictures_to_judge(tmp_path)


def test_results_inside_the_folder_are_no_input(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", "JPEG")
    picture(tmp_path / "output_img" / "run" / "a_rendered.jpg", "JPEG")
    assert pictures_to_judge(tmp_path, tmp_path / "output_img").names == ["a.jpg"]
    assert pictures_to_judge(tmp_path, tmp_path).names == ["a.jpg", "output_img/run/a_rendered.jpg"]


@pytest.mark.parametrize("name", ["", "../a.jpg", "/etc/a.jpg", "sub/../../a.jpg", "a\0.jpg"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="must be the name of a picture"):
        inside(tmp_path, name)
    assert inside(tmp_path, "a\\b.jpg") == tmp_path / "a\\b.jpg", "a file of this name may have been listed"
