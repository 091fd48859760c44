"""Criteria that compare heights beyond those of the handbook; see `src.actions.criteria` for what a criterion is."""

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
    height,
    singles,
)
from src.pose.skeleton import JointType

#: All joints but those of the head, which tells little of what the body does and is often hidden.
LIMB_JOINTS = tuple(joint for joint in JointType if JointType.Neck <= joint <= JointType.LeftFoot)


def body_height(pose: Pose) -> list[Reading]:
    """The body is tall in the picture: its highest joint below the head is far above its lowest one."""
    top, bottom = _extremes(pose)
    return [height(pose, top, bottom)] if top is not None and bottom is not None else [Reading(None, LIMB_JOINTS)]


def elbow_over_foot(pose: Pose) -> list[Reading]:
    """An elbow is higher than a foot, of either side."""
    return between(pose, Kind.HEIGHT, product(singles(ELBOWS), singles(FEET)))


def elbow_over_knee(pose: Pose) -> list[Reading]:
    """An elbow is higher than a knee, of either side."""
    return between(pose, Kind.HEIGHT, product(singles(ELBOWS), singles(KNEES)))


def elbow_over_knees(pose: Pose) -> list[Reading]:
    """An elbow is higher than the middle of the knees."""
    return between(pose, Kind.HEIGHT, [((one,), KNEES) for one in ELBOWS])


def elbow_over_shoulder_line(pose: Pose) -> list[Reading]:
    """An elbow is higher than the shoulder line."""
    return between(pose, Kind.HEIGHT, [((one,), SHOULDER_LINE) for one in ELBOWS])


def feet_uneven(pose: Pose) -> list[Reading]:
    """One foot is higher than the other."""
    return [height(pose, *FEET), height(pose, *FEET[::-1])]


def hand_over_lowest_joint(pose: Pose) -> list[Reading]:
    """A hand is higher than the lowest joint of the body."""
    _, bottom = _extremes(pose)
    return [height(pose, hand, bottom if bottom is not None else hand) for hand in HANDS]


def hand_over_own_foot(pose: Pose) -> list[Reading]:
    """A hand is higher than the foot of its side."""
    return between(pose, Kind.HEIGHT, zip(singles(HANDS), singles(FEET)))


def hand_over_own_knee(pose: Pose) -> list[Reading]:
    """A hand is higher than the knee of its side."""
    return between(pose, Kind.HEIGHT, zip(singles(HANDS), singles(KNEES)))


def hand_over_waist_middle(pose: Pose) -> list[Reading]:
    """A hand is higher than the middle of the waist."""
    return between(pose, Kind.HEIGHT, [((one,), WAISTS) for one in HANDS])


def highest_joint_over_hand(pose: Pose) -> list[Reading]:
    """The highest joint below the head is higher than a hand."""
    top, _ = _extremes(pose)
    return [height(pose, top if top is not None else hand, hand) for hand in HANDS]


def knee_over_feet(pose: Pose) -> list[Reading]:
    """A knee is higher than the middle of the feet."""
    return between(pose, Kind.HEIGHT, [((one,), FEET) for one in KNEES])


def knee_over_foot(pose: Pose) -> list[Reading]:
    """A knee is higher than a foot, of either side."""
    return between(pose, Kind.HEIGHT, product(singles(KNEES), singles(FEET)))


def shoulder_over_knees(pose: Pose) -> list[Reading]:
    """A shoulder is higher than the middle of the knees."""
    return between(pose, Kind.HEIGHT, [((one,), KNEES) for one in SHOULDERS])


def shoulder_over_own_elbow(pose: Pose) -> list[Reading]:
    """A shoulder is higher than the elbow of its side."""
    return between(pose, Kind.HEIGHT, zip(singles(SHOULDERS), singles(ELBOWS)))


def shoulder_over_own_foot(pose: Pose) -> list[Reading]:
    """A shoulder is higher than the foot of its side."""
    return between(pose, Kind.HEIGHT, zip(singles(SHOULDERS), singles(FEET)))


def shoulder_over_own_hand(pose: Pose) -> list[Reading]:
    """A shoulder is higher than the hand of its side."""
    return between(pose, Kind.HEIGHT, zip(singles(SHOULDERS), singles(HANDS)))


def shoulder_over_waist(pose: Pose) -> list[Reading]:
    """A shoulder is higher than the waist, of either side."""
    return between(pose, Kind.HEIGHT, product(singles(SHOULDERS), singles(WAISTS)))


def shoulders_uneven(pose: Pose) -> list[Reading]:
    """One shoulder is higher than the other."""
    return [height(pose, *SHOULDERS), height(pose, *SHOULDERS[::-1])]


def waist_over_feet(pose: Pose) -> list[Reading]:
    """The waist is higher than the middle of the feet."""
    return between(pose, Kind.HEIGHT, [((one,), FEET) for one in WAISTS])


def waist_tilted(pose: Pose) -> list[Reading]:
    """One side of the waist is higher than the other."""
    return [height(pose, *WAISTS), height(pose, *WAISTS[::-1])]


def _extremes(pose: Pose) -> tuple[JointType | None, JointType | None]:
    """The highest and the lowest joint below the head, of those that were found."""
    found = [(place[1], joint) for joint in LIMB_JOINTS if (place := pose.at(joint)) is not None]
    return (min(found)[1], max(found)[1]) if found else (None, None)
