"""The points that the measured values of many persons give, for all criteria that have a scale at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from src.actions.action import PointScale
from src.actions.measures.geometry import Array


class PointScales:
    """The scales of an action's criteria side by side, padded to one length; None for a criterion with a threshold."""

    def __init__(self, scales: Sequence[PointScale | None]) -> None:
        known = [(number, scale) for number, scale in enumerate(scales) if scale is not None]
        self._columns = [number for number, _ in known]
        self._bounds = _padded([scale.bounds for _, scale in known], math.inf)
        self._points = _padded([scale.points for _, scale in known], 0.0)
        self._most = np.array([len(scale.bounds) for _, scale in known], dtype=np.int64)
        self._is_linear = np.array([scale.is_linear for _, scale in known], dtype=bool)

    def at(self, values: Array) -> Array:
        """The points for measured values, persons x criteria; NaN where there is no value or no scale.

        A value at a bound belongs above it. Between two bounds of a linear scale the points are interpolated to a tenth
        of a point, half of a tenth to the even one.
        """
        points = np.full(values.shape, np.nan)
        if self._columns:
            found = values[:, self._columns]
            points[:, self._columns] = np.where(np.isnan(found), np.nan, self._points_of(found))
        return points

    def _points_of(self, values: Array) -> Array:
        number = (values[..., None] >= self._bounds).sum(axis=2)
        is_between = self._is_linear & (number > 0) & (number < self._most)
        below = np.clip(number - 1, 0, np.maximum(self._most - 2, 0))
        above = np.minimum(below + 1, self._most - 1)
        row = np.arange(len(self._bounds))
        low, first = self._bounds[row, below], self._points[row, below]
        width, gained = self._bounds[row, above] - low, self._points[row, above] - first
        between = first + gained * (values - low) / np.where(is_between, width, 1.0)
        constant = self._points[row, np.where(self._is_linear, np.minimum(number, self._most - 1), number)]
        return np.where(is_between, np.rint(10 * between) / 10 + 0.0, constant)  # + 0.0: no negative zero


def _padded(rows: Sequence[Sequence[float]], filling: float) -> Array:
    width = max((len(row) for row in rows), default=0)
    filled = [[*row, *[filling] * (width - len(row))] for row in rows]
    return np.array(filled, dtype=np.float64).reshape(len(rows), width)
