"""The criteria: what each measures, in which unit, and what it usually has to exceed or stay below.

A criterion is one plain function from a Pose to its Readings (one for each pair or side it may look at) and one row in
CRITERIA, which gives its kind (hence its unit), relation and usual threshold. To add one, write the function, add the
row, and it can be declared, explained, evaluated and tuned like the others.

The picture's y axis points down: "a over b" measures y_b - y_a, positive when a is higher. Heights and distances are
divided by the torso's length (see pose.torso_length), so a scaled copy measures the same; angles are unsigned and in
degrees, so a mirrored copy measures the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from src.actions.measures import heights, lines, scene_lines
from src.actions.measures.geometry import angle_to_horizontal, angle_to_vertical
from src.actions.measures.pose import Pose
from src.actions.measures.readings import (
    ELBOWS,
    FEET,
    HANDS,
    KNEES,
    SHOULDERS,
    WAISTS,
    Kind,
    Reading,
    distance,
    height,
    inner,
    level,
    waist_line,
    width,
)
from src.pose.skeleton import JointType
from src.translations import lookup

J = JointType

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
        """When it holds, in one sentence."""
        return (self.measure.__doc__ or "").strip().splitlines()[0]

    def display_name(self, language: str = "en") -> str:
        """Its name for readers."""
        return lookup(f"criterion_name.{self.name}", language) or self.name.replace("_", " ")

    def hint(self, language: str = "en") -> str:
        """When it holds, in one sentence of that language, or in English where there is none."""
        return lookup(f"criterion_hint.{self.name}", language) or self.description


# --- heights ---------------------------------------------------------------------------------------------------------


def hand_over_shoulder(pose: Pose) -> list[Reading]:
    """A hand is higher than the shoulder of its side."""
    return [height(pose, hand, shoulder) for hand, shoulder in zip(HANDS, SHOULDERS)]


def hand_over_neck(pose: Pose) -> list[Reading]:
    """A hand is higher than the neck."""
    return [height(pose, hand, J.Neck) for hand in HANDS]


def foot_over_knee(pose: Pose) -> list[Reading]:
    """A foot is higher than a knee, of either leg."""
    return [height(pose, foot, knee) for foot in FEET for knee in KNEES]


def foot_over_other_knee(pose: Pose) -> list[Reading]:
    """A foot is higher than the knee of the other leg."""
    return [height(pose, foot, knee) for foot, knee in zip(FEET, reversed(KNEES))]


def foot_over_hand(pose: Pose) -> list[Reading]:
    """A foot is higher than a hand, of either side."""
    return [height(pose, foot, hand) for foot in FEET for hand in HANDS]


def waist_over_hand(pose: Pose) -> list[Reading]:
    """The waist is higher than a hand, of either side."""
    return [height(pose, waist, hand) for waist in WAISTS for hand in HANDS]


def waist_over_elbow(pose: Pose) -> list[Reading]:
    """The waist is higher than an elbow, of either side."""
    return [height(pose, waist, elbow) for waist in WAISTS for elbow in ELBOWS]


def elbow_over_shoulder(pose: Pose) -> list[Reading]:
    """An elbow is higher than the shoulder of its side."""
    return [height(pose, elbow, shoulder) for elbow, shoulder in zip(ELBOWS, SHOULDERS)]


def hand_over_waist(pose: Pose) -> list[Reading]:
    """A hand is higher than the waist, of either side."""
    return [height(pose, hand, waist) for hand in HANDS for waist in WAISTS]


def hand_over_foot(pose: Pose) -> list[Reading]:
    """A hand is higher than a foot, of either side."""
    return [height(pose, hand, foot) for hand in HANDS for foot in FEET]


def knee_over_waist(pose: Pose) -> list[Reading]:
    """A knee is higher than the waist, of either side; a thigh is about 0.85 torsos, so -0.5 is well raised."""
    return [height(pose, knee, waist) for knee in KNEES for waist in WAISTS]


def waist_over_foot(pose: Pose) -> list[Reading]:
    """The waist is higher than a foot, of either side; about 1.7 torsos over a stretched leg."""
    return [height(pose, waist, foot) for waist in WAISTS for foot in FEET]


def foot_over_waist(pose: Pose) -> list[Reading]:
    """A foot is higher than the waist, of either side; within half a torso it is about as high."""
    return [height(pose, foot, waist) for foot in FEET for waist in WAISTS]


def leg_raised(pose: Pose) -> list[Reading]:
    """One leg is raised: a foot, or a knee, is higher than the other."""
    return [height(pose, *pair) for pair in (FEET, FEET[::-1], KNEES, KNEES[::-1])]


# --- angles of a line to a fixed axis --------------------------------------------------------------------------------


def body_acute_angle_betweeen_vertical_line(pose: Pose) -> list[Reading]:
    """The body's axis, from the neck to the middle of the waist, leans far from the vertical."""
    return [waist_line(pose, J.Neck, angle_to_vertical)]


def neck_waist_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to the middle of the waist is nearly horizontal."""
    return [waist_line(pose, J.Neck, angle_to_horizontal)]


def neck_nose_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to the nose is nearly horizontal."""
    return [level(pose, J.Neck, J.Nose)]


def hand_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a hand to a foot, of either side, is nearly horizontal."""
    return [level(pose, hand, foot) for hand in HANDS for foot in FEET]


def elbow_knee_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from an elbow to a knee, of either side, is nearly horizontal."""
    return [level(pose, elbow, knee) for elbow in ELBOWS for knee in KNEES]


def neck_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the neck to a foot is nearly horizontal."""
    return [level(pose, J.Neck, foot) for foot in FEET]


def hand_knee_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a hand to a knee, of either side, is nearly horizontal."""
    return [level(pose, hand, knee) for hand in HANDS for knee in KNEES]


def knee_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from a knee to the foot of the same leg is nearly horizontal."""
    return [level(pose, knee, foot) for knee, foot in zip(KNEES, FEET)]


def lower_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The line from the lower foot to the middle of the waist is nearly horizontal: the leg does not hang or stand.

    Unless both feet were found it is not known which is the lower one; feet of one height both count.
    """
    places = [pose.at(foot) for foot in FEET]
    lowest = max((place[1] for place in places if place is not None), default=0.0)
    if None in places:
        return [Reading(None, (*FEET, *WAISTS))]
    return [
        waist_line(pose, foot, angle_to_horizontal) for foot, place in zip(FEET, places) if place and place[1] >= lowest
    ]


# --- inner angles ----------------------------------------------------------------------------------------------------


def hand_elbow_shoulder_inner_angle(pose: Pose) -> list[Reading]:
    """An arm is bent: the angle at the elbow between hand and shoulder is small."""
    return [inner(pose, *joints) for joints in zip(HANDS, ELBOWS, SHOULDERS)]


def waist_knee_foot_inner_angle(pose: Pose) -> list[Reading]:
    """A leg is bent: the angle at the knee between waist and foot is small."""
    return [inner(pose, *joints) for joints in zip(WAISTS, KNEES, FEET)]


def neck_waist_knee_inner_angle(pose: Pose) -> list[Reading]:
    """The body is folded: the angle at the waist between neck and knee of one side is small."""
    return [inner(pose, J.Neck, waist, knee) for waist, knee in zip(WAISTS, KNEES)]


# --- distances -------------------------------------------------------------------------------------------------------


def knees(pose: Pose) -> list[Reading]:
    """The knees are far apart."""
    return [distance(pose, *KNEES)]


def distance_between_feet(pose: Pose) -> list[Reading]:
    """The feet are far apart."""
    return [distance(pose, *FEET)]


def hands_at_foot(pose: Pose) -> list[Reading]:
    """Both hands are at one foot: the further of the hands is near it; a hand that was not found is left out."""
    return [_furthest_hand(pose, foot) for foot in FEET]


# --- widths ----------------------------------------------------------------------------------------------------------


def body_width(pose: Pose) -> list[Reading]:
    """The body is wide: its leftmost and its rightmost joint, of those that were found, are far apart sideways."""
    found = sorted((place[0], joint) for joint in J if (place := pose.at(joint)) is not None)
    return [width(pose, found[0][1], found[-1][1]) if len(found) > 1 else Reading(None, tuple(J))]


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
        Criterion(foot_over_other_knee, Kind.HEIGHT, ">", 0.0),
        Criterion(lower_foot_line_horizontal, Kind.TO_HORIZONTAL, "<", 45.0),
        Criterion(hands_at_foot, Kind.DISTANCE, "<", 0.5),
        Criterion(body_width, Kind.WIDTH, ">", 1.5),
        # points cards
        Criterion(heights.body_height, Kind.HEIGHT, ">", 1.5),
        Criterion(heights.elbow_over_foot, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.elbow_over_knee, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.elbow_over_knees, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.elbow_over_shoulder_line, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.feet_uneven, Kind.HEIGHT, ">", 0.2),
        Criterion(heights.hand_over_lowest_joint, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.hand_over_own_foot, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.hand_over_own_knee, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.hand_over_waist_middle, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.highest_joint_over_hand, Kind.HEIGHT, ">", 0.3),
        Criterion(heights.knee_over_feet, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.knee_over_foot, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulder_over_knees, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulder_over_own_elbow, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulder_over_own_foot, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulder_over_own_hand, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulder_over_waist, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.shoulders_uneven, Kind.HEIGHT, ">", 0.2),
        Criterion(heights.waist_over_feet, Kind.HEIGHT, ">", 0.0),
        Criterion(heights.waist_tilted, Kind.HEIGHT, ">", 0.2),
        Criterion(lines.elbow_knee_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.elbow_knee_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.elbow_own_hand_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.elbow_own_knee_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.elbow_own_knee_width, Kind.WIDTH, ">", 0.5),
        Criterion(lines.elbow_own_waist_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.elbow_shoulder_line_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.elbow_shoulder_waist_inner_angle, Kind.INNER_ANGLE, ">", 90.0),
        Criterion(lines.elbow_waist_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hand_foot_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.hand_knee_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hand_knee_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.hand_own_knee_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hand_own_waist_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hand_own_waist_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.hand_shoulder_line_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hand_shoulder_line_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.hand_shoulder_waist_inner_angle, Kind.INNER_ANGLE, ">", 90.0),
        Criterion(lines.hand_waist_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.hands_apart_sideways, Kind.WIDTH, ">", 0.7),
        Criterion(lines.knee_own_foot_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.knee_shoulder_line_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.knee_shoulder_line_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.knees_apart_sideways, Kind.WIDTH, ">", 0.7),
        Criterion(lines.knees_feet_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.shoulder_own_foot_width, Kind.WIDTH, ">", 0.5),
        Criterion(lines.shoulder_own_knee_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.shoulder_own_waist_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.shoulder_waist_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.shoulders_elbows_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.shoulders_feet_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.shoulders_seen_from_front, Kind.SIDEWAYS, ">", 0.0),
        Criterion(lines.waist_knee_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.waist_middle_knees_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.waist_own_foot_distance, Kind.DISTANCE, ">", 1.0),
        Criterion(lines.waist_own_foot_rise, Kind.ELEVATION, ">", 45.0),
        Criterion(lines.waist_own_knee_width, Kind.WIDTH, ">", 0.5),
        Criterion(lines.waist_seen_from_front, Kind.SIDEWAYS, ">", 0.0),
        # where a scene is declared
        Criterion(scene_lines.hand_near_fence, Kind.LINE_DISTANCE, "<", 0.3),
        Criterion(scene_lines.waist_over_fence, Kind.LINE_HEIGHT, ">", 0.0),
        Criterion(scene_lines.feet_on_either_side_of_fence, Kind.LINE_SIDES, ">", 0.0),
        Criterion(scene_lines.foot_over_ground, Kind.LINE_HEIGHT, ">", 0.3),
    )
}


def _furthest_hand(pose: Pose, foot: JointType) -> Reading:
    readings = [distance(pose, hand, foot) for hand in HANDS]
    known = [reading for reading in readings if reading.value is not None]
    return max(known, key=lambda reading: reading.value or 0.0, default=Reading(None, (*HANDS, foot)))
