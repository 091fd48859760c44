"""Odd annotation files, given to every tool that reads them: all agree on who is trained on, masked and scored."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.packed import read_shard_index
from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType
from src.tools import coco2labelme, evaluate, gen_ignore_mask, pack_dataset
from src.tools.common import command
from src.tools.evaluation.ground_truth import read_ground_truth
from tests.data.annotations.odd_files import ODD, TOGETHER, Change, Content, bicycle_beside, nothing_derived
from tests.data.selection import SELECTION


@pytest.fixture(scope="module", autouse=True)
def settings_read_once() -> Iterator[None]:
    """default_config.yaml is read once for all the tools' command lines here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "read_settings", functools.lru_cache(command.read_settings))
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures; the first annotation of each is somebody to train on."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 4, seed=11, sizes=[(240, 180)])
    return folder


@pytest.fixture(scope="module")
def plain(drawn: Path) -> Content:
    content: Content = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())
    person = {"category_id": 1, "keypoints": [0] * 51, "num_keypoints": 0, "iscrowd": 0, "segmentation": []}
    content["annotations"].append({**person, "id": 501, "image_id": 1, "bbox": [4, 100, 30, 60], "area": 900})
    runs = {"size": [180, 240], "counts": [9000, 60, 120, 60, 180 * 240 - 9240]}
    content["annotations"].append(
        {**person, "id": 502, "image_id": 2, "bbox": [50, 0, 2, 60], "area": 120, "iscrowd": 1, "segmentation": runs}
    )
    return content


Answer = dict[str, Any]


def answers(content: Content, drawn: Path, folder: Path, encoding: str = "utf-8") -> Answer:
    """What training's index, masks, evaluation, shards and labelme files say of an annotation file."""
    folder.mkdir()
    path = folder / "a.json"
    path.write_text(json.dumps(content), encoding=encoding)
    index = index_annotations(path, SELECTION)
    given, masks = f"--jsonpath_train={path}", folder / "masks"
    assert gen_ignore_mask.main([given, f"--maskpath_train={masks}"]) == 0
    packed, images = folder / "packed", f"--imgpath_train={drawn / 'images'}"
    assert pack_dataset.main([given, images, f"--result_path={packed}"]) == 0
    labels = folder / "labels"
    assert coco2labelme.main([f"--json_path={path}", f"--result_path={labels}"]) == 0
    truth = read_ground_truth(path)
    names = {number: image["file_name"] for number, image in truth.imgs.items()}
    scored = sorted(
        (names[each["image_id"]], *rounded(each["keypoints"]), round(each["area"], 2))
        for each in truth.anns.values()
        if each["num_keypoints"] and not each["iscrowd"]
    )
    packed_index = index_annotations(packed / "a.json", SELECTION)
    assert packed_index.names.tolist() == index.names.tolist()
    return {
        "trained on": sorted(
            (name, *rounded(person[list(COCO_ORDER)].reshape(-1).tolist()))
            for row, name in enumerate(index.names.tolist())
            for person in index.persons[row]
        ),
        "masked": {path.name: cv2.imread(str(path), 0).tolist() for path in sorted(masks.glob("*.png"))},
        "scored": scored,
        "not scored": sum(not each["num_keypoints"] or bool(each["iscrowd"]) for each in truth.anns.values()),
        "packed": sorted(read_shard_index(packed)["pictures"]),
        "labelled": {path.name: labelled_points(path) for path in sorted(labels.glob("*.json"))},
    }


def rounded(values: list[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def labelled_points(path: Path) -> list[tuple[str, float, float]]:
    shapes = json.loads(path.read_text(encoding="utf-8"))["shapes"]
    return [(s["label"], *s["points"][0]) for s in shapes if s["shape_type"] == "point"]


@pytest.fixture(scope="module")
def expected(plain: Content, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    answer = answers(plain, drawn, tmp_path_factory.mktemp("plain") / "run")
    names = {path.split(".")[0] for path, *_ in answer["trained on"]}
    assert len(names) == 4
    trained = {row[:-1] for row in answer["scored"]}
    assert {tuple(row) for row in answer["trained on"]} <= trained, "who is trained on is scored"
    assert (np.array(answer["masked"]["000000000001.png"])[110:150, 10:30] == 0).all()
    return answer


@pytest.mark.parametrize("changes", TOGETHER, ids=["1", "2"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_oddities_together_change_nothing(
    changes: list[Change], encoding: str, plain: Content, expected: Answer, drawn: Path, tmp_path: Path
) -> None:
    content = copy.deepcopy(plain)
    for change in changes:
        change(content)
    assert answers(content, drawn, tmp_path / "run", encoding) == expected


def test_evaluate_scores_oddities_like_the_plain_file(
    plain: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = set()
    for number, changes in enumerate([[], *TOGETHER]):
        content = copy.deepcopy(plain)
        for change in changes:
            change(content)
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content))
        assert evaluate.main([f"--jsonpath_val={path}", "--self_test"]) == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


@pytest.mark.parametrize("change", ODD, ids=lambda change: change.__name__)
def test_every_tool_reads_an_odd_file_like_the_plain_one(
    change: Change, plain: Content, expected: Answer, drawn: Path, tmp_path: Path
) -> None:
    content = copy.deepcopy(plain)
    change(content)
    assert json.dumps(content) != json.dumps(plain), "the file is odd"
    found = answers(content, drawn, tmp_path / "run")
    for part, answer in expected.items():
        assert found[part] == answer, part


def test_areas_are_completed_alike(plain: Content, expected: Answer, drawn: Path, tmp_path: Path) -> None:
    """Without areas these come from outline or box: nearly the file's, and the same in training and evaluation."""
    content = copy.deepcopy(plain)
    nothing_derived(content)
    found = answers(content, drawn, tmp_path / "run")
    for part in ("trained on", "masked", "not scored", "packed", "labelled"):
        assert found[part] == expected[part], part
    areas, before = ([row[-1] for row in rows] for rows in (found["scored"], expected["scored"]))
    assert areas == pytest.approx(before, rel=0.15)


def person_with(**fields: Any) -> Change:
    def change(content: Content) -> None:
        content["annotations"][0].update(fields)

    return change


def joint(x: Any, y: Any, visibility: Any = 2) -> Change:
    def change(content: Content) -> None:
        content["annotations"][0]["keypoints"][:3] = [x, y, visibility]

    return change


def picture_with(**fields: Any) -> Change:
    def change(content: Content) -> None:
        content["images"][0].update(fields)

    return change


def pelvis_first(content: Content) -> None:
    content["categories"][0]["keypoints"] = ["pelvis", *COCO_KEYPOINT_NAMES[:-1]]


REFUSED: list[tuple[Change, str]] = [
    (joint(float("nan"), 3), "annotation 1: 'keypoints' has a value that is not a finite number"),
    (joint(float("nan"), 3, 0), "annotation 1"),
    (joint(3, float("-inf")), "annotation 1"),
    (joint(3, 2e5), "beyond ±100000"),
    (joint(None, 2), "annotation 1"),
    (joint("3", 2), "annotation 1"),
    (joint(3, 2, 7), "visibility"),
    (person_with(bbox=[1, 2, float("nan"), 4]), "annotation 1: 'bbox'"),
    (person_with(bbox=[1, 2, 1e9, 4]), "annotation 1: 'bbox'"),
    (person_with(area=float("inf")), "annotation 1: 'area'"),
    (person_with(area="much"), "annotation 1: 'area'"),
    (person_with(iscrowd="perhaps"), "annotation 1: iscrowd"),
    (person_with(image_id="1"), "'image_id' is '1' where the file's id is 1"),
    (person_with(category_id="1"), "'category_id' is '1' where the file's id is 1"),
    (person_with(segmentation={"size": [180, 240], "counts": "a|b"}), "damaged run lengths"),
    (person_with(segmentation={"size": [180, 240], "counts": [10, -5]}), "damaged run lengths"),
    (person_with(segmentation={"size": [180, 240], "counts": [0, 180 * 240 + 1]}), "damaged run lengths"),
    (person_with(segmentation={"size": [240, 180], "counts": [0, 9]}), "run lengths are for 180x240 pixels"),
    (person_with(segmentation=[[1, 2, 3, 4, 5]]), "outline of 5 numbers"),
    (person_with(keypoints=[1, 2, 2] * 18), "54 numbers"),
    (picture_with(file_name="../x.jpg"), "leads out of the folder"),
    (picture_with(file_name="..\\..\\x.jpg"), "leads out of the folder"),
    (picture_with(file_name="/etc/x.jpg"), "absolute"),
    (picture_with(file_name="C:\\x.jpg"), "absolute"),
    (picture_with(file_name="https://example.org/x.jpg"), "absolute"),
    (picture_with(file_name="a\0.jpg"), "control character"),
    (picture_with(file_name=""), "is not a file name"),
    (picture_with(file_name="a\ud800.jpg"), "has characters that file names cannot have here"),
    (picture_with(id=2), "the same id twice"),
    (picture_with(file_name="000000000002.jpg", width=9), "listed twice with different sizes"),
    (picture_with(width="wide"), "'width' is not a number of pixels"),
    (picture_with(width=10**6, height=10**6), "larger than any picture"),
    (pelvis_first, "lacks right_ankle and has pelvis"),
]


@pytest.mark.parametrize(("change", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_every_tool_refuses_alike_and_writes_nothing(
    change: Change, named: str, plain: Content, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = copy.deepcopy(plain)
    change(content)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    for read in (partial(index_annotations, selection=SELECTION), read_ground_truth):
        with pytest.raises(DataError) as caught:
            read(path)
        assert named in str(caught.value)
        assert str(path) in str(caught.value)
    images = f"--imgpath_train={drawn / 'images'}"
    for tool, *arguments in (
        (gen_ignore_mask, f"--jsonpath_train={path}", f"--maskpath_train={tmp_path / 'out'}"),
        (pack_dataset, f"--jsonpath_train={path}", images, f"--result_path={tmp_path / 'out'}"),
        (coco2labelme, f"--json_path={path}", f"--result_path={tmp_path / 'out'}"),
        (evaluate, f"--jsonpath_val={path}", "--self_test"),
    ):
        assert tool.main(arguments) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"])
def test_every_encoding_of_a_json_file(plain: Content, drawn: Path, tmp_path: Path, encoding: str) -> None:
    content = copy.deepcopy(plain)
    content["images"][0]["file_name"] = "围栏/翻越.jpg"
    (tmp_path / "a.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert "围栏/翻越.jpg" in index_annotations(tmp_path / "a.json", SELECTION).names.tolist()
    assert len(read_ground_truth(tmp_path / "a.json").anns) == len(plain["annotations"])


def test_a_labelled_neck_is_used_and_a_missing_one_derived(plain: Content, tmp_path: Path) -> None:
    content = copy.deepcopy(plain)
    content["categories"][0]["keypoints"] = [*COCO_KEYPOINT_NAMES, "neck"]
    for number, each in enumerate(content["annotations"]):
        each["keypoints"] = [*each["keypoints"], *((33, 44, 1) if number % 2 else (0, 0, 0))]
    (tmp_path / "a.json").write_text(json.dumps(content))
    index = index_annotations(tmp_path / "a.json", SELECTION)
    necks = index.persons.values[:, JointType.Neck].tolist()
    assert [33, 44, 1] in necks
    assert any(neck != [33, 44, 1] and neck[2] > 0 for neck in necks), "else the middle of the shoulders"
    assert index.summary is not None
    assert index.summary.joints["neck"] == necks.count([33, 44, 1])
    assert len(read_ground_truth(tmp_path / "a.json").anns[1]["keypoints"]) == 51


def test_the_summary_counts_everybody(plain: Content, tmp_path: Path) -> None:
    content = copy.deepcopy(plain)
    bicycle_beside(content)
    people = list(plain["annotations"])
    content["annotations"].append({"id": 990, "image_id": 1, "category_id": 1})
    (tmp_path / "a.json").write_text(json.dumps(content))
    summary = index_annotations(tmp_path / "a.json", SELECTION).summary
    assert summary is not None
    assert summary.pictures == 4
    assert summary.trained_on + sum(summary.excluded.values()) == len(people) + 1
    assert summary.excluded["crowd"] >= 1
    assert summary.excluded["few_joints"] >= 1
    assert summary.excluded["nowhere"] == 1, "nothing tells where the last one is"
    assert summary.left_out == {"of category 'bicycle'": 1}
    assert any("1 not masked" in line for line in summary.lines())
    assert summary == type(summary).from_json(json.loads(json.dumps(summary.to_json())))
