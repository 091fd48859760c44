"""Angles between points in picture pixels, y axis pointing down. All angles in degrees."""

from __future__ import annotations

import math

from src.actions.measures.pose import Point


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


def angle_to_horizontal(first: Point, second: Point) -> float | None:
    """How far the line is from the horizontal, 0 to 90 degrees; None when the points coincide."""
    if first == second:
        return None
    return math.degrees(math.atan2(abs(second[1] - first[1]), abs(second[0] - first[0])))


def angle_to_vertical(first: Point, second: Point) -> float | None:
    """How far the line is from the vertical, 0 to 90 degrees; None when the points coincide."""
    level = angle_to_horizontal(first, second)
    return None if level is None else 90.0 - level


def elevation(upper: Point, lower: Point) -> float | None:
    """How steeply the line rises from the second point to the first, -90 to 90 degrees; None when they coincide."""
    level = angle_to_horizontal(upper, lower)
    return None if level is None else math.copysign(level, lower[1] - upper[1])


def inner_angle(first: Point, vertex: Point, second: Point) -> float | None:
    """The angle at `vertex` between its lines to the two others, 0 to 180 degrees; None when one coincides with it.

    atan2(|a x b|, a . b), which keeps its precision near 0 and 180 degrees where the arc cosine loses it.
    """
    if vertex in (first, second):
        return None
    ax, ay = first[0] - vertex[0], first[1] - vertex[1]
    bx, by = second[0] - vertex[0], second[1] - vertex[1]
    return math.degrees(math.atan2(abs(ax * by - ay * bx), ax * bx + ay * by))
