"""Which categories of a COCO file are people, and where in their lists of joints each COCO joint stands."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from src.data.joint_names import fold, read_joint_names
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType

#: Names of a category, or of an outline, that mean a person.
PERSON_NAMES = frozenset(("person", "people", "persons", "human", "pedestrian", "人", "人物", "人体", "行人"))

_LISTED = 6


@dataclass(frozen=True)
class JointOrder:
    """Where a category keeps its joints: `columns[i]` is the place of COCO's joint i, `neck` that of the neck.

    `names` are the category's own; no names stands for people of whom only box and outline are used.
    """

    names: tuple[str, ...] = ()
    columns: tuple[int, ...] = ()
    neck: int | None = None

    @property
    def is_cocos(self) -> bool:
        """Whether COCO's 17 joints come first and in COCO's order, so that none has to be moved."""
        return self.columns == tuple(range(len(self.columns)))


@dataclass(frozen=True)
class Categories:
    """`people`: joints by category id; `others`: names of the categories that are left out, by id."""

    people: dict[Hashable, JointOrder]
    others: dict[Hashable, str]

    @property
    def known(self) -> list[Hashable]:
        """All ids; few, so a list serves."""
        return [*self.people, *self.others]


def identity(value: object, key: str) -> int | str:
    """An id: a whole number (however written) or text; ValueError for anything else, naming its `key`."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or value == "":
        raise ValueError(f"'{key}' is neither a whole number nor text: {value!r:.40}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"'{key}' is out of range: {value!r:.40}")
    return value


def read_categories(raw: object) -> Categories:
    """The people among a file's categories; ValueError saying what is missing when there are none with COCO's joints.

    A category counts when its `keypoints` name all 17 joints, in any order and usual spelling. One that is called
    person but has other joints, or none, is of people whose joints are unknown: they are masked.
    """
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise ValueError("'categories' is not a list of categories")
    people: dict[Hashable, JointOrder] = {}
    others: dict[Hashable, str] = {}
    problems = []
    for category in raw:
        try:
            number = identity(category.get("id"), "id")
        except ValueError as error:
            raise ValueError(f"category {category.get('name')!r:.40}: {error}") from None
        if number in people or number in others:
            raise ValueError(f"'categories' has the id {number!r} twice")
        order = _joint_order(category.get("keypoints"))
        if isinstance(order, JointOrder):
            people[number] = order
        else:
            problems.append(f"{category.get('name')!r} {order}")
            others[number] = str(category.get("name"))
    if not people:
        raise ValueError("'categories' has none with COCO's 17 keypoints: " + ("; ".join(problems) or "it is empty"))
    for other, name in list(others.items()):
        if name.strip().casefold() in PERSON_NAMES:
            people[other] = JointOrder()
            del others[other]
    return Categories(people, others)


def _joint_order(names: object) -> JointOrder | str:
    """The order of a category's joints, or what keeps it from having COCO's."""
    if not names:
        return "names no 'keypoints'"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "has 'keypoints' that are not a list of names"
    place = _places(names)
    missing = [name for name, joint in zip(COCO_KEYPOINT_NAMES, COCO_ORDER) if joint not in place]
    if missing:
        known = set(place.values())
        unknown = [name for column, name in enumerate(names) if column not in known]
        return f"lacks {_some(missing)}" + (f" and has {_some(unknown)}" if unknown else "")
    return JointOrder(tuple(names), tuple(place[joint] for joint in COCO_ORDER), place.get(JointType.Neck))


def _places(names: Sequence[str]) -> dict[JointType, int]:
    """Joint to column; where two names mean one joint, COCO's own name wins, then the first."""
    known = read_joint_names()
    places: dict[JointType, int] = {}
    for column, name in enumerate(names):
        if name in COCO_KEYPOINT_NAMES:
            places.setdefault(COCO_ORDER[COCO_KEYPOINT_NAMES.index(name)], column)
    for column, name in enumerate(names):
        joint = known.get(fold(name))
        if joint is not None:
            places.setdefault(joint, column)
    return places


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
