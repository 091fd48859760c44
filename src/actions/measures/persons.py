"""Many persons in arrays, and what a criterion reads of them that chooses its joints itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.actions.measures.geometry import Array
from src.actions.measures.pose import Pose, joints_of, places_of
from src.actions.measures.readings import Reading
from src.pose.skeleton import JointType

Joints = tuple[JointType, ...]


class Persons(NamedTuple):
    """Persons, their joints' places (persons x 18 x (x, y) in pixels) and their sizes, NaN for what is not known.

    `confidence`: persons x 18, 0 for joints that were not found.
    """

    poses: Sequence[Pose]
    places: Array
    torso_px: Array
    confidence: Array


class Chosen(NamedTuple):
    """What a criterion read of persons at joints of its own choice.

    `values`: persons x readings in pixels or degrees, NaN where a joint is missing or the direction is undefined.
    `joints`: of a person's number the joints of each reading. `is_wanted`: which readings count; None: all.
    """

    values: Array
    joints: Callable[[int], list[Joints]]
    is_wanted: NDArray[np.bool_] | None = None

    @property
    def is_partial(self) -> NDArray[np.bool_]:
        """Of which persons a reading that counts could not be taken."""
        missing = np.isnan(self.values)
        return (missing if self.is_wanted is None else missing & self.is_wanted).any(axis=1)


def persons_of(poses: Sequence[Pose]) -> Persons:
    """The persons in arrays."""
    sizes = [math.nan if pose.torso_px is None else pose.torso_px for pose in poses]
    joints = joints_of(poses)
    return Persons(poses, places_of(joints), np.array(sizes, dtype=np.float64), joints[..., 2])


def one_by_one(read: Callable[[Pose], list[Reading]]) -> Callable[[Persons], Chosen]:
    """Takes the readings of each person in turn, of every person as many."""

    def chosen(persons: Persons) -> Chosen:
        readings = [read(pose) for pose in persons.poses]
        values = [[math.nan if one.value is None else one.value for one in of_person] for of_person in readings]
        array = np.array(values, dtype=np.float64).reshape(len(readings), len(values[0]) if values else 0)
        return Chosen(array, lambda number: [one.joints for one in readings[number]])

    return chosen
