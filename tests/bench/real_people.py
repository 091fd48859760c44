"""Real annotated people to measure rules on: athletes with action labels, and everyday people of COCO."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.actions.evaluation.label_files import read_label_file
from src.actions.evaluation.labelled import read_results
from src.actions.evaluation.matching import box_of, match_persons
from src.actions.evaluation.persons import BODY, ENOUGH_JOINTS
from src.data.coco import to_joints
from src.pose.skeleton import JOINT_COUNT

#: The labels that mean each action; "none" are the athletes who do neither, "unclear" ones are left out.
POSITIVE: Mapping[str, tuple[str, ...]] = {"climb_up": ("climb_up",), "climb_over_fence": ("over_slow", "over_vault")}
ATHLETE = "none"
EVERYDAY_FILE = "people/coco_mini/person_keypoints.json"
LEEDS_FILE = "people/lsp_extended/persons.json"
NOT_FOUND = np.zeros((JOINT_COUNT, 3))


@dataclass(frozen=True)
class People:
    """Persons of one set: keypoints (n x 18 x 3) and a label for each."""

    keypoints: NDArray[np.float64]
    labels: tuple[str, ...]

    def of(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """The keypoints of the persons with one of these labels."""
        return self.keypoints[[label in labels for label in self.labels]]


def leeds_people(shared: Path, part: str) -> People:
    """The people of Leeds Sports Pose Extended in a part, "train" or "dev"."""
    chosen = [one for one in json.loads((shared / LEEDS_FILE).read_text(encoding="utf-8")) if one["part"] == part]
    return People(np.array([one["joints"] for one in chosen], np.float64), tuple(one["label"] for one in chosen))


def detected_people(people: Path, results: Path, part: str) -> People:
    """What a network found of the people of a part, in the pictures of a results.jsonl; no joints: not found.

    `people`: the joints file with the labels; a found person is matched by the box around the annotated joints.
    """
    found = {picture.file: picture.persons for picture in read_results(results, positive=True)[0]}
    parts = {(one["picture"], one["part"]) for one in json.loads(people.read_text(encoding="utf-8"))}
    keypoints, labels = [], []
    for picture in read_label_file(people):
        if picture.file in found and (picture.file, part) in parts:
            persons = [np.array(one, np.float64) for one in found[picture.file]]
            matched = match_persons([box_of(one) for one in picture.persons], persons)
            keypoints += [NOT_FOUND if place is None else persons[place] for place in matched]
            labels += [one.label for one in picture.persons]
    return People(np.array(keypoints), tuple(labels))


def everyday_people(keypoints_file: Path, keep: Callable[[int], bool] = lambda picture_id: True) -> People:
    """The people of a COCO keypoints file with enough annotated joints; `keep`: by the id of their picture.

    Everyday scenes: hardly anybody climbs.
    """
    content = json.loads(keypoints_file.read_text(encoding="utf-8"))
    found = {one["id"]: one for one in content["annotations"] if any(one.get("keypoints") or ())}
    flat = [one["keypoints"] for one in found.values() if keep(one["image_id"])]
    joints = to_joints(np.array(flat, np.float32).reshape(-1, 17, 3)).astype(np.float64)
    enough = (joints[:, list(BODY), 2] > 0).sum(axis=1) >= ENOUGH_JOINTS
    return People(joints[enough], ("everyday",) * int(enough.sum()))


def as_detected(keypoints: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The persons as a network might see them: a joint in eight is missing, all are off by 2 % of the extent."""
    rng = np.random.default_rng(seed)
    changed = keypoints.copy()
    found = keypoints[:, :, 2] > 0
    extents = [np.ptp(one[seen, :2], axis=0).max() if seen.any() else 0.0 for one, seen in zip(keypoints, found)]
    changed[:, :, :2] += rng.normal(0, 1, changed[:, :, :2].shape) * (0.02 * np.array(extents))[:, None, None]
    changed[rng.random(found.shape) < 1 / 8] = 0
    changed[~found] = 0
    return changed
