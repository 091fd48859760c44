"""What criteria measure: the kinds, a reading of one pair or side, and how each kind of reading is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

from src.actions.measures.geometry import angle_to_horizontal, angle_to_vertical, elevation, inner_angle
from src.actions.measures.pose import Point, Pose, midpoint
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
    ELEVATION = "elevation"  # of the line from the second joint up to the first, -90 to 90 degrees
    LINE_HEIGHT = "height over a line of the scene"  # how far the joint is above it
    LINE_DISTANCE = "distance to a line of the scene"
    LINE_SIDES = "sides of a line of the scene"  # distance of the nearer joint, negative where both are on one side
    SIDEWAYS = "offset to the right"  # how far the first joint is to the right of the second in the picture

    def __init__(self, words: str) -> None:
        """`is_length`: whether it is measured in torsos; otherwise in degrees."""
        self.is_length = words not in ("angle to the horizontal", "angle to the vertical", "inner angle", "elevation")

    @property
    def unit(self) -> str:
        """The unit of thresholds and measured values."""
        return "torso" if self.is_length else "deg"


#: Kinds that cannot be measured where no scene is declared.
SCENE_KINDS = frozenset((Kind.LINE_HEIGHT, Kind.LINE_DISTANCE, Kind.LINE_SIDES))

#: How the angle of a line is taken, for the kinds that have one.
ANGLES: Mapping[Kind, Callable[[Point, Point], float | None]] = {
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


#: One joint, or the middle of a pair (of the one that was found); SHOULDER_LINE is special, see `spot`.
Spot = tuple[JointType, ...]

#: The neck; where it was not found, the middle of the shoulders, or the only one that was.
SHOULDER_LINE: Spot = (J.Neck, J.RightShoulder, J.LeftShoulder)


def spot(pose: Pose, joints: Spot) -> tuple[Point | None, Spot]:
    """The place of a joint or the middle of a pair (None where nothing was found), and the joints that it rests on."""
    if len(joints) == 1:
        return pose.at(joints[0]), joints
    if joints == SHOULDER_LINE:
        neck = pose.at(J.Neck)
        return (neck, (J.Neck,)) if neck is not None else spot(pose, SHOULDERS)
    first, second = (pose.at(joint) for joint in joints)
    if first is not None and second is not None:
        return midpoint(first, second), joints
    return midpoint(first, second), joints if first is second else joints[:1] if first is not None else joints[1:]


def between(pose: Pose, kind: Kind, pairs: Iterable[tuple[Spot, Spot]]) -> list[Reading]:
    """A reading of a length, an elevation or an angle to an axis for each pair of spots."""
    return [_between(pose, kind, first, second) for first, second in pairs]


@cache
def singles(joints: Spot) -> tuple[Spot, ...]:
    """Each joint as a spot of its own."""
    return tuple((joint,) for joint in joints)


def _between(pose: Pose, kind: Kind, first: Spot, second: Spot) -> Reading:
    (one, one_joints), (other, other_joints) = spot(pose, first), spot(pose, second)
    joints = (*one_joints, *other_joints)
    if one is None or other is None:
        return Reading(None, joints)
    return Reading(_length(kind, one, other) if kind.is_length else _line(pose, one, other, ANGLES[kind]), joints)


def _length(kind: Kind, one: Point, other: Point) -> float:
    if kind is Kind.HEIGHT:
        return other[1] - one[1]
    if kind is Kind.SIDEWAYS:
        return one[0] - other[0]
    return abs(one[0] - other[0]) if kind is Kind.WIDTH else math.dist(one, other)


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
