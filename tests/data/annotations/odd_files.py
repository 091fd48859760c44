"""Annotation files as real programs write them: changes that say the same in another way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from src.data.drawn.dataset import PERSON_CATEGORY
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType

Content = dict[str, Any]
Change = Callable[[Content], None]


def categories_first(content: Content) -> None:
    others = {key: content.pop(key) for key in ("info", "images", "annotations")}
    content.update(others)


def annotations_first(content: Content) -> None:
    others = {key: content.pop(key) for key in ("images", "categories", "info")}
    content.update(others)


def bicycle_beside(content: Content) -> None:
    content["categories"] = [{"id": 2, "name": "bicycle"}, *content["categories"]]
    box = {"bbox": [100, 100, 60, 60], "area": 3600, "iscrowd": 0}
    content["annotations"].insert(0, {"id": 900, "image_id": 1, "category_id": 2, **box})


def two_categories(content: Content) -> None:
    content["categories"].append({**PERSON_CATEGORY, "id": 9, "name": "climber"})
    for each in content["annotations"][::2]:
        each["category_id"] = 9


def empty_category_first(content: Content) -> None:
    content["categories"].insert(0, {"id": 5, "name": "people in groups", "keypoints": []})


def people_without_joints(content: Content) -> None:
    content["categories"].append({"id": 8, "name": "Person"})
    for each in content["annotations"][-2:]:
        each["category_id"] = 8


def joints_in_joint_type_order(content: Content) -> None:
    content["categories"][0]["keypoints"] = [joint.name for joint in JointType]
    for each in content["annotations"]:
        rows = [each["keypoints"][3 * i : 3 * i + 3] for i in range(17)]
        moved = [[0, 0, 0] for _ in JointType]
        for joint, row in zip(COCO_ORDER, rows):
            moved[joint] = row
        each["keypoints"] = [value for row in moved for value in row]


def joints_backwards(content: Content) -> None:
    content["categories"][0]["keypoints"] = [name.replace("_", " ").title() for name in COCO_KEYPOINT_NAMES[::-1]]
    for each in content["annotations"]:
        rows = [each["keypoints"][3 * i : 3 * i + 3] for i in range(17)]
        each["keypoints"] = [value for row in rows[::-1] for value in row]


def ids_from_zero(content: Content) -> None:
    for number, each in enumerate(content["annotations"]):
        each["id"] = number


def repeated_ids(content: Content) -> None:
    for each in content["annotations"]:
        each["id"] = 3


def no_ids(content: Content) -> None:
    for each in content["annotations"]:
        del each["id"]


def picture_ids_as_text(content: Content) -> None:
    for each in content["images"]:
        each["id"] = f"img-{each['id']}"
    for each in content["annotations"]:
        each["image_id"] = f"img-{each['image_id']}"


def picture_ids_of_zero_and_floats(content: Content) -> None:
    for each in content["images"]:
        each["id"] = float(each["id"] - 1)
    for each in content["annotations"]:
        each["image_id"] -= 1


def category_ids_as_floats(content: Content) -> None:
    content["categories"][0]["id"] = 1.0
    for number, each in enumerate(content["annotations"]):
        each["category_id"] = (1, 1.0)[number % 2]


def category_ids_as_text(content: Content) -> None:
    content["categories"][0]["id"] = "人"
    for each in content["annotations"]:
        each["category_id"] = "人"


def crowd_flags_as_text(content: Content) -> None:
    for each in content["annotations"]:
        each["iscrowd"] = str(each["iscrowd"])


def counts_contradict(content: Content) -> None:
    for each in content["annotations"]:
        each["num_keypoints"] = 17 - each["num_keypoints"]


def nothing_derived(content: Content) -> None:
    for each in content["annotations"]:
        for key in ("num_keypoints", "area", "iscrowd") if not each.get("iscrowd") else ("num_keypoints", "area"):
            each.pop(key, None)


def no_boxes_of_outlined(content: Content) -> None:
    for number, each in enumerate(content["annotations"]):
        if each["segmentation"]:
            each["bbox"] = (None, [], [0, 0, 0, 0], [900, 900, 3, 3])[number % 4]


def outlines_flat_or_in_pairs(content: Content) -> None:
    for number, each in enumerate(content["annotations"]):
        outline = each["segmentation"]
        if isinstance(outline, list) and len(outline) == 1:
            pairs = [list(pair) for pair in zip(outline[0][::2], outline[0][1::2])]
            each["segmentation"] = (outline[0], pairs, [pairs])[number % 3]


def empty_outlines(content: Content) -> None:
    for each in content["annotations"]:
        if each["segmentation"] == []:
            each["segmentation"] = [[]]


def picture_listed_twice(content: Content) -> None:
    content["images"].append({**content["images"][0], "id": 77})
    again = copy.deepcopy([each for each in content["annotations"] if each["image_id"] == 1])
    content["annotations"] += [{**each, "image_id": 77, "id": each["id"] + 1000} for each in again]


def backslashes(content: Content) -> None:
    for each in content["images"]:
        each["file_name"] = ".\\" + each["file_name"]


ODD: list[Change] = [
    *(categories_first, annotations_first, bicycle_beside, two_categories, empty_category_first, people_without_joints),
    *(joints_in_joint_type_order, joints_backwards, ids_from_zero, repeated_ids, no_ids, picture_ids_as_text),
    *(
        picture_ids_of_zero_and_floats,
        category_ids_as_floats,
        category_ids_as_text,
        crowd_flags_as_text,
        counts_contradict,
        no_boxes_of_outlined,
    ),
    *(outlines_flat_or_in_pairs, empty_outlines, picture_listed_twice, backslashes),
]


#: Oddities as they come together, in this order.
TOGETHER: list[list[Change]] = [
    [
        *(joints_in_joint_type_order, counts_contradict, people_without_joints, no_boxes_of_outlined, empty_outlines),
        *(crowd_flags_as_text, bicycle_beside, repeated_ids, picture_ids_as_text, backslashes, annotations_first),
    ],
    [
        *(two_categories, empty_category_first, picture_listed_twice, outlines_flat_or_in_pairs, crowd_flags_as_text),
        *(picture_ids_of_zero_and_floats, no_ids, counts_contradict, backslashes, categories_first),
    ],
]
