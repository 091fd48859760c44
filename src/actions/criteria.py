"""The criteria: what each measures, in which unit, and what it usually has to exceed or stay below.

A criterion is one plain function from a Pose to its Readings (one for each pair or side it may look at) and one row in
CRITERIA, which gives its kind (hence its unit), relation and usual threshold. To add one, write the function, add the
row, and it can be declared, explained, evaluated and tuned like the others.

The picture's y axis points down: "a over b" measures y_b - y_a, positive when a is higher. Heights and distances are
divided by the torso's length (see pose.torso_length), so a scaled copy measures the same; angles are unsigned and in
degrees, so a mirrored copy measures the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from src.actions.geometry import angle_to_horizontal, angle_to_vertical, inner_angle
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
    TO_HORIZONTAL = "angle to the horizontal"  # 0 to 90 degrees
    TO_VERTICAL = "angle to the vertical"  # 0 to 90 degrees
    INNER_ANGLE = "inner angle"  # at the second of three joints, 0 to 180 degrees

    @property
    def is_length(self) -> bool:
        """Whether it is measured in torsos; otherwise in degrees."""
        return self in (Kind.HEIGHT, Kind.DISTANCE)

    @property
    def unit(self) -> str:
        """The unit of thresholds and measured values."""
        return "torso" if self.is_length else "deg"


@dataclass(frozen=True)
class Reading:
    """One look at the joints of one pair or side.

    `value`: pixels for heights and distances, degrees for angles; None when a joint is missing or the direction is
    undefined. `joints`: the joints looked at, in the order of the sentence that explains them.
    """

    value: float | None
    joints: tuple[JointType, ...]


Measure = Callable[[Pose], list[Reading]]


@dataclass(frozen=True)
class Criterion:
    """One row of the table: holds when `measured relation threshold` for any (or each) of its readings."""

    measure: Measure
    kind: Kind
    relation: str  # ">", ">=" or "<"
    threshold: float  # usual threshold, in the kind's unit

    @property
    def name(self) -> str:
        """The word that declarations use."""
        return self.measure.__name__

    @property
    def description(self) -> str:
        """What it measures, in one sentence."""
        return (self.measure.__doc__ or "").strip().splitlines()[0]


# --- heights ---------------------------------------------------------------------------------------------------------


def hand_over_shoulder(pose: Pose) -> list[Reading]:
    """A hand is higher than the shoulder of its side."""
    return [_height(pose, hand, shoulder) for hand, shoulder in zip(HANDS, SHOULDERS)]


def hand_over_neck(pose: Pose) -> list[Reading]:
    """A hand is higher than the neck."""
    return [_height(pose, hand, J.Neck) for hand in HANDS]


def foot_over_knee(pose: Pose) -> list[Reading]:
    """A foot is higher than a knee, of either leg."""
    return [_height(pose, foot, knee) for foot in FEET for knee in KNEES]


def foot_over_hand(pose: Pose) -> list[Reading]:
    """A foot is higher than a hand, of either side."""
    return [_height(pose, foot, hand) for foot in FEET for hand in HANDS]


def waist_over_hand(pose: Pose) -> list[Reading]:
    """The waist is higher than a hand, of either side."""
    return [_height(pose, waist, hand) for waist in WAISTS for hand in HANDS]


def waist_over_elbow(pose: Pose) -> list[Reading]:
    """The waist is higher than an elbow, of either side."""
    return [_height(pose, waist, elbow) for waist in WAISTS for elbow in ELBOWS]


def elbow_over_shoulder(pose: Pose) -> list[Reading]:
    """An elbow is higher than the shoulder of its side."""
    return [_height(pose, elbow, shoulder) for elbow, shoulder in zip(ELBOWS, SHOULDERS)]


def hand_over_waist(pose: Pose) -> list[Reading]:
    """A hand is higher than the waist, of either side."""
    return [_height(pose, hand, waist) for hand in HANDS for waist in WAISTS]


def hand_over_foot(pose: Pose) -> list[Reading]:
    """A hand is higher than a foot, of either side."""
    return [_height(pose, hand, foot) for hand in HANDS for foot in FEET]


def knee_over_waist(pose: Pose) -> list[Reading]:
    """A knee is higher than the waist, of either side; a thigh is about 0.85 torsos, so -0.5 is well raised."""
    return [_height(pose, knee, waist) for knee in KNEES for waist in WAISTS]


def waist_over_foot(pose: Pose) -> list[Reading]:
    """The waist is higher than a foot, of either side; about 1.7 torsos over a stretched leg."""
    return [_height(pose, waist, foot) for waist in WAISTS for foot in FEET]


def foot_over_waist(pose: Pose) -> list[Reading]:
    """A foot is higher than the waist, of either side; within half a torso it is about as high."""
    return [_height(pose, foot, waist) for foot in FEET for waist in WAISTS]


def leg_raised(pose: Pose) -> list[Reading]:
    """One leg is raised: a foot, or a knee, is higher than the other."""
    return [_height(pose, *pair) for pair in (FEET, FEET[::-1], KNEES, KNEES[::-1])]


# --- angles of a line to a fixed axis --------------------------------------------------------------------------------


def body_acute_angle_betweeen_vertical_line(pose: Pose) -> list[Reading]:
    """The body's axis, from the neck to the middle of the waist, leans far from the vertical."""
    return [_waist_line(pose, angle_to_vertical)]


def neck_waist_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to the middle of the waist is nearly horizontal."""
    return [_waist_line(pose, angle_to_horizontal)]


def neck_nose_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to the nose is nearly horizontal."""
    return [_level(pose, J.Neck, J.Nose)]


def hand_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a hand to a foot, of either side, is nearly horizontal."""
    return [_level(pose, hand, foot) for hand in HANDS for foot in FEET]


def elbow_knee_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from an elbow to a knee, of either side, is nearly horizontal."""
    return [_level(pose, elbow, knee) for elbow in ELBOWS for knee in KNEES]


def neck_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to a foot is nearly horizontal."""
    return [_level(pose, J.Neck, foot) for foot in FEET]


def hand_knee_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a hand to a knee, of either side, is nearly horizontal."""
    return [_level(pose, hand, knee) for hand in HANDS for knee in KNEES]


def knee_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a knee to the foot of the same leg is nearly horizontal."""
    return [_level(pose, knee, foot) for knee, foot in zip(KNEES, FEET)]


# --- inner angles ----------------------------------------------------------------------------------------------------


def hand_elbow_shoulder_inner_angle(pose: Pose) -> list[Reading]:
    """An arm is bent: the angle at the elbow between hand and shoulder is small."""
    return [_inner(pose, *joints) for joints in zip(HANDS, ELBOWS, SHOULDERS)]


def waist_knee_foot_inner_angle(pose: Pose) -> list[Reading]:
    """A leg is bent: the angle at the knee between waist and foot is small."""
    return [_inner(pose, *joints) for joints in zip(WAISTS, KNEES, FEET)]


def neck_waist_knee_inner_angle(pose: Pose) -> list[Reading]:
    """The body is folded: the angle at the waist between neck and knee of one side is small."""
    return [_inner(pose, J.Neck, waist, knee) for waist, knee in zip(WAISTS, KNEES)]


# --- distances -------------------------------------------------------------------------------------------------------


def knees(pose: Pose) -> list[Reading]:
    """The knees are far apart."""
    return [_distance(pose, *KNEES)]


def distance_between_feet(pose: Pose) -> list[Reading]:
    """The feet are far apart."""
    return [_distance(pose, *FEET)]


#: The word in a declaration -> the criterion. The first twenty are the handbook's (`judge_by_<word>`).
CRITERIA: Mapping[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        Criterion(hand_over_shoulder, Kind.HEIGHT, ">", 0.0),
        Criterion(hand_over_neck, Kind.HEIGHT, ">", 0.0),
        Criterion(foot_over_knee, Kind.HEIGHT, ">", 0.0),
        Criterion(foot_over_hand, Kind.HEIGHT, ">", 0.0),
        Criterion(waist_over_hand, Kind.HEIGHT, ">", 0.0),
        Criterion(waist_over_elbow, Kind.HEIGHT, ">", 0.0),
        Criterion(elbow_over_shoulder, Kind.HEIGHT, ">", 0.0),
        Criterion(body_acute_angle_betweeen_vertical_line, Kind.TO_VERTICAL, ">=", 45.0),
        Criterion(neck_nose_line_horizontal, Kind.TO_HORIZONTAL, "<", 30.0),
        Criterion(hand_foot_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(elbow_knee_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(neck_foot_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(hand_knee_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(knee_foot_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(neck_waist_line_horizontal, Kind.TO_HORIZONTAL, "<", 20.0),
        Criterion(hand_elbow_shoulder_inner_angle, Kind.INNER_ANGLE, "<", 90.0),
        Criterion(waist_knee_foot_inner_angle, Kind.INNER_ANGLE, "<", 90.0),
        Criterion(neck_waist_knee_inner_angle, Kind.INNER_ANGLE, "<", 90.0),
        Criterion(knees, Kind.DISTANCE, ">", 0.7),
        Criterion(distance_between_feet, Kind.DISTANCE, ">", 1.0),
        Criterion(hand_over_waist, Kind.HEIGHT, ">", 0.0),
        Criterion(hand_over_foot, Kind.HEIGHT, ">", 0.0),
        Criterion(knee_over_waist, Kind.HEIGHT, ">", -0.5),
        Criterion(waist_over_foot, Kind.HEIGHT, ">", 1.0),
        Criterion(foot_over_waist, Kind.HEIGHT, ">", -0.5),
        Criterion(leg_raised, Kind.HEIGHT, ">", 0.5),
    )
}


def _height(pose: Pose, upper: JointType, lower: JointType) -> Reading:
    """y_lower - y_upper in pixels: how far the first joint is above the second."""
    first, second = pose.at(upper), pose.at(lower)
    return Reading(None if first is None or second is None else second[1] - first[1], (upper, lower))


def _distance(pose: Pose, one: JointType, other: JointType) -> Reading:
    first, second = pose.at(one), pose.at(other)
    return Reading(None if first is None or second is None else math.dist(first, second), (one, other))


def _level(pose: Pose, one: JointType, other: JointType) -> Reading:
    return Reading(_line(pose, pose.at(one), pose.at(other), angle_to_horizontal), (one, other))


def _waist_line(pose: Pose, angle: Callable[[Point, Point], float | None]) -> Reading:
    """The angle of the line from the neck to the middle of the waist, or to the only side that was found."""
    found = tuple(waist for waist in WAISTS if pose.at(waist) is not None)
    middle = midpoint(pose.at(J.RightWaist), pose.at(J.LeftWaist))
    return Reading(_line(pose, pose.at(J.Neck), middle, angle), (J.Neck, *(found or WAISTS)))


def _line(
    pose: Pose, first: Point | None, second: Point | None, angle: Callable[[Point, Point], float | None]
) -> float | None:
    if first is None or second is None:
        return None
    if pose.torso_px is not None and math.dist(first, second) < SHORTEST_LINE_IN_TORSOS * pose.torso_px:
        return None
    return angle(first, second)


def _inner(pose: Pose, one: JointType, vertex: JointType, other: JointType) -> Reading:
    first, middle, second = pose.at(one), pose.at(vertex), pose.at(other)
    known = first is not None and middle is not None and second is not None
    return Reading(inner_angle(first, middle, second) if known else None, (one, vertex, other))  # type: ignore[arg-type]
