"""From criteria as an action declares them to measurements: which reading decides, in which unit, and whether it holds.

All criteria are measured on all persons at once, with arrays of persons x criteria x readings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from src.actions.action import ANY_SIDE, LARGEST, DeclaredCriterion
from src.actions.measurement import Decisive, Measured, verdicts
from src.actions.measures.geometry import Array
from src.actions.measures.persons import Chosen, Persons, persons_of
from src.actions.measures.pose import Pose
from src.actions.measures.readings import Readings
from src.actions.point_scales import PointScales


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
        self._scales = PointScales([one.scale for one in declared])
        self._columns = _padded_columns([len(pairs) for pairs in spots])
        low, high = np.array([_bounds(one) for one in declared], dtype=np.float64).reshape(-1, 2).T
        self._low, self._high = low[:, None], high[:, None]
        self._is_length = np.array([one.criterion.kind.is_length for one in declared], dtype=bool)
        self._needs_no_size = np.array([one.scale is None and one.threshold == 0 for one in declared], dtype=bool)
        self._has_scale = np.array([one.scale is not None for one in declared], dtype=bool)[:, None]
        self._sign = np.where([one.sides in (ANY_SIDE, LARGEST) for one in declared], 1.0, -1.0)[:, None]

    def on(self, poses: Sequence[Pose]) -> Measured:
        """Each criterion on each person, given without the joints that are too uncertain."""
        persons = persons_of(poses)
        own = {index: read(persons) for index, read in self._own}
        decisive = self._decide(persons, own)
        points = self._scales.at(decisive.value)
        return Measured(self._declared, poses, own, decisive, verdicts(self._declared, decisive, points), points)

    def _decide(self, persons: Persons, own: Mapping[int, Chosen]) -> Decisive:
        raw, missing = self._take(persons, own)
        sizes = np.where(self._is_length, persons.torso_px[:, None], 1.0)
        is_sign_only = np.isnan(sizes) & self._needs_no_size
        value = raw / np.where(is_sign_only, 1.0, sizes)[..., None]
        margin = np.minimum(value - self._low, self._high - value)
        rank = np.where(self._has_scale, value, margin) * self._sign
        number = np.where(np.isnan(rank), -np.inf, rank).argmax(axis=2)
        pick = number[..., None]
        value, margin, raw = (np.take_along_axis(one, pick, axis=2)[..., 0] for one in (value, margin, raw))
        return Decisive(value, margin, raw, number, missing, is_sign_only)

    def _take(self, persons: Persons, own: Mapping[int, Chosen]) -> tuple[Array, NDArray[np.bool_]]:
        """All readings in pixels or degrees, persons x criteria x readings, and whether some could not be taken."""
        taken = np.pad(self._readings.take(persons.places, persons.torso_px), ((0, 0), (0, 1)), constant_values=np.nan)
        more = max((chosen.values.shape[1] for chosen in own.values()), default=0) - self._columns.shape[1]
        columns = np.pad(self._columns, ((0, 0), (0, max(more, 0))), constant_values=-1)
        raw = taken[:, columns]
        missing = (np.isnan(raw) & (columns >= 0)).any(axis=2)
        for index, chosen in own.items():
            raw[:, index, : chosen.values.shape[1]] = chosen.values
            missing[:, index] = chosen.is_partial
        return raw, missing


def _padded_columns(counts: Sequence[int]) -> NDArray[np.int64]:
    """The column of each reading, criteria x readings; -1 where a criterion has fewer than others."""
    columns = np.full((len(counts), max([1, *counts])), -1)
    start = 0
    for row, count in zip(columns, counts):
        row[:count] = range(start, start + count)
        start += count
    return columns


def _bounds(declared: DeclaredCriterion) -> tuple[float, float]:
    """Between which values the criterion holds."""
    if isinstance(declared.threshold, tuple):
        return declared.threshold
    return (-math.inf, declared.threshold) if declared.criterion.relation == "<" else (declared.threshold, math.inf)
