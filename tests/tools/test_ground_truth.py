"""Annotation files as the evaluation reads them: what is missing is completed or named, nothing ends in a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from src.data.annotations.regions import polygon_area
from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.errors import DataError
from src.tools.evaluation.ground_truth import read_ground_truth
from src.tools.evaluation.scores import score_results
from src.tools.evaluation.self_test import run_offset_test
from tests.data.selection import SELECTION

Content = dict[str, Any]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Content:
    content: Content = json.loads(draw_dataset(tmp_path_factory.mktemp("drawn"), 2, seed=1).read_text())
    crowd = {"id": 99, "image_id": 1, "category_id": 1, "iscrowd": 1, "area": 900, "bbox": [1, 1, 30, 30]}
    runs = {"size": [240, 320], "counts": [100, 50, 320 * 240 - 150]}
    content["annotations"].append({**crowd, "keypoints": [0] * 51, "num_keypoints": 0, "segmentation": runs})
    return content


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    return path


def test_what_training_completes_is_completed(drawn: Content, tmp_path: Path) -> None:
    content = copy.deepcopy(drawn)
    first = content["annotations"][0]
    for key in ("iscrowd", "num_keypoints", "area"):
        del first[key]
    content["annotations"].append({"id": 100, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30]})
    content["annotations"].append({"id": 101, "image_id": 1, "category_id": 7, "bbox": "a car's"})
    content["categories"].insert(0, {"id": 7, "name": "car"})
    truth = read_ground_truth(write(tmp_path, content))
    outline = sum(map(polygon_area, first["segmentation"]))
    assert truth.anns[first["id"]]["area"] == outline
    assert outline == pytest.approx(drawn["annotations"][0]["area"], rel=0.1)
    assert truth.anns[first["id"]]["num_keypoints"] == sum(v > 0 for v in first["keypoints"][2::3])
    assert len(truth.anns) == len(drawn["annotations"]) + 1, "the car is left out"
    assert truth.anns[len(truth.anns)]["keypoints"] == [0] * 51
    scores = score_results(truth, [], sorted(truth.imgs))
    assert scores.persons == sum(not each["iscrowd"] and each["num_keypoints"] > 0 for each in drawn["annotations"])


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        ("annotations", {"keypoints": [1, 2, 2]}, "has 3 numbers in 'keypoints', not 51"),
        ("annotations", {"bbox": [1, 2, 3]}, "bbox"),
        ("annotations", {"area": "large"}, "area"),
        ("annotations", {"image_id": "1"}, "image_id"),
        ("annotations", {"iscrowd": [1]}, "iscrowd"),
        ("images", {"width": None}, "width"),
        ("images", {"height": -4}, "height"),
        ("images", {"file_name": ["a"]}, "file_name"),
        ("categories", {"keypoints": ["nose"]}, "17 keypoints: 'person' lacks left_eye"),
    ],
)
def test_what_is_wrong_is_named(drawn: Content, tmp_path: Path, part: str, change: dict[str, Any], named: str) -> None:
    content = copy.deepcopy(drawn)
    content[part][0].update(change)
    with pytest.raises(DataError, match=named) as caught:
        read_ground_truth(write(tmp_path, content))
    assert "a.json" in str(caught.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every part of a JSON value; of lists the first three elements."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 3)) if isinstance(value, list) else []
    return [*([path] if path else []), *(place for key in keys for place in places(value[key], (*path, key)))]


@pytest.mark.parametrize("seed", range(4))
def test_any_single_mistake_is_read_or_told(drawn: Content, tmp_path: Path, seed: int) -> None:
    """Deleted and replaced values anywhere in the file: training's index and the evaluation work, or say DataError."""
    rng = random.Random(seed)
    for _ in range(60):
        content = copy.deepcopy(drawn)
        *way, last = rng.choice(places(content))
        parent = content
        for key in way:
            parent = parent[key]
        if rng.random() < 0.4:
            del parent[last]
        else:
            parent[last] = rng.choice([None, -1, "x", [], {}, [1], {"a": 1}, float("nan"), 1e30, True])
        path = write(tmp_path, content)
        for read in (partial(index_annotations, selection=SELECTION), evaluate):
            with contextlib.suppress(DataError):
                read(path)


def evaluate(path: Path) -> None:
    from src.pose import DecodeSettings

    truth = read_ground_truth(path)
    run_offset_test(truth, sorted(truth.imgs)[:1], 64, DecodeSettings())
