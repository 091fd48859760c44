"""The data sets of the training proof, written as COCO files from the annotated people of Leeds Sports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.data.images import picture_size, read_bytes
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType
from tests.bench.real_people import POSITIVE

NAMES_WITH_NECK = [*COCO_KEYPOINT_NAMES, "neck"]
#: The area of a person as a share of its box, as in the annotation files of Leeds Sports used here.
AREA_OF_BOX = 0.53
#: How far a person's box reaches beyond the joints, as a share of the longer side: head, hands and feet.
BEYOND_JOINTS = 0.08


def with_necks(source: Path, target: Path) -> Path:
    """Write the annotations with their extra `lsp_neck` as an eighteenth keypoint, which training uses where given."""
    content = json.loads(source.read_text(encoding="utf-8"))
    for category in content["categories"]:
        category["keypoints"] = [*category["keypoints"], "neck"]
    for person in content["annotations"]:
        neck = person.get("lsp_neck")
        person["keypoints"] = [*person["keypoints"], *((*neck, 2) if neck else (0, 0, 0))]
    return _write(content, target)


def further_climbers(leeds: Path, target: Path) -> Path:
    """Write the people of the part "train" who do a declared action and are not in `keypoints_train.json`.

    Pictures of scenes that the dev part shows, too, are left out.
    """
    persons = json.loads((leeds / "persons.json").read_text(encoding="utf-8"))
    trained_on = json.loads((leeds / "keypoints_train.json").read_text(encoding="utf-8"))
    known = {image["file_name"] for image in trained_on["images"]}
    dev_scenes = {one["scene"] for one in persons if one["part"] == "dev"}
    doing = {label for labels in POSITIVE.values() for label in labels}
    chosen = [
        one
        for one in persons
        if one["part"] == "train"
        and one["label"] in doing
        and one["picture"] not in known
        and one["scene"] not in dev_scenes
    ]
    return _write(_coco(chosen, leeds / "pictures"), target)


def labelled_boxes(leeds: Path, target: Path) -> Path:
    """Write the people of the part "dev" who do a declared action as labels with boxes: {picture: {"persons": […]}}."""
    persons = json.loads((leeds / "persons.json").read_text(encoding="utf-8"))
    action_of = {label: action for action, labels in POSITIVE.items() for label in labels}
    found: dict[str, object] = {}
    for one in persons:
        if one["part"] == "dev" and one["label"] in action_of:
            width, height = _size(leeds / "pictures" / one["picture"])
            box = _box_around(np.array(one["joints"], np.float64), width, height)
            person = {"box": box, "label": action_of[one["label"]]}
            found[one["picture"]] = {"width": width, "height": height, "persons": [person]}
    return _write(found, target)


def _box_around(joints: np.ndarray, width: int, height: int) -> list[float]:
    """[left, top, width, height] in the picture around the labelled joints (18 x 3) and somewhat more."""
    labelled = joints[joints[:, 2] > 0, :2]
    margin = BEYOND_JOINTS * np.ptp(labelled, axis=0).max()
    low, high = (np.clip(end, 0, (width, height)) for end in (labelled.min(0) - margin, labelled.max(0) + margin))
    return [*low.tolist(), *(high - low).tolist()]


def _size(picture: Path) -> tuple[int, int]:
    return picture_size(read_bytes(picture), picture)


def _coco(persons: Sequence[Mapping[str, object]], pictures: Path) -> dict[str, object]:
    """A COCO keypoints document of persons with joints (18 x [x, y, 0 or 1]) who have a picture each."""
    images, annotations = [], []
    for number, one in enumerate(persons, start=1):
        name = str(one["picture"])
        width, height = _size(pictures / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        joints = np.array(one["joints"], np.float64)
        annotations.append({"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, **_annotation(joints)})
    category = {"id": 1, "name": "person", "keypoints": NAMES_WITH_NECK}
    return {"images": images, "annotations": annotations, "categories": [category]}


def _annotation(joints: np.ndarray) -> dict[str, object]:
    labelled = joints[:, 2] > 0
    ordered = joints[[*COCO_ORDER, JointType.Neck]].copy()
    ordered[:, 2] = np.where(ordered[:, 2] > 0, 2, 0)
    low, high = joints[labelled, :2].min(axis=0), joints[labelled, :2].max(axis=0)
    return {
        "keypoints": ordered.ravel().tolist(),
        "num_keypoints": int((ordered[:, 2] > 0).sum()),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod()) * AREA_OF_BOX,
    }


def _write(content: Mapping[str, object], target: Path) -> Path:
    target.write_text(json.dumps(content), encoding="utf-8")
    return target
