"""Reads a COCO keypoints file for pycocotools: checked, and completed where training completes it too."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES

_NUMBERS = 3 * len(COCO_KEYPOINT_NAMES)


def read_truth(annotation_file: Path) -> Any:
    """pycocotools' view of the persons in an annotation file; DataError naming file, element and what is wrong.

    Annotations of other categories are left out. A person without keypoints has none, `num_keypoints` is counted and
    `area` taken from the box where the file does not say.
    """
    from pycocotools.coco import COCO

    try:
        content = json.loads(annotation_file.read_text(encoding="utf-8"))
        dataset = _checked(content)
    except FileNotFoundError:
        raise DataError(f"{annotation_file}: no such annotation file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{annotation_file}: not a COCO keypoints file ({error})") from None
    truth = COCO()
    truth.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def person_category(truth: Any) -> int:
    """The id of the category that has keypoints."""
    return int(truth.dataset["categories"][0]["id"])


def _checked(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise ValueError("it has no lists of images, annotations and categories")
    person = next((each for each in content["categories"] if _is_person(each)), None)
    if person is None:
        raise ValueError("it has no category with COCO's 17 keypoints")
    persons = [each for each in content["annotations"] if _category_of(each) == person["id"]]
    return {
        **content,
        "images": [_image(each) for each in content["images"]],
        "annotations": [_person(each) for each in persons],
        "categories": [person],
    }


def _is_person(category: Any) -> bool:
    return (
        isinstance(category, dict)
        and category.get("keypoints") == list(COCO_KEYPOINT_NAMES)
        and isinstance(category.get("id"), int)
    )


def _category_of(annotation: Any) -> Any:
    if not isinstance(annotation, dict) or "category_id" not in annotation:
        raise ValueError(f"an annotation has no category_id: {str(annotation)[:60]}")
    return annotation["category_id"]


def _image(raw: Any) -> Mapping[str, Any]:
    fits = (
        isinstance(raw, dict)
        and isinstance(raw.get("id"), int)
        and isinstance(raw.get("file_name"), str)
        and all(isinstance(raw.get(side), int) and raw[side] > 0 for side in ("width", "height"))
    )
    if not fits:
        raise ValueError(f"an image needs id, file_name, width and height: {str(raw)[:60]}")
    return raw


def _person(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A person's annotation with all that COCO's evaluation reads."""
    if not all(isinstance(raw.get(key), int) for key in ("id", "image_id")):
        raise ValueError(f"an annotation needs id and image_id as whole numbers: {str(raw)[:60]}")
    keypoints = raw.get("keypoints") or [0] * _NUMBERS
    if not _are_numbers(keypoints, _NUMBERS):
        raise ValueError(f"annotation {raw['id']}: keypoints must be {_NUMBERS} numbers")
    if not _are_numbers(raw.get("bbox"), 4):
        raise ValueError(f"annotation {raw['id']}: bbox must be x, y, width and height")
    area = raw.get("area")
    if area is None:
        area = raw["bbox"][2] * raw["bbox"][3]
    if not _are_numbers([area], 1):
        raise ValueError(f"annotation {raw['id']}: area must be a number")
    if raw.get("iscrowd") not in (None, 0, 1):
        raise ValueError(f"annotation {raw['id']}: iscrowd must be 0 or 1")
    count = sum(visibility > 0 for visibility in keypoints[2::3])
    known = raw.get("num_keypoints")
    return {
        **raw,
        "keypoints": keypoints,
        "num_keypoints": known if isinstance(known, int) else count,
        "area": area,
        "iscrowd": int(raw.get("iscrowd") or 0),
    }


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
    )
