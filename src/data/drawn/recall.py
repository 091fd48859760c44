"""How many of the annotated visible keypoints were found: the demo's measure of quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.errors import DataError
from src.pose.skeleton import COCO_ORDER, JOINT_COUNT


@dataclass(frozen=True)
class KeypointRecall:
    """Visible (v = 2) annotated keypoints and how many of them were found, by joint (18,) in `JointType` order."""

    visible: NDArray[np.int64]
    found: NDArray[np.int64]

    @property
    def share(self) -> float:
        """Found keypoints as a share of the visible ones, 0 where none is visible."""
        return float(self.found.sum() / max(1, self.visible.sum()))


def keypoint_recall(annotation_file: str | Path, results: Mapping[str, ArrayLike], tolerance: float = 0.10) -> float:
    """Share of the visible annotated keypoints that were found; see `measure_recall`."""
    return measure_recall(annotation_file, results, tolerance).share


def measure_recall(
    annotation_file: str | Path, results: Mapping[str, ArrayLike], tolerance: float = 0.10
) -> KeypointRecall:
    """Compare found persons with the annotated ones of a COCO keypoints file.

    `results` maps each picture's file name to its found persons, (n, 18, 3) rows (x, y, confidence) in picture pixels,
    confidence 0 = not found. A person counts for one annotated person at most. A keypoint is found when it lies within
    `tolerance` x the height of the annotated box. Pictures without a result count as nothing found.
    """
    annotated = _annotated_persons(Path(annotation_file))
    visible = np.zeros(JOINT_COUNT, np.int64)
    found = np.zeros(JOINT_COUNT, np.int64)
    for name, (keypoints, heights) in annotated.items():
        persons = np.asarray(results.get(name, ()), np.float64).reshape(-1, JOINT_COUNT, 3)
        shown = keypoints[:, :, 2] == 2
        visible += shown.sum(axis=0)
        distance = np.linalg.norm(persons[:, None, :, :2] - keypoints[None, :, :, :2], axis=-1)
        near = (distance <= tolerance * heights[None, :, None]) & (persons[:, None, :, 2] > 0) & shown[None]
        for predicted, person in match_greedily(near.sum(axis=-1)):
            found += near[predicted, person]
    return KeypointRecall(visible, found)


def match_greedily(agreement: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (row, column) of a (n, m) table, best agreement first, each row and column once at most."""
    table = np.array(agreement, np.float64)
    pairs: list[tuple[int, int]] = []
    while table.size and table.max() > 0:
        row, column = np.unravel_index(int(table.argmax()), table.shape)
        pairs.append((int(row), int(column)))
        table[row, :] = table[:, column] = 0
    return pairs


def read_results(results_file: str | Path) -> dict[str, NDArray[np.float64]]:
    """The persons of every picture of a `results.jsonl`, as `measure_recall` takes them; unreadable ones are empty."""
    persons: dict[str, NDArray[np.float64]] = {}
    for line in Path(results_file).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        rows = [person["keypoints"] for person in record.get("persons", ())]
        persons[record["file"]] = np.asarray(rows, np.float64).reshape(-1, JOINT_COUNT, 3)
    return persons


def _annotated_persons(annotation_file: Path) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """File name -> keypoints (m, 18, 3) with COCO's visibility, the neck left at 0, and box heights (m,)."""
    try:
        content = json.loads(annotation_file.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        rows = [a for a in content["annotations"] if not a.get("iscrowd") and a.get("num_keypoints", 0) > 0]
        grouped: dict[str, list[Mapping[str, list[float]]]] = {name: [] for name in names.values()}
        for row in rows:
            grouped[names[row["image_id"]]].append(row)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{annotation_file}: not a COCO keypoints file ({error!r}); check the path") from error
    return {name: _arrays(group) for name, group in grouped.items()}


def _arrays(group: list[Mapping[str, list[float]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    keypoints = np.zeros((len(group), JOINT_COUNT, 3))
    for row, annotation in enumerate(group):
        keypoints[row, list(COCO_ORDER)] = np.reshape(annotation["keypoints"], (-1, 3))
    return keypoints, np.array([annotation["bbox"][3] for annotation in group], np.float64)
