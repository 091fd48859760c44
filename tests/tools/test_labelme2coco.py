"""labelme to COCO and back: nothing is lost silently, and what comes out loads in pycocotools and in training."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.joint_names import read_joint_names
from src.data.sample import SampleMaker
from src.pose.skeleton import COCO_KEYPOINT_NAMES, JointType
from src.tools import coco2labelme
from src.tools.labelme.labels import read_label
from src.tools.labelme2coco import main
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION

SIZE = (200, 150)  # width, height

Shape = dict[str, Any]


def point(label: str, x: float, y: float, group: Any = None, **more: Any) -> Shape:
    return {"label": label, "points": [[x, y]], "group_id": group, "shape_type": "point", "flags": {}, **more}


def rectangle(x0: float, y0: float, x1: float, y1: float, group: Any = None) -> Shape:
    return {
        "label": "person",
        "points": [[x0, y0], [x1, y1]],
        "group_id": group,
        "shape_type": "rectangle",
        "flags": {},
    }


def picture(path: Path, size: tuple[int, int] = SIZE, exif: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8))
    options = {}
    if exif:
        tags = Image.Exif()
        tags[0x0112] = exif
        options["exif"] = tags
    image.save(path, **options)


def label_file(folder: Path, name: str, shapes: list[Shape], **changes: Any) -> Path:
    """A labelme file and, unless it embeds one, its picture."""
    content = {
        **{"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": None},
        **{"imageWidth": SIZE[0], "imageHeight": SIZE[1], **changes},
    }
    if not content["imageData"] and not (folder / f"{name}.jpg").exists():
        picture(folder / f"{name}.jpg")
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def run(folder: Path, *arguments: str) -> int:
    return main([f"--train_path={folder}", *arguments])


def coco(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "train.json").read_text(encoding="utf-8"))


def problems(folder: Path) -> list[list[str]]:
    path = folder / "train_errors.csv"
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))[1:] if path.exists() else []


def joint(annotation: dict[str, Any], name: str) -> list[float]:
    at = 3 * COCO_KEYPOINT_NAMES.index(name)
    return annotation["keypoints"][at : at + 3]


def test_groups_boxes_areas_and_counts(tmp_path: Path) -> None:
    shapes = [
        point("RightHand", 10, 20, group=1),
        point("left_ankle", 30, 120.5, group=1),
        point("Neck", 25, 30, group=1),
        rectangle(60, 10, 20, 5, group=1),  # drawn from the lower right corner
        point("nose", 100, 50, group=7),
        point("right_knee", 140, 130, group=7),
    ]
    label_file(tmp_path, "a", shapes)
    assert run(tmp_path) == 0
    first, second = coco(tmp_path)["annotations"]
    assert joint(first, "right_wrist") == [10, 20, 2]
    assert joint(first, "left_ankle") == [30, 120.5, 2]
    assert (first["num_keypoints"], first["bbox"], first["area"]) == (2, [20, 5, 40, 5], 200)
    assert second["num_keypoints"] == 2
    x, y, w, h = second["bbox"]
    assert (x, y, x + w, y + h) == (92, 42, 148, 138), "joints lie inside the body: the box is wider"
    assert second["area"] == w * h
    assert not problems(tmp_path)


def test_polygons_give_box_area_and_outline(tmp_path: Path) -> None:
    outline = {"label": "person", "points": [[10, 10], [50, 10], [50, 90]], "group_id": 1, "shape_type": "polygon"}
    label_file(tmp_path, "a", [outline, point("nose", 20, 20, group=1)])
    assert run(tmp_path) == 0
    (person,) = coco(tmp_path)["annotations"]
    assert person["segmentation"] == [[10, 10, 50, 10, 50, 90]]
    assert (person["area"], person["bbox"]) == (1600, [10, 10, 40, 80])


def test_rectangles_group_points_even_where_they_overlap(tmp_path: Path) -> None:
    shapes = [
        rectangle(0, 0, 100, 140),
        rectangle(40, 10, 90, 100),
        point("nose", 50, 20),
        point("nose", 60, 30),
        point("left_knee", 10, 120),
        point("left_eye", 190, 5),
    ]
    label_file(tmp_path, "a", shapes)
    assert run(tmp_path) == 3
    large, small = coco(tmp_path)["annotations"]
    assert {tuple(joint(large, "nose")), tuple(joint(small, "nose"))} == {(50, 20, 2), (60, 30, 2)}
    assert joint(large, "left_knee") == [10, 120, 2]
    assert joint(small, "left_knee") == [0, 0, 0]
    assert problems(tmp_path) == [["a.json", "#5 left_eye", "has no group_id and lies in no rectangle"]]


def test_an_outline_without_joints_is_a_person_only_by_name(tmp_path: Path) -> None:
    """A box called person hides somebody who is not trained on; a box called car is nobody."""
    car = {**rectangle(150, 100, 199, 140), "label": "car"}
    worker = {**rectangle(0, 0, 60, 90), "label": "worker 1"}
    label_file(tmp_path, "a", [worker, point("nose", 30, 20), car, rectangle(70, 0, 140, 90)])
    assert run(tmp_path) == 3
    annotations = coco(tmp_path)["annotations"]
    assert [(each["bbox"], each["num_keypoints"]) for each in annotations] == [
        ([0, 0, 60, 90], 1),
        ([70, 0, 70, 90], 0),
    ]
    assert problems(tmp_path) == [["a.json", "#2 car", "holds no joint and is not called a person"]]


def test_without_groups_and_rectangles_all_is_one_person(tmp_path: Path) -> None:
    label_file(tmp_path, "a", [point("nose", 50, 20), point("left_eye", 55, 15), point("nose", 51, 21)])
    assert run(tmp_path) == 3
    (person,) = coco(tmp_path)["annotations"]
    assert person["num_keypoints"] == 2
    assert problems(tmp_path) == [["a.json", "#2 nose", "is the second Nose of this person"]]


@pytest.mark.parametrize(
    ("label", "flags", "description", "expected"),
    [
        ("RightHand", {}, "", (JointType.RightHand, 2)),
        ("right_hand-occluded", {}, "", (JointType.RightHand, 1)),
        ("LEFT WRIST_visible", {}, "", (JointType.LeftHand, 2)),
        ("left_hip", {"occluded": True}, "", (JointType.LeftWaist, 1)),
        ("left_hip", {"occluded": False, "visible": True}, "", (JointType.LeftWaist, 2)),
        ("left_hip", {"visible": False}, "", (JointType.LeftWaist, 1)),
        ("left_hip", {}, "hidden", (JointType.LeftWaist, 1)),
        ("右手(遮挡)", {}, "", (JointType.RightHand, 1)),
        ("右手腕（不可见）", {}, "", (JointType.RightHand, 1)),
        ("左膝盖", {"遮挡": True}, "", (JointType.LeftKnee, 1)),
        ("right_ankle-missing", {}, "", (JointType.RightFoot, 0)),
        ("elbow", {}, "", (None, 2)),
        ("invisible", {}, "", (None, 1)),
    ],
)
def test_names_and_visibility(label: str, flags: dict[str, bool], description: str, expected: object) -> None:
    assert read_label(label, flags, description, read_joint_names()) == expected


def test_own_names_come_from_a_mapping_file(tmp_path: Path, capsys: Any) -> None:
    label_file(tmp_path, "a", [point("rh", 50, 20), point("大脚-occluded", 55, 15)])
    assert run(tmp_path) == 3
    assert [row[2] for row in problems(tmp_path)] == ["is not a known joint; add it to a mapping file"] * 2
    mapping = tmp_path / "names.yaml"
    mapping.write_text("rh: RightHand\n大脚: left_ankle\n", encoding="utf-8")
    assert run(tmp_path, f"--mapping={mapping}", "--force") == 0
    (person,) = coco(tmp_path)["annotations"]
    assert joint(person, "right_wrist") == [50, 20, 2]
    assert joint(person, "left_ankle") == [55, 15, 1]
    assert not problems(tmp_path), "an earlier round's list is gone"
    mapping.write_text("rh: Tail\n")
    assert run(tmp_path, f"--mapping={mapping}", "--force") == 2
    assert "Tail" in capsys.readouterr().err


def test_neck_is_dropped_or_yields_a_shoulder(tmp_path: Path) -> None:
    label_file(tmp_path, "a", [point("脖子", 50, 40), point("LeftShoulder", 70, 42)])
    assert run(tmp_path) == 0
    assert coco(tmp_path)["annotations"][0]["num_keypoints"] == 1
    assert run(tmp_path, "--neck=derive", "--force") == 0
    assert joint(coco(tmp_path)["annotations"][0], "right_shoulder") == [30, 38, 1]


def test_nothing_is_replaced_unasked_and_no_file_is_an_error(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path) == 2
    assert "no file fits" in capsys.readouterr().err
    label_file(tmp_path, "a", [point("nose", 50, 20)])
    assert run(tmp_path) == 0
    assert run(tmp_path) == 2
    assert "--force" in capsys.readouterr().err
    (tmp_path / "a.jpg").write_bytes(b"no picture any more")
    before = (tmp_path / "train.json").read_bytes()
    assert run(tmp_path, "--force") == 2
    assert (tmp_path / "train.json").read_bytes() == before


def test_a_result_never_replaces_what_is_read_or_somebody_elses_table(tmp_path: Path, capsys: Any) -> None:
    label_file(tmp_path, "a", [point("nose", 50, 20), point("evil\nERROR forged", 1, 2)])
    label_file(tmp_path, "b", [point("nose", 50, 20)])
    (tmp_path / "notes.csv").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for more in ("errors=b.json", "errors=notes.csv", "errors=a.jpg", "result_path=b.json", "result_path=a.jpg"):
        option, _, name = more.partition("=")
        assert run(tmp_path, f"--{option}={tmp_path / name}", "--force") == 2
        assert option in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert run(tmp_path) == 3
    assert r"a.json: #1 evil\nERROR forged: is not a known joint" in capsys.readouterr().err


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 8, seed=2)
    return folder


def test_coco_to_labelme_and_back_is_the_same(drawn: Path, tmp_path: Path) -> None:
    annotations = drawn / "annotations" / "person_keypoints.json"
    arguments = [f"--json_path={annotations}", f"--result_path={tmp_path}", f"--imgpath={drawn / 'images'}"]
    assert coco2labelme.main(arguments) == 0
    assert coco2labelme.main(arguments) == 2, "corrections are not replaced"
    last = sorted(tmp_path.glob("*.json"))[-1]
    for path in tmp_path.glob("*.json"):
        if path != last:
            path.unlink()
    assert coco2labelme.main(arguments) == 2
    assert list(tmp_path.iterdir()) == [last], "nothing is written when one of the files may not be"
    assert coco2labelme.main([*arguments, "--force"]) == 0
    assert run(tmp_path, f"--pictures={drawn / 'images'}") == 0
    before, after = json.loads(annotations.read_text()), coco(tmp_path)
    persons = [a for a in before["annotations"] if not a["iscrowd"]]
    assert len(after["annotations"]) == len(persons) > 8
    for old, new in zip(persons, after["annotations"]):
        assert new["keypoints"] == pytest.approx(old["keypoints"])
        assert new["bbox"] == pytest.approx(old["bbox"])
        assert new["num_keypoints"] == old["num_keypoints"]
        assert new["segmentation"] == old["segmentation"]


def test_predictions_become_files_to_correct(drawn: Path, tmp_path: Path) -> None:
    annotations = drawn / "annotations" / "person_keypoints.json"
    keypoints = [float(v) for i in range(17) for v in (10 + i, 20 + i, 0.4 if i else 0.0)]
    results = [{"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": s} for s in (0.9, 0.1)]
    predictions = tmp_path / "p.json"
    predictions.write_text(json.dumps(results))
    arguments = [f"--json_path={annotations}", f"--result_path={tmp_path / 'l'}", f"--predictions={predictions}"]
    assert coco2labelme.main([*arguments, "--min_score=0.3"]) == 0
    content = json.loads((tmp_path / "l" / "000000000001.json").read_text())
    assert [shape["label"] for shape in content["shapes"]] == list(COCO_KEYPOINT_NAMES[1:])
    assert json.loads((tmp_path / "l" / "000000000002.json").read_text())["shapes"] == []


def test_result_loads_in_pycocotools_and_makes_samples(drawn: Path, tmp_path: Path) -> None:
    for path in (drawn / "images").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    annotations = drawn / "annotations" / "person_keypoints.json"
    assert coco2labelme.main([f"--json_path={annotations}", f"--result_path={tmp_path}"]) == 0
    assert run(tmp_path) == 0
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(tmp_path / "train.json"))
    assert loaded.getCatIds(catNms=["person"]) == [1]
    assert loaded.annToMask(loaded.loadAnns(loaded.getAnnIds())[0]).any()
    index = index_annotations(tmp_path / "train.json", SELECTION)
    maker = SampleMaker(index, tmp_path, sample_settings(insize=64))
    assert maker.make(0, 0).heatmaps[:18].max() > 0.5
    assert cv2.imread(str(tmp_path / str(index.names[0]))) is not None


@pytest.mark.parametrize("content", ["[1]", "{}", '{"images": 3, "annotations": []}', '{"images": [{"id": 1}]}', "no"])
def test_what_is_no_coco_file_is_one_line(tmp_path: Path, capsys: Any, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    assert coco2labelme.main([f"--json_path={tmp_path / 'a.json'}", f"--result_path={tmp_path / 'l'}"]) == 2
    error = capsys.readouterr().err
    assert "a.json: " in error
    assert error.count("\n") == 1
    assert not (tmp_path / "l").exists()
