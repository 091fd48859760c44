"""Which detected person is which labelled one: matched by the boxes, each at most once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.actions.evaluation.labels import Box, LabelledPerson, common_area, overlap
from src.actions.measures.pose import as_pose

#: A detected person belongs to a labelled box when at least this share of its joints lies in it, and the box around
#: its joints covers at least this share of the labelled one: three joints of an arm are not the person.
LEAST_JOINTS_INSIDE = 0.6
LEAST_COVERED = 0.1
MARGIN = 0.1  # of the box's longer side: labelled boxes are drawn by hand


def match_persons(boxes: Sequence[Box | None], detected: Sequence[ArrayLike]) -> list[int | None]:
    """For each labelled box the number of the detected person (18 x 3 keypoints) in it; the best pairs first.

    A label without a box stays unmatched.
    """
    pairs = [
        (score, label, person)
        for label, box in enumerate(boxes)
        for person, keypoints in enumerate(detected)
        if box is not None and (score := fit(box, keypoints)) > 0
    ]
    matched: list[int | None] = [None] * len(boxes)
    taken: set[int] = set()
    for _, label, person in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if matched[label] is None and person not in taken:
            matched[label] = person
            taken.add(person)
    return matched


def box_of(person: LabelledPerson) -> Box | None:
    """The labelled box; without one the box around the annotated joints, None where there are none."""
    if person.box is not None or person.keypoints is None:
        return person.box
    joints = found_joints(person.keypoints)
    return _around(joints) if len(joints) else None


def fit(box: Box, keypoints: ArrayLike) -> float:
    """How well a detected person fits a labelled box: joints inside times overlap of the boxes, 0 (not at all) to 1."""
    joints = found_joints(keypoints)
    if not len(joints):
        return 0.0
    left, top, width, height = box
    margin = MARGIN * max(width, height)
    low, high = np.array((left, top)) - margin, np.array((left + width, top + height)) + margin
    inside = float(((joints >= low) & (joints <= high)).all(axis=1).mean())
    own = _around(joints)
    if inside < LEAST_JOINTS_INSIDE or common_area(box, own) < LEAST_COVERED * width * height:
        return 0.0
    return inside * overlap(box, own)


def found_joints(keypoints: ArrayLike) -> NDArray[np.float64]:
    """The places (n x 2, in pixels) of the joints that were found."""
    joints = np.array(as_pose(keypoints).joints)
    found: NDArray[np.float64] = joints[joints[:, 2] > 0, :2]
    return found


def _around(joints: NDArray[np.float64]) -> Box:
    (left, top), (right, bottom) = joints.min(axis=0), joints.max(axis=0)
    return (float(left), float(top), float(right - left), float(bottom - top))
