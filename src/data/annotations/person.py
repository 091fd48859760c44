"""One annotated person of a COCO file: every field checked, and completed from the others where it cannot be right.

Everything that raises ValueError says what is wrong; the caller adds file and annotation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from src.data.annotations.categories import JointOrder
from src.data.annotations.regions import (
    Box,
    Polygon,
    Runs,
    box_around,
    box_around_joints,
    numbers,
    polygon_area,
    polygons_around,
    read_polygons,
    read_runs,
)
from src.pose.skeleton import COCO_KEYPOINT_NAMES

JOINTS = len(COCO_KEYPOINT_NAMES)
NO_JOINTS: Sequence[float] = (0.0,) * (3 * JOINTS)
NO_NECK: Sequence[float] = (0.0, 0.0, 0.0)

#: Descriptions of what `complete_person` counts, for the log.
AREA = "areas taken from outline or box"
BOX = "boxes taken from outline or joints"
COUNT = "num_keypoints counted"
OUTLINE = "outlines without area dropped"
ORIGIN = "joints at 0, 0 taken as not labelled"
CROWD_FLAG = "iscrowd read from text"

#: The share of a box that a person in it fills at least, and how far an area may exceed box or outline.
_LEAST_OF_BOX, _LEAST_OF_OUTLINE, _MOST_OF_BOX, _MOST_OF_OUTLINE = 0.05, 0.5, 1.5, 2.0

_AREA_MAX = 1e11

_FLAGS = {"": 0, "0": 0, "false": 0, "no": 0, "1": 1, "true": 1, "yes": 1}


class Person(NamedTuple):
    """An annotated person.

    `number` counts the file's persons from 1, `label` names the annotation in messages, `picture` is its picture's
    number. `keypoints` are 17 × (x, y, visibility 0, 1, 2) in COCO's order, `neck` the same for the neck where the file
    has one. `polygons` and `runs` are the outline as the file gives it; `box` is None when nothing tells where the
    person is. Pixels and square pixels.
    """

    number: int
    label: str
    picture: int
    keypoints: Sequence[float]
    neck: Sequence[float]
    is_crowd: bool
    polygons: Sequence[Polygon]
    runs: Runs | None
    box: Box | None
    area: float

    @property
    def joint_count(self) -> int:
        """How many of COCO's 17 joints are labelled."""
        return sum(visibility > 0 for visibility in self.keypoints[2::3])

    @property
    def outline(self) -> Sequence[Polygon]:
        """Where the person is, as polygons: the outline, that of its run-length mask, else none."""
        return self.polygons or (polygons_around(self.runs) if self.runs is not None else ())


def complete_person(
    raw: Mapping[str, object],
    place: tuple[int, str, int],
    order: JointOrder,
    size: tuple[int, int],
    completed: Counter[str],
) -> Person:
    """The person of an annotation; `place` is (number, label, picture), `size` the picture's (width, height).

    Counts in `completed` what was completed.
    """
    keypoints, neck = _keypoints(raw.get("keypoints"), order, completed)
    joint_count = sum(visibility > 0 for visibility in keypoints[2::3])
    if order.names and raw.get("num_keypoints") != joint_count:
        completed[COUNT] += 1
    is_crowd = _crowd_flag(raw.get("iscrowd"), completed)
    polygons, runs = _outline(raw.get("segmentation"), size, completed)
    box = _box(raw.get("bbox"), polygons, runs, keypoints, size, completed)
    area = _area(raw.get("area"), _outline_area(polygons, runs), box, completed)
    return Person(*place, keypoints, neck, is_crowd, polygons, runs, box, area)


def _keypoints(raw: object, order: JointOrder, completed: Counter[str]) -> tuple[Sequence[float], Sequence[float]]:
    """COCO's 17 joints in COCO's order, and the neck."""
    if not raw or not order.names:
        return NO_JOINTS, NO_NECK
    if isinstance(raw, list) and all(isinstance(each, list) and len(each) == 3 for each in raw):
        raw = [value for joint in raw for value in joint]
    values = numbers(raw, "'keypoints'")
    if len(values) != 3 * len(order.names):
        raise ValueError(
            f"has {len(values)} numbers in 'keypoints', not {3 * len(order.names)} for the {len(order.names)} joints "
            "of its category"
        )
    if not set(values[2::3]) <= {0.0, 1.0, 2.0}:
        raise ValueError("'keypoints' has a visibility that is not 0, 1 or 2")
    for column in range(2, len(values), 3):
        if values[column] and not values[column - 1] and not values[column - 2]:
            values[column] = 0.0
            completed[ORIGIN] += 1
    sorted_joints = [value for column in order.columns for value in values[3 * column : 3 * column + 3]]
    return sorted_joints, NO_NECK if order.neck is None else values[3 * order.neck : 3 * order.neck + 3]


def _crowd_flag(raw: object, completed: Counter[str]) -> bool:
    if isinstance(raw, str) and raw.strip().casefold() in _FLAGS:
        completed[CROWD_FLAG] += 1
        return bool(_FLAGS[raw.strip().casefold()])
    if raw is not None and (not isinstance(raw, (int, float)) or raw not in (0, 1)):
        raise ValueError(f"iscrowd must be 0 or 1, not {raw!r}")
    return bool(raw)


def _outline(raw: object, size: tuple[int, int], completed: Counter[str]) -> tuple[Sequence[Polygon], Runs | None]:
    if not raw:
        return (), None
    if isinstance(raw, dict):
        return (), read_runs(raw, size)
    polygons, dropped = read_polygons(raw)
    if polygons and sum(map(polygon_area, polygons)) < 1.0:  # thinner than a pixel: the box says more
        polygons, dropped = [], dropped + len(polygons)
    if dropped:
        completed[OUTLINE] += dropped
    return polygons, None


def _outline_area(polygons: Sequence[Polygon], runs: Runs | None) -> float:
    return float(sum(runs.counts[1::2])) if runs is not None else sum(map(polygon_area, polygons))


def _box(
    raw: object,
    polygons: Sequence[Polygon],
    runs: Runs | None,
    keypoints: Sequence[float],
    size: tuple[int, int],
    completed: Counter[str],
) -> Box | None:
    """The file's box; where it is missing, empty, or not where the joints are: from the outline, else the joints."""
    given = box = _given_box(raw)
    xs, ys = keypoints[::3], keypoints[1::3]
    labelled = [(x, y) for x, y, visibility in zip(xs, ys, keypoints[2::3]) if visibility]
    if box is not None and _holds(box, labelled):
        return box
    outline = polygons or (polygons_around(runs) if runs is not None else ())
    if outline:
        box = box_around([point for polygon in outline for point in zip(polygon[::2], polygon[1::2])])
    elif labelled:
        box = box_around_joints(labelled, size)
    if given is not None and box is not None and max(abs(a - b) for a, b in zip(given, box)) <= 1.0:
        return given  # box and outline agree, although the joints lie elsewhere
    if box is not None:
        completed[BOX] += 1
    return box


def _given_box(raw: object) -> Box | None:
    """x, y, width, height; None where the file gives no box, or one without area."""
    if not raw:
        return None
    values = numbers(raw, "'bbox'")
    if len(values) != 4:
        raise ValueError(f"'bbox' has {len(values)} numbers, not x, y, width and height")
    x, y, width, height = values
    return (x, y, width, height) if width > 0 and height > 0 else None


def _holds(box: Box, labelled: Sequence[tuple[float, float]]) -> bool:
    """Whether at least half of the joints lie in the box or close to it."""
    x, y, width, height = box
    slack = 0.1 * max(width, height) + 1.0
    inside = sum(x - slack <= px <= x + width + slack and y - slack <= py <= y + height + slack for px, py in labelled)
    return 2 * inside >= len(labelled)


def _area(raw: object, outline: float, box: Box | None, completed: Counter[str]) -> float:
    if raw is not None and (isinstance(raw, bool) or not isinstance(raw, (int, float)) or not abs(raw) < _AREA_MAX):
        raise ValueError(f"'area' must be a number of square pixels, not {raw!r:.40}")
    area, is_given = likely_area(raw, outline, box)
    completed[AREA] += not is_given
    return area


def likely_area(given: float | None, outline: float, box: Box | None) -> tuple[float, bool]:
    """A person's area, and whether it is the given one: where that cannot be right, the outline's, the box's or 0."""
    boxed = box[2] * box[3] if box is not None else 0.0
    least = _LEAST_OF_OUTLINE * outline if outline else _LEAST_OF_BOX * boxed
    most = max(_MOST_OF_OUTLINE * outline, _MOST_OF_BOX * boxed)
    if given is not None and given > 0 and (most == 0 or least <= given <= most):
        return float(given), True
    return outline or boxed, False
