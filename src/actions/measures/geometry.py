"""Angles between points in picture pixels, y axis pointing down. All angles in degrees.

Points are arrays of (…, x, y), or lists of them; (dx, dy) is the way from a first point to a second one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Point = tuple[float, float]


def gradient(first: Point, second: Point) -> float:
    """Slope (y2 - y1) / (x2 - x1): positive falls to the right in the picture; infinite for a vertical line.

    NaN when the two points coincide.
    """
    dx, dy = second[0] - first[0], second[1] - first[1]
    if dx == 0:
        return math.nan if dy == 0 else math.copysign(math.inf, dy)
    return dy / dx


def degrees_of_gradient(slope: float) -> float:
    """The angle of a slope to the horizontal, -90 to 90 degrees; NaN stays NaN."""
    return math.degrees(math.atan(slope))


def angle_to_horizontal(dx: Array, dy: Array) -> Array:
    """How far the line is from the horizontal, 0 to 90 degrees; NaN when the points coincide."""
    angle = np.degrees(np.arctan2(np.abs(dy), np.abs(dx)))
    return np.where((dx == 0) & (dy == 0), np.nan, angle)


def angle_to_vertical(dx: Array, dy: Array) -> Array:
    """How far the line is from the vertical, 0 to 90 degrees; NaN when the points coincide."""
    return 90.0 - angle_to_horizontal(dx, dy)


def elevation(dx: Array, dy: Array) -> Array:
    """How steeply the line rises from the second point to the first, -90 to 90 degrees; NaN when they coincide."""
    return np.copysign(angle_to_horizontal(dx, dy), dy)


def inner_angle(first: ArrayLike, vertex: ArrayLike, second: ArrayLike) -> Array:
    """The angle at `vertex` between its lines to the two others, 0 to 180 degrees; NaN when one coincides with it.

    atan2(|a x b|, a . b), which keeps its precision near 0 and 180 degrees where the arc cosine loses it.
    """
    a, b = np.subtract(first, vertex), np.subtract(second, vertex)
    cross = np.abs(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
    angle: Array = np.degrees(np.arctan2(cross, a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]))
    return np.where((a == 0).all(axis=-1) | (b == 0).all(axis=-1), np.nan, angle)
