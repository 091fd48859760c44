"""What criteria measure: the kinds, a reading of one pair or side, and how many are taken at once, for many persons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from src.actions.measures.geometry import Array, angle_to_horizontal, angle_to_vertical, elevation, inner_angle
from src.actions.measures.spots import SHOULDER_LINE, SHOULDERS, Spot, Spots
from src.pose.skeleton import JointType

#: Two joints nearer than this many torsos give no direction: an angle between them would be noise.
SHORTEST_LINE_IN_TORSOS = 0.15


class Kind(Enum):
    """What a criterion measures."""

    HEIGHT = "height"  # how far the first joint is above the second
    DISTANCE = "distance"  # how far two joints are apart
    WIDTH = "width"  # how far two joints are apart sideways
    TO_HORIZONTAL = "angle to the horizontal"  # 0 to 90 degrees
    TO_VERTICAL = "angle to the vertical"  # 0 to 90 degrees
    INNER_ANGLE = "inner angle"  # at the second of three joints, 0 to 180 degrees
    ELEVATION = "elevation"  # of the line from the second joint up to the first, -90 to 90 degrees
    LINE_HEIGHT = "height over a line of the scene"  # how far the joint is above it
    LINE_DISTANCE = "distance to a line of the scene"
    LINE_SIDES = "sides of a line of the scene"  # distance of the nearer joint, negative where both are on one side
    SIDEWAYS = "offset to the right"  # how far the first joint is to the right of the second in the picture
    CONFIDENCE = "confidence"  # of the joints themselves, 0 to 1

    def __init__(self, words: str) -> None:
        """`unit`: of thresholds and values, "torso", "deg" or "" (a share). `is_length`: whether it is the first."""
        is_angle = words in ("angle to the horizontal", "angle to the vertical", "inner angle", "elevation")
        self.unit = "deg" if is_angle else "" if words == "confidence" else "torso"
        self.is_length = self.unit == "torso"


#: Kinds that cannot be measured where no scene is declared.
SCENE_KINDS = frozenset((Kind.LINE_HEIGHT, Kind.LINE_DISTANCE, Kind.LINE_SIDES))

#: From the way (dx, dy) from the first spot to the second, in pixels, to what the kind measures.
FORMULAS: Mapping[Kind, Callable[[Array, Array], Array]] = {
    Kind.HEIGHT: lambda _, dy: dy,
    Kind.DISTANCE: np.hypot,
    Kind.WIDTH: lambda dx, _: np.abs(dx),
    Kind.SIDEWAYS: lambda dx, _: 0.0 - dx,
    Kind.TO_HORIZONTAL: angle_to_horizontal,
    Kind.TO_VERTICAL: angle_to_vertical,
    Kind.ELEVATION: elevation,
}


class Reading(NamedTuple):
    """One look at the joints of one pair or side.

    `value`: pixels for heights, distances and widths, degrees for angles; None when a joint is missing or the direction
    is undefined. `joints`: the joints looked at, in the order of the sentence that explains them.
    """

    value: float | None
    joints: tuple[JointType, ...]


class Readings:
    """Readings to be taken of many persons at once; `kinds` has one kind for each of the `spots`."""

    def __init__(self, kinds: Sequence[Kind], spots: Sequence[Spots]) -> None:
        self._places = list(dict.fromkeys(spot for one in spots for spot in one))
        pairs = [SHOULDERS if spot == SHOULDER_LINE else spot for spot in self._places]
        self._first, self._last = ([int(pair[end]) for pair in pairs] for end in (0, -1))
        self._from_neck = [index for index, spot in enumerate(self._places) if spot == SHOULDER_LINE]
        self._by_kind = [(kind, *_columns(kinds, spots, kind, self._places)) for kind in dict.fromkeys(kinds)]
        self._count = len(kinds)

    def take(self, places: Array, torso_px: Array) -> Array:
        """All readings, persons x readings; NaN where a joint is missing or the direction is undefined.

        `places`: persons x 18 x (x, y) in pixels, NaN for joints that were not found. `torso_px`: the size of each
        person, NaN where it is not known.
        """
        spots = self._spots(places)
        values = np.full((len(places), self._count), np.nan)
        for kind, numbers, columns in self._by_kind:
            ends = [spots[:, column] for column in columns]
            if kind is Kind.INNER_ANGLE:
                values[:, numbers] = inner_angle(*ends)
            elif kind in FORMULAS:
                values[:, numbers] = measure_lines(kind, ends[0], ends[1], torso_px)
        return values

    def _spots(self, places: Array) -> Array:
        first, last = places[:, self._first], places[:, self._last]
        spots = (first + last) / 2
        spots = np.where(np.isnan(first), last, np.where(np.isnan(last), first, spots))
        for index in self._from_neck:
            neck = places[:, JointType.Neck]
            spots[:, index] = np.where(np.isnan(neck), spots[:, index], neck)
        return spots


def _columns(
    kinds: Sequence[Kind], spots: Sequence[Spots], kind: Kind, places: Sequence[Spot]
) -> tuple[list[int], list[list[int]]]:
    """The numbers of the readings of a kind, and the columns of their first, second (and third) spots."""
    numbers = [number for number, one in enumerate(kinds) if one is kind]
    ends = zip(*(spots[number] for number in numbers))
    return numbers, [[places.index(spot) for spot in end] for end in ends]


def measure_lines(kind: Kind, first: Array, second: Array, torso_px: Array) -> Array:
    """Readings between points, persons x … x (x, y); NaN where one is missing or the direction is undefined."""
    way = second - first
    dx, dy = way[..., 0], way[..., 1]
    measured = FORMULAS[kind](dx, dy)
    if kind.is_length:
        return measured
    shortest = SHORTEST_LINE_IN_TORSOS * torso_px.reshape(-1, *(1,) * (dx.ndim - 1))
    return np.where(np.hypot(dx, dy) < shortest, np.nan, measured)
