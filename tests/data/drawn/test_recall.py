from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.data.drawn.dataset import draw_dataset
from src.data.drawn.recall import keypoint_recall, match_greedily, measure_recall, read_results
from src.errors import DataError
from src.pose.skeleton import COCO_ORDER
from src.pose.skeleton import JointType as J


def _truth(annotation_file: Path) -> dict[str, np.ndarray]:
    content = json.loads(annotation_file.read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    persons: dict[str, list[np.ndarray]] = {name: [] for name in names.values()}
    for annotation in content["annotations"]:
        if not annotation["iscrowd"]:
            person = np.zeros((18, 3))
            person[list(COCO_ORDER)] = np.reshape(annotation["keypoints"], (17, 3))
            persons[names[annotation["image_id"]]].append(person)
    return {name: np.array(rows) for name, rows in persons.items()}


@pytest.fixture(scope="module")
def annotation_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("recall"), 12, seed=2, sizes=[(200, 160)])


def test_the_truth_itself_is_fully_found(annotation_file: Path) -> None:
    assert keypoint_recall(annotation_file, _truth(annotation_file)) == 1.0


def test_nothing_found_is_zero(annotation_file: Path) -> None:
    assert keypoint_recall(annotation_file, {}) == 0.0


def test_hidden_keypoints_do_not_count(annotation_file: Path) -> None:
    truth = _truth(annotation_file)
    for persons in truth.values():
        persons[:, :, 2] *= persons[:, :, 2] == 2
    assert keypoint_recall(annotation_file, truth) == 1.0


def test_confidence_zero_is_not_found(annotation_file: Path) -> None:
    truth = _truth(annotation_file)
    for persons in truth.values():
        persons[:, J.Nose, 2] = 0
    report = measure_recall(annotation_file, truth)
    assert report.found[J.Nose] == 0 < report.visible[J.Nose]
    assert report.found.sum() == report.visible.sum() - report.visible[J.Nose]


def test_one_prediction_cannot_serve_two_persons(tmp_path: Path) -> None:
    person = [50.0, 50.0, 2] * 17
    row = {"keypoints": person, "num_keypoints": 17, "bbox": [0, 0, 50, 100], "iscrowd": 0, "image_id": 1}
    file = tmp_path / "two.json"
    file.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [row, row]}))
    found = np.tile([50.0, 50, 1], (1, 18, 1))
    assert keypoint_recall(file, {"a.jpg": found}) == 0.5


@pytest.mark.parametrize(("offset", "expected"), [(9.99, 1.0), (10.01, 0.0)])
def test_tolerance_is_a_share_of_the_boxs_height(tmp_path: Path, offset: float, expected: float) -> None:
    row = {"keypoints": [50.0, 50.0, 2] * 17, "num_keypoints": 17, "bbox": [0, 0, 500, 100], "image_id": 1}
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [row]}))
    assert keypoint_recall(file, {"a.jpg": np.tile([50 + offset, 50, 0.3], (1, 18, 1))}) == expected


def test_greedy_matching_takes_the_best_first() -> None:
    assert match_greedily(np.array([[5, 4], [4, 0]])) == [(0, 0)]
    assert match_greedily(np.array([[3, 0], [9, 2]])) == [(1, 0)]
    assert match_greedily(np.array([[3, 1], [9, 2]])) == [(1, 0), (0, 1)]
    assert match_greedily(np.zeros((0, 3))) == []


def test_reads_the_jobs_results(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    good = {"file": "a.jpg", "status": "ok", "persons": [{"keypoints": [[1, 2, 0.5]] * 18}]}
    file.write_text(json.dumps(good) + "\n" + json.dumps({"file": "b.jpg", "status": "unreadable"}) + "\n")
    results = read_results(file)
    assert results["a.jpg"].shape == (1, 18, 3)
    assert results["b.jpg"].shape == (0, 18, 3)


@pytest.mark.parametrize("text", ["", "[]", '{"images": []}', "not json"])
def test_a_file_that_is_not_coco(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"bad\.json"):
        keypoint_recall(file, {})
