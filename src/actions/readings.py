"""What criteria measure: the kinds, a reading of one pair or side, and how each kind of reading is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from src.actions.geometry import angle_to_horizontal, inner_angle
from src.actions.pose import Point, Pose, midpoint
from src.pose.skeleton import JointType

J = JointType

#: Two joints nearer than this many torsos give no direction: an angle between them would be noise.
SHORTEST_LINE_IN_TORSOS = 0.15

HANDS = (J.RightHand, J.LeftHand)
ELBOWS = (J.RightElbow, J.LeftElbow)
SHOULDERS = (J.RightShoulder, J.LeftShoulder)
WAISTS = (J.RightWaist, J.LeftWaist)
KNEES = (J.RightKnee, J.LeftKnee)
FEET = (J.RightFoot, J.LeftFoot)


class Kind(Enum):
    """What a criterion measures."""

    HEIGHT = "height"  # how far the first joint is above the second
    DISTANCE = "distance"  # how far two joints are apart
    WIDTH = "width"  # how far two joints are apart sideways
    TO_HORIZONTAL = "angle to the horizontal"  # 0 to 90 degrees
    TO_VERTICAL = "angle to the vertical"  # 0 to 90 degrees
    INNER_ANGLE = "inner angle"  # at the second of three joints, 0 to 180 degrees

    @property
    def is_length(self) -> bool:
        """Whether it is measured in torsos; otherwise in degrees."""
        return self in (Kind.HEIGHT, Kind.DISTANCE, Kind.WIDTH)

    @property
    def unit(self) -> str:
        """The unit of thresholds and measured values."""
        return "torso" if self.is_length else "deg"


@dataclass(frozen=True)
class Reading:
    """One look at the joints of one pair or side.

    `value`: pixels for heights, distances and widths, degrees for angles; None when a joint is missing or the direction
    is undefined. `joints`: the joints looked at, in the order of the sentence that explains them.
    """

    value: float | None
    joints: tuple[JointType, ...]


def height(pose: Pose, upper: JointType, lower: JointType) -> Reading:
    """y_lower - y_upper in pixels: how far the first joint is above the second."""
    first, second = pose.at(upper), pose.at(lower)
    return Reading(None if first is None or second is None else second[1] - first[1], (upper, lower))


def distance(pose: Pose, one: JointType, other: JointType) -> Reading:
    """The length of the line between two joints, in pixels."""
    first, second = pose.at(one), pose.at(other)
    return Reading(None if first is None or second is None else math.dist(first, second), (one, other))


def width(pose: Pose, one: JointType, other: JointType) -> Reading:
    """|x_one - x_other| in pixels: how far two joints are apart sideways."""
    first, second = pose.at(one), pose.at(other)
    return Reading(None if first is None or second is None else abs(first[0] - second[0]), (one, other))


def level(pose: Pose, one: JointType, other: JointType) -> Reading:
    """The angle of the line between two joints to the horizontal."""
    return Reading(_line(pose, pose.at(one), pose.at(other), angle_to_horizontal), (one, other))


def waist_line(pose: Pose, joint: JointType, angle: Callable[[Point, Point], float | None]) -> Reading:
    """The angle of the line from a joint to the middle of the waist, or to the only side that was found."""
    found = tuple(waist for waist in WAISTS if pose.at(waist) is not None)
    middle = midpoint(pose.at(J.RightWaist), pose.at(J.LeftWaist))
    return Reading(_line(pose, pose.at(joint), middle, angle), (joint, *(found or WAISTS)))


def inner(pose: Pose, one: JointType, vertex: JointType, other: JointType) -> Reading:
    """The angle at `vertex` between its lines to the two others."""
    first, middle, second = pose.at(one), pose.at(vertex), pose.at(other)
    if first is None or middle is None or second is None:
        return Reading(None, (one, vertex, other))
    return Reading(inner_angle(first, middle, second), (one, vertex, other))


def _line(
    pose: Pose, first: Point | None, second: Point | None, angle: Callable[[Point, Point], float | None]
) -> float | None:
    if first is None or second is None:
        return None
    if pose.torso_px is not None and math.dist(first, second) < SHORTEST_LINE_IN_TORSOS * pose.torso_px:
        return None
    return angle(first, second)
