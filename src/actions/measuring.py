"""From criteria as an action declares them to measurements: which reading decides, in which unit, and whether it holds.

All criteria are measured on all persons at once, with arrays of persons x criteria x readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.actions.action import ANY_SIDE, EACH_SIDE, LARGEST, DeclaredCriterion
from src.actions.combination import FAILS, HOLDS, UNJUDGED
from src.actions.measures.geometry import Array
from src.actions.measures.pose import Pose, places_of
from src.actions.measures.readings import Reading, Readings
from src.actions.measures.spots import Spots
from src.pose.skeleton import JointType

Joints = tuple[JointType, ...]
#: Readings that a criterion takes itself, by the criterion's index.
OwnReadings = dict[int, list[Reading]]
_Decided = tuple[float, float, float, int, bool, bool]


class Measurement(NamedTuple):
    """What decided: the value in `unit`, the same in pixels for lengths, and the joints it comes from.

    `value` is None when nothing could be measured; `joints` are then all that were wanted. `points`: of a sign with a
    scale, None where it was not seen; its verdict is then whether it gives any.
    """

    verdict: int
    value: float | None
    unit: str
    joints: Joints
    length_px: float | None = None
    points: float | None = None


class Decisive(NamedTuple):
    """The readings that decide, as arrays of persons x criteria; NaN where there is none.

    `value`: in the criterion's unit; in pixels where only its sign can be applied (`is_sign_only`), because no limb
    told the body's size. `margin`: how far it is on the side where the criterion holds. `raw`: in pixels or degrees.
    `number`: which reading it is. `is_partial`: others could not be taken.
    """

    value: Array
    margin: Array
    raw: Array
    number: NDArray[np.int64]
    is_partial: NDArray[np.bool_]
    is_sign_only: NDArray[np.bool_]


class Measures:
    """Criteria as they are declared, ready to be measured on any persons.

    Of a criterion's readings that were found the most favourable decides with sides "any", otherwise the least
    favourable; with "each" one that was not found leaves it open unless another already fails. Of a sign with a scale
    the largest or the smallest gives the points.
    """

    def __init__(self, declared: Sequence[DeclaredCriterion]) -> None:
        self._declared = tuple(declared)
        spots = [() if callable(one.criterion.read) else one.criterion.read for one in declared]
        kinds = [one.criterion.kind for one, pairs in zip(declared, spots) for _ in pairs]
        self._readings = Readings(kinds, [pair for pairs in spots for pair in pairs])
        self._own = [(index, one.criterion.read) for index, one in enumerate(declared) if callable(one.criterion.read)]
        self._joints = [_fixed_joints(pairs) for pairs in spots]
        self._columns = _padded_columns([len(pairs) for pairs in spots])
        low, high = np.array([_bounds(one) for one in declared], dtype=np.float64).reshape(-1, 2).T
        self._low, self._high = low[:, None], high[:, None]
        self._is_length = np.array([one.criterion.kind.is_length for one in declared], dtype=bool)
        self._needs_no_size = np.array([one.scale is None and one.threshold == 0 for one in declared], dtype=bool)
        self._has_scale = np.array([one.scale is not None for one in declared], dtype=bool)[:, None]
        self._sign = np.where([one.sides in (ANY_SIDE, LARGEST) for one in declared], 1.0, -1.0)[:, None]

    def on(self, persons: Sequence[Pose]) -> list[list[Measurement]]:
        """The measurement of each criterion on each person, given without the joints that are too uncertain."""
        own = [self._own_readings(pose) for pose in persons]
        rows = zip(*(array.tolist() for array in self._decide(persons, own)))
        return [self._of_person(pose, zip(*row), mine) for pose, row, mine in zip(persons, rows, own)]

    def decisive(self, persons: Sequence[Pose]) -> Decisive:
        """The readings that decide, before it is asked whether they leave the criterion open."""
        return self._decide(persons, [self._own_readings(pose) for pose in persons])

    def _own_readings(self, pose: Pose) -> OwnReadings:
        """Of the criteria that choose their joints by where they are, or need a scene."""
        return {index: read(pose) for index, read in self._own}

    def _decide(self, persons: Sequence[Pose], own: Sequence[OwnReadings]) -> Decisive:
        size = np.array([math.nan if pose.torso_px is None else pose.torso_px for pose in persons], dtype=np.float64)
        raw, missing = self._take(persons, size, own)
        sizes = np.where(self._is_length, size[:, None], 1.0)
        is_sign_only = np.isnan(sizes) & self._needs_no_size
        value = raw / np.where(is_sign_only, 1.0, sizes)[..., None]
        margin = np.minimum(value - self._low, self._high - value)
        rank = np.where(self._has_scale, value, margin) * self._sign
        number = np.where(np.isnan(rank), -np.inf, rank).argmax(axis=2)
        pick = number[..., None]
        value, margin, raw = (np.take_along_axis(one, pick, axis=2)[..., 0] for one in (value, margin, raw))
        return Decisive(value, margin, raw, number, missing, is_sign_only)

    def _take(
        self, persons: Sequence[Pose], size: Array, own: Sequence[OwnReadings]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """All readings in pixels or degrees, persons x criteria x readings, and whether some could not be taken."""
        joints = np.array([pose.joints for pose in persons], dtype=np.float64).reshape(-1, len(JointType), 3)
        taken = np.pad(self._readings.take(places_of(joints), size), ((0, 0), (0, 1)), constant_values=np.nan)
        more = max((len(one) for mine in own for one in mine.values()), default=0) - self._columns.shape[1]
        columns = np.pad(self._columns, ((0, 0), (0, max(more, 0))), constant_values=-1)
        raw = taken[:, columns]
        missing = (np.isnan(raw) & (columns >= 0)).any(axis=2)
        for number, mine in enumerate(own):
            for index, readings in mine.items():
                values = [math.nan if one.value is None else one.value for one in readings]
                raw[number, index, : len(values)] = values
                missing[number, index] = any(map(math.isnan, values))
        return raw, missing

    def _of_person(self, pose: Pose, decided: Iterable[_Decided], own: OwnReadings) -> list[Measurement]:
        found = []
        for index, (declared, fixed, values) in enumerate(zip(self._declared, self._joints, decided)):
            joints = fixed or [one.joints for one in own.get(index, ())] or _joints_of(pose, declared)
            found.append(_measurement(declared, joints, *values))
        return found


def _measurement(
    declared: DeclaredCriterion,
    joints: Sequence[Joints],
    value: float,
    margin: float,
    raw: float,
    number: int,
    is_partial: bool,
    is_sign_only: bool,
) -> Measurement:
    """Arguments after `joints`, which are those of each reading: see Decisive."""
    kind, scale, points = declared.criterion.kind, declared.scale, None
    verdict = UNJUDGED
    if value == value and scale is not None:  # not NaN
        points = scale.at(value)
        verdict = HOLDS if points > 0 else FAILS
    elif value == value:
        verdict = _verdict(declared, margin, is_partial)
    unit = "px" if is_sign_only else kind.unit
    if verdict == UNJUDGED:
        return Measurement(UNJUDGED, None, unit, tuple(dict.fromkeys(joint for one in joints for joint in one)))
    return Measurement(verdict, value, unit, joints[number], raw if kind.is_length else None, points)


def _verdict(declared: DeclaredCriterion, margin: float, is_partial: bool) -> int:
    is_at_least = declared.criterion.relation == ">=" and not isinstance(declared.threshold, tuple)
    holds = margin >= 0 if is_at_least else margin > 0
    if holds and is_partial and declared.sides == EACH_SIDE:
        return UNJUDGED
    return HOLDS if holds else FAILS


def _padded_columns(counts: Sequence[int]) -> NDArray[np.int64]:
    """The column of each reading, criteria x readings; -1 where a criterion has fewer than others."""
    columns = np.full((len(counts), max([1, *counts])), -1)
    start = 0
    for row, count in zip(columns, counts):
        row[:count] = range(start, start + count)
        start += count
    return columns


def _fixed_joints(readings: Sequence[Spots]) -> list[Joints]:
    """The joints of each reading; none where they depend on what was found of a pair."""
    if any(len(spot) > 1 for spots in readings for spot in spots):
        return []
    return [tuple(spot[0] for spot in spots) for spots in readings]


def _joints_of(pose: Pose, declared: DeclaredCriterion) -> list[Joints]:
    read = declared.criterion.read
    assert not callable(read)  # their readings name the joints
    return [tuple(joint for spot in spots for joint in pose.resting_on(spot)) for spots in read]


def _bounds(declared: DeclaredCriterion) -> tuple[float, float]:
    """Between which values the criterion holds."""
    if isinstance(declared.threshold, tuple):
        return declared.threshold
    return (-math.inf, declared.threshold) if declared.criterion.relation == "<" else (declared.threshold, math.inf)
