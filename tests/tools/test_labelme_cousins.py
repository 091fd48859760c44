"""labelme files as other programs leave them: pictures elsewhere, other endings, areas, formulas, odd names."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from src.data.drawn.dataset import PERSON_CATEGORY
from src.tools import coco2labelme
from src.tools.labelme2coco import main
from tests.tools.test_labelme2coco import SIZE, label_file, point, rectangle

JOINTS = [point("nose", 50, 20), point("left_eye", 53, 17), point("left_shoulder", 64, 45), point("left_hip", 60, 90)]


def convert(folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and content of a conversion of `folder`; the result lies outside of it."""
    result = folder.parent / "out" / "a.json"
    code = main([f"--train_path={folder}", f"--result_path={result}", "--force", *more])
    return code, json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}


def lying_elsewhere(folder: Path, name: str, path: str) -> None:
    """A labelme file whose picture is not on this machine."""
    label_file(folder, name, JOINTS, imagePath=path).with_suffix(".jpg").unlink()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("1.jpg", "1.jpg"),
        ("../pictures/1.jpg", "1.jpg"),
        ("sub\\1.jpg", "sub/1.jpg"),
        ("D:\\shots\\围栏\\1.jpg", "1.jpg"),
        ("/home/anna/1.jpg", "1.jpg"),
    ],
)
def test_files_convert_without_their_pictures(
    tmp_path: Path, path: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    lying_elsewhere(folder, "1", path)
    code, content = convert(folder)
    assert code == 0
    assert content["images"] == [{"id": 1, "file_name": expected, "width": SIZE[0], "height": SIZE[1]}]
    assert content["annotations"][0]["num_keypoints"] == 4
    assert "1 pictures were not found" in caplog.text


def test_a_file_without_picture_and_size_is_listed_and_the_others_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    lying_elsewhere(folder, "1", "1.jpg")
    label_file(folder, "2", JOINTS, imageWidth=None).with_suffix(".jpg").unlink()
    code, content = convert(folder)
    assert code == 3
    assert [image["file_name"] for image in content["images"]] == ["1.jpg"]
    assert "does not give its size" in (tmp_path / "out" / "a_errors.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("ending", [".JSON", ".Json", ".json"])
def test_the_ending_may_be_in_any_case(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    written = label_file(folder, "1", JOINTS)
    written.rename(written.with_suffix(ending))
    assert convert(folder)[1]["annotations"][0]["num_keypoints"] == 4


def test_areas_come_back_from_the_round_trip(tmp_path: Path) -> None:
    person = {"image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17}
    keypoints = [value for n in range(17) for value in (40 + n, 30 + 5 * n, 2)]
    outline = [[30, 20, 90, 20, 90, 120, 30, 120]]
    people = [
        {**person, "id": 1, "keypoints": keypoints, "bbox": [30, 20, 60, 100], "area": 2345.5, "segmentation": []},
        {**person, "id": 2, "keypoints": keypoints, "bbox": [30, 20, 60, 100], "area": 5432, "segmentation": outline},
        {**person, "id": 3, "keypoints": keypoints, "bbox": [30, 20, 60, 100], "area": 1, "segmentation": []},
    ]
    image = {"id": 1, "file_name": "1.jpg", "width": SIZE[0], "height": SIZE[1]}
    coco = {"images": [image], "annotations": people, "categories": [PERSON_CATEGORY]}
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    labels = tmp_path / "labels"
    assert coco2labelme.main([f"--json_path={tmp_path / 'coco.json'}", f"--result_path={labels}"]) == 0
    code, content = convert(labels)
    assert code == 0
    assert [each["area"] for each in content["annotations"]] == [2345.5, 5432, 6000], "1 cannot be right: the box's"


@pytest.mark.parametrize(
    ("changes", "visibility"),
    [
        ({"difficult": True}, 1),
        ({"difficult": False}, 2),
        ({"attributes": {"difficult": "true"}}, 1),
        ({"flags": {"Difficult": True, "visible": True}}, 1),
        ({"flags": None, "attributes": [], "difficult": None}, 2),
    ],
)
def test_difficult_points_are_occluded(tmp_path: Path, changes: dict[str, Any], visibility: int) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    label_file(folder, "1", [{**point("nose", 50, 20), **changes}])
    (person,) = convert(folder)[1]["annotations"]
    assert person["keypoints"][:3] == [50, 20, visibility]


@pytest.mark.parametrize(("x", "y", "code"), [(-0.5, 150.5, 0), (200.4, -0.2, 0), (-0.6, 20, 3), (20, 151, 3)])
def test_half_a_pixel_outside_is_the_edge(tmp_path: Path, x: float, y: float, code: int) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    label_file(folder, "1", [*JOINTS[1:], point("nose", x, y)])
    found, content = convert(folder)
    assert found == code
    nose = content["annotations"][0]["keypoints"][:3]
    assert nose == ([0, 0, 0] if code else [min(max(x, 0), SIZE[0]), min(max(y, 0), SIZE[1]), 2])


@pytest.mark.parametrize("label", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_no_cell_of_the_error_list_is_a_formula(tmp_path: Path, label: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    label_file(folder, "1", [*JOINTS, point(label, 9, 9)])
    label_file(folder, "=2", [point(label, 9, 9)], imagePath="=2.jpg")
    assert convert(folder)[0] == 3
    with open(tmp_path / "out" / "a_errors.csv", encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(label.strip() in cell for cell in cells)
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]


def test_names_that_are_not_utf8_survive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    name = os.fsdecode("翻越.jpg".encode("gbk"))
    labels = label_file(folder, "1", JOINTS)
    labels.with_suffix(".jpg").rename(folder / name)
    labels.write_text(json.dumps({**json.loads(labels.read_text()), "imagePath": name}))
    code, coco = convert(folder)
    assert code == 0
    assert coco["images"][0]["file_name"] == name
    back = tmp_path / "back"
    arguments = [f"--json_path={tmp_path / 'out' / 'a.json'}", f"--result_path={back}", f"--imgpath={folder}"]
    assert coco2labelme.main(arguments) == 0
    (written,) = back.iterdir()
    assert os.fsencode(written.name) == "翻越.json".encode("gbk")
    assert (back / json.loads(written.read_text())["imagePath"]).resolve() == (folder / name).resolve()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"shapes": {}}',
        b'{"shapes": [], "imagePath": 5}',
        b'{"shapes": [], "imagePath": "a\\u0000.jpg"}',
        b'{"shapes": [], "imagePath": ".."}',
        b'{"shapes": [null, 1, "x", []], "imagePath": "1.jpg", "imageWidth": 9, "imageHeight": 9}',
        b'{"shapes": [{"label": "nose", "points": [[1e999, 1]]}], "imagePath": "1.jpg", "imageWidth": 9}',
        b'{"shapes": [{"label": "nose", "points": [[NaN, 1]]}], "imagePath": "1.jpg", "imageWidth": 9}',
        b'{"shapes": [], "imagePath": "1.jpg", "imageData": "????"}',
        b'{"shapes": [], "imagePath": "1.jpg", "imageData": "R0lGODlh"}',
        b'{"shapes": [], "imagePath": "1.jpg", "imageWidth": 1e30, "imageHeight": -4}',
        b"\xff\xfe\x00",
        b'{"shapes": [], "imagePath": "' + b"9" * 5000 + b'.jpg"}',
    ],
)
def test_one_bad_file_never_ends_the_conversion(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    label_file(folder, "good", [*JOINTS, rectangle(20, 10, 90, 120)])
    (folder / "bad.json").write_bytes(content)
    code, coco = convert(folder)
    assert code in (0, 3)
    assert "good.jpg" in [image["file_name"] for image in coco["images"]]
    assert "Traceback" not in capsys.readouterr().err
    assert not [path for path in folder.iterdir() if path.name.startswith(".")], "half-written"
