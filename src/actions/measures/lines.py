"""Criteria on distances, widths, elevations and angles beyond those of the handbook; see `src.actions.criteria`."""

from __future__ import annotations

from itertools import product

from src.actions.measures.pose import Pose
from src.actions.measures.readings import (
    ELBOWS,
    FEET,
    HANDS,
    KNEES,
    SHOULDER_LINE,
    SHOULDERS,
    WAISTS,
    Kind,
    Reading,
    between,
    inner,
    singles,
    width,
)


def elbow_knee_distance(pose: Pose) -> list[Reading]:
    """An elbow is far from a knee, of either side."""
    return between(pose, Kind.DISTANCE, product(singles(ELBOWS), singles(KNEES)))


def elbow_knee_rise(pose: Pose) -> list[Reading]:
    """An elbow is steeply above a knee, of either side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, product(singles(ELBOWS), singles(KNEES)))


def elbow_own_hand_rise(pose: Pose) -> list[Reading]:
    """An elbow is steeply above the hand of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(ELBOWS), singles(HANDS)))


def elbow_own_knee_rise(pose: Pose) -> list[Reading]:
    """An elbow is steeply above the knee of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(ELBOWS), singles(KNEES)))


def elbow_own_knee_width(pose: Pose) -> list[Reading]:
    """An elbow is far from the knee of its side, measured sideways."""
    return between(pose, Kind.WIDTH, zip(singles(ELBOWS), singles(KNEES)))


def elbow_own_waist_rise(pose: Pose) -> list[Reading]:
    """An elbow is steeply above the waist of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(ELBOWS), singles(WAISTS)))


def elbow_shoulder_line_distance(pose: Pose) -> list[Reading]:
    """An elbow is far from the shoulder line."""
    return between(pose, Kind.DISTANCE, [((one,), SHOULDER_LINE) for one in ELBOWS])


def elbow_shoulder_waist_inner_angle(pose: Pose) -> list[Reading]:
    """An upper arm is away from the body: the angle at the shoulder between elbow and waist is large."""
    return [inner(pose, *joints) for joints in zip(ELBOWS, SHOULDERS, WAISTS)]


def elbow_waist_distance(pose: Pose) -> list[Reading]:
    """An elbow is far from the waist, of either side."""
    return between(pose, Kind.DISTANCE, product(singles(ELBOWS), singles(WAISTS)))


def hand_foot_rise(pose: Pose) -> list[Reading]:
    """A hand is steeply above a foot, of either side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, product(singles(HANDS), singles(FEET)))


def hand_knee_distance(pose: Pose) -> list[Reading]:
    """A hand is far from a knee, of either side."""
    return between(pose, Kind.DISTANCE, product(singles(HANDS), singles(KNEES)))


def hand_knee_rise(pose: Pose) -> list[Reading]:
    """A hand is steeply above a knee, of either side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, product(singles(HANDS), singles(KNEES)))


def hand_own_knee_distance(pose: Pose) -> list[Reading]:
    """A hand is far from the knee of its side."""
    return between(pose, Kind.DISTANCE, zip(singles(HANDS), singles(KNEES)))


def hand_own_waist_distance(pose: Pose) -> list[Reading]:
    """A hand is far from the waist of its side."""
    return between(pose, Kind.DISTANCE, zip(singles(HANDS), singles(WAISTS)))


def hand_own_waist_rise(pose: Pose) -> list[Reading]:
    """A hand is steeply above the waist of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(HANDS), singles(WAISTS)))


def hand_shoulder_line_distance(pose: Pose) -> list[Reading]:
    """A hand is far from the shoulder line."""
    return between(pose, Kind.DISTANCE, [((one,), SHOULDER_LINE) for one in HANDS])


def hand_shoulder_line_rise(pose: Pose) -> list[Reading]:
    """A hand is steeply above the shoulder line: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [((one,), SHOULDER_LINE) for one in HANDS])


def hand_shoulder_waist_inner_angle(pose: Pose) -> list[Reading]:
    """An arm is away from the body: the angle at the shoulder between hand and waist is large."""
    return [inner(pose, *joints) for joints in zip(HANDS, SHOULDERS, WAISTS)]


def hand_waist_distance(pose: Pose) -> list[Reading]:
    """A hand is far from the waist, of either side."""
    return between(pose, Kind.DISTANCE, product(singles(HANDS), singles(WAISTS)))


def hands_apart_sideways(pose: Pose) -> list[Reading]:
    """The hands are far apart sideways."""
    return [width(pose, *HANDS)]


def knee_own_foot_rise(pose: Pose) -> list[Reading]:
    """A knee is steeply above the foot of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(KNEES), singles(FEET)))


def knee_shoulder_line_distance(pose: Pose) -> list[Reading]:
    """A knee is far from the shoulder line."""
    return between(pose, Kind.DISTANCE, [((one,), SHOULDER_LINE) for one in KNEES])


def knee_shoulder_line_rise(pose: Pose) -> list[Reading]:
    """A knee is steeply above the shoulder line: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [((one,), SHOULDER_LINE) for one in KNEES])


def knees_apart_sideways(pose: Pose) -> list[Reading]:
    """The knees are far apart sideways."""
    return [width(pose, *KNEES)]


def knees_feet_rise(pose: Pose) -> list[Reading]:
    """The middle of the knees is steeply above the middle of the feet: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [(KNEES, FEET)])


def shoulder_own_foot_width(pose: Pose) -> list[Reading]:
    """A shoulder is far from the foot of its side, measured sideways."""
    return between(pose, Kind.WIDTH, zip(singles(SHOULDERS), singles(FEET)))


def shoulder_own_knee_distance(pose: Pose) -> list[Reading]:
    """A shoulder is far from the knee of its side."""
    return between(pose, Kind.DISTANCE, zip(singles(SHOULDERS), singles(KNEES)))


def shoulder_own_waist_distance(pose: Pose) -> list[Reading]:
    """A shoulder is far from the waist of its side."""
    return between(pose, Kind.DISTANCE, zip(singles(SHOULDERS), singles(WAISTS)))


def shoulder_waist_rise(pose: Pose) -> list[Reading]:
    """A shoulder is steeply above the waist, of either side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, product(singles(SHOULDERS), singles(WAISTS)))


def shoulders_elbows_rise(pose: Pose) -> list[Reading]:
    """The middle of the shoulders is steeply above the middle of the elbows: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [(SHOULDERS, ELBOWS)])


def shoulders_feet_rise(pose: Pose) -> list[Reading]:
    """The middle of the shoulders is steeply above the middle of the feet: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [(SHOULDERS, FEET)])


def shoulders_seen_from_front(pose: Pose) -> list[Reading]:
    """The left shoulder is to the right of the right one in the picture, as of a person seen from the front."""
    return between(pose, Kind.SIDEWAYS, [(SHOULDERS[1:], SHOULDERS[:1])])


def waist_knee_rise(pose: Pose) -> list[Reading]:
    """The waist is steeply above a knee, of either side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, product(singles(WAISTS), singles(KNEES)))


def waist_middle_knees_rise(pose: Pose) -> list[Reading]:
    """The middle of the waist is steeply above the middle of the knees: the line up to it rises."""
    return between(pose, Kind.ELEVATION, [(WAISTS, KNEES)])


def waist_own_foot_distance(pose: Pose) -> list[Reading]:
    """The waist is far from the foot of its side."""
    return between(pose, Kind.DISTANCE, zip(singles(WAISTS), singles(FEET)))


def waist_own_foot_rise(pose: Pose) -> list[Reading]:
    """The waist is steeply above the foot of its side: the line up to it rises."""
    return between(pose, Kind.ELEVATION, zip(singles(WAISTS), singles(FEET)))


def waist_own_knee_width(pose: Pose) -> list[Reading]:
    """The waist is far from the knee of its side, measured sideways."""
    return between(pose, Kind.WIDTH, zip(singles(WAISTS), singles(KNEES)))


def waist_seen_from_front(pose: Pose) -> list[Reading]:
    """The left hip is to the right of the right one in the picture, as of a person seen from the front."""
    return between(pose, Kind.SIDEWAYS, [(WAISTS[1:], WAISTS[:1])])
