"""labelme files that are broken, old, foreign or carry their picture: listed with a reason, and the rest is kept."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.tools.test_labelme2coco import Shape, coco, joint, label_file, picture, point, problems, run


def broken(folder: Path, kind: str) -> None:
    good = [point("nose", 5, 5)]
    if kind == "no json":
        (folder / "bad.json").write_text('{"shapes": [')
    elif kind == "binary":
        (folder / "bad.json").write_bytes(b"\x81\x81\xff\x00")
    elif kind == "coco":
        (folder / "bad.json").write_text('{"images": [], "annotations": []}')
    elif kind == "list":
        (folder / "bad.json").write_text("[1, 2]")
    elif kind == "no picture":
        label_file(folder, "bad", good, imageWidth=None)
        (folder / "bad.jpg").unlink()
    elif kind == "truncated picture":
        label_file(folder, "bad", good)
        (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    elif kind == "another size":
        label_file(folder, "bad", good, imageWidth=400)
    elif kind == "turned":
        picture(folder / "bad.jpg", exif=6)
        label_file(folder, "bad", good)
    elif kind == "picture twice":
        label_file(folder, "bad", good, imagePath="good.jpg")
    elif kind == "imageData":
        label_file(folder, "bad", good, imageData="@@@not base64")
    elif kind == "no imagePath":
        label_file(folder, "bad", good, imagePath=None)
    elif kind == "outside":
        outside = folder.parent / "elsewhere" / "bad.jpg"
        picture(outside)
        label_file(folder, "bad", good, imagePath="..\\elsewhere\\bad.jpg")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no json", "is not JSON"),
        ("binary", "is neither UTF-8, UTF-16 nor GB18030"),
        ("coco", "is not a labelme file"),
        ("list", "is not a labelme file"),
        ("no picture", "its picture bad.jpg is not there"),
        ("truncated picture", "its picture"),
        ("another size", "was labelled on a picture of 400x150, but bad.jpg is 200x150"),
        ("turned", "labelled without the turn that its EXIF tag asks for"),
        ("picture twice", "labels good.jpg"),
        ("imageData", "damaged imageData"),
        ("no imagePath", "has no imagePath"),
        ("outside", "is not below"),
    ],
)
def test_questionable_files_are_listed_and_the_rest_is_kept(tmp_path: Path, kind: str, reason: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    label_file(folder, "good", [point("nose", 50, 20)])
    broken(folder, kind)
    assert run(folder) == 3
    content = coco(folder)
    # Of two files for one picture the first by name wins.
    assert [image["file_name"] for image in content["images"]] == ["good.jpg"]
    assert len(content["annotations"]) == 1
    ((file, shape, why),) = problems(folder)
    assert file == ("good.json" if kind == "picture twice" else "bad.json")
    assert not shape
    assert reason in why or kind == "picture twice"
    assert run(folder, "--force", "--allow_dropped") == 0


@pytest.mark.parametrize(
    "shape",
    [
        {"label": "nose"},
        {"label": "nose", "points": []},
        {"label": "nose", "points": [[1]]},
        {"label": "nose", "points": [["a", 2]]},
        {"label": "nose", "points": [[float("nan"), 2]]},
        {"label": "nose", "points": [[float("inf"), 2]]},
        {"label": "", "points": [[1, 2]]},
        {"points": [[1, 2]]},
        "nose",
        {"label": "nose", "points": [[1, 2], [3, 4]], "shape_type": "line"},
        {"label": "nose", "points": [[1, 2], [3, 4]], "shape_type": "point"},
        {"label": "nose", "points": [[-1, 2]], "shape_type": "point"},
        {"label": "nose", "points": [[1, 151]], "shape_type": "point"},
        {"label": "person", "points": [[1, 2], [1, 9]], "shape_type": "rectangle"},
        {"label": "person", "points": [[1, 2]], "shape_type": "rectangle"},
    ],
)
def test_questionable_shapes_are_listed_and_the_rest_is_kept(tmp_path: Path, shape: Any) -> None:
    label_file(tmp_path, "a", [point("nose", 50, 20, group=1), point("left_eye", 53, 18, group=1), shape])
    assert run(tmp_path) == 3
    assert coco(tmp_path)["annotations"][0]["num_keypoints"] == 2
    ((file, name, reason),) = problems(tmp_path)
    assert file == "a.json"
    assert name.startswith("#2")
    assert reason


def test_windows_paths_chinese_names_and_gbk(tmp_path: Path) -> None:
    picture(tmp_path / "图片" / "攀爬 1.jpg")
    path = label_file(tmp_path, "a", [point("鼻子", 50, 20)], imagePath="图片\\攀爬 1.jpg")
    picture(tmp_path / "b.jpg")
    label_file(tmp_path, "b", [point("右手", 50, 20)], imagePath="D:\\work\\labelled\\b.jpg")
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    assert run(tmp_path) == 0
    assert [image["file_name"] for image in coco(tmp_path)["images"]] == ["图片/攀爬 1.jpg", "b.jpg"]


def test_exif_turned_pictures_keep_the_upright_frame(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", exif=6)
    label_file(tmp_path, "a", [point("nose", 120, 180)], imageWidth=150, imageHeight=200)
    assert run(tmp_path) == 0
    (image,) = coco(tmp_path)["images"]
    assert (image["width"], image["height"]) == (150, 200)
    assert joint(coco(tmp_path)["annotations"][0], "nose") == [120, 180, 2]


def test_embedded_pictures_are_written_once(tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    picture(source)
    embedded = base64.b64encode(source.read_bytes()).decode()
    folder = tmp_path / "set"
    folder.mkdir()
    label_file(folder, "a", [point("nose", 50, 20)], imageData=embedded)
    assert run(folder) == 0
    assert (folder / "a.jpg").read_bytes() == source.read_bytes()
    assert coco(folder)["images"][0]["file_name"] == "a.jpg"
    (folder / "a.jpg").write_bytes((folder / "a.jpg").read_bytes() + b"kept")
    assert run(folder, "--force") == 0
    assert (folder / "a.jpg").read_bytes().endswith(b"kept")


@pytest.mark.parametrize("version", ["3.16.7", "4.5.6", "5.5.0", "6.0.0", None])
def test_files_of_old_and_new_versions(tmp_path: Path, version: str | None) -> None:
    """Old ones lack shape_type, group_id and flags, new ones add description and mask."""
    shape: Shape = {"label": "nose", "points": [[50, 20]]}
    if version and version >= "4":
        shape = {**shape, "shape_type": "point", "group_id": None, "flags": {}}
    if version and version >= "5":
        shape = {**shape, "description": None, "mask": None}
    label_file(tmp_path, "a", [shape], version=version)
    assert run(tmp_path) == 0
    assert joint(coco(tmp_path)["annotations"][0], "nose") == [50, 20, 2]
