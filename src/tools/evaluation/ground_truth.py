"""Ground truth for pycocotools: the people of a COCO keypoints file, as the one reader checks and completes them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from src.data.annotations.person import Person
from src.data.annotations.reader import AnnotationFile, open_annotations
from src.data.drawn.dataset import PERSON_CATEGORY

if TYPE_CHECKING:
    from pycocotools.coco import COCO

#: pycocotools' key for what this file calls a picture's id; `id` is the reader's number.
FILE_ID = "file_id"


class PictureEntry(TypedDict):
    """A picture as pycocotools has it; pixels."""

    id: int
    file_id: Hashable
    file_name: str
    width: int
    height: int


def read_ground_truth(annotation_file: Path) -> COCO:
    """pycocotools' view of the people in an annotation file; DataError naming file, element and what is wrong.

    Annotations are numbered from 1 (pycocotools takes 0 for "not matched"), people of all categories count as one.
    """
    from pycocotools.coco import COCO

    file = open_annotations(annotation_file)
    truth = COCO()
    truth.dataset = _dataset(file)
    file.log_notes()
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def person_category(truth: COCO) -> int:
    """The id of the file's first category with COCO's joints; all people are in it."""
    return int(truth.dataset["categories"][0]["id"])


def _dataset(file: AnnotationFile) -> dict[str, object]:
    category = next(number for number, order in file.categories.people.items() if order.names)
    return {
        "info": {},
        "images": [
            {"id": one.number, FILE_ID: one.file_id, "file_name": one.name, "width": one.width, "height": one.height}
            for one in file.pictures
        ],
        "annotations": [_annotation(person, category) for person in file.people()],
        "categories": [{**PERSON_CATEGORY, "id": category}],
    }


def _annotation(person: Person, category: Hashable) -> dict[str, object]:
    """All that COCO's keypoint evaluation reads of a person."""
    return {
        "id": person.number,
        "image_id": person.picture,
        "category_id": category,
        "keypoints": list(person.keypoints),
        "num_keypoints": person.joint_count,
        "bbox": list(person.box or (0.0, 0.0, 0.0, 0.0)),
        "area": person.area,
        "iscrowd": int(person.is_crowd),
    }
