"""Criteria that look at all joints: the highest, the lowest, the furthest, and how certain they are."""

from __future__ import annotations

from src.actions.measures.pose import Pose, midpoint
from src.actions.measures.readings import Kind, Reading, measure_line
from src.actions.measures.spots import FEET, HANDS, WAISTS, Spot
from src.pose.skeleton import JointType

#: All joints but those of the head, which tells little of what the body does and is often hidden.
LIMB_JOINTS = tuple(joint for joint in JointType if JointType.Neck <= joint <= JointType.LeftFoot)


def lower_foot_line_horizontal(pose: Pose) -> list[Reading]:
    """The lower foot and the middle of the waist, measured to the horizontal.

    Unless both feet were found it is not known which is the lower one; feet of one height both count.
    """
    places = [pose.at(foot) for foot in FEET]
    lowest = max((place[1] for place in places if place is not None), default=0.0)
    if None in places:
        return [Reading(None, (*FEET, *WAISTS))]
    lower = [foot for foot, place in zip(FEET, places) if place and place[1] >= lowest]
    return [_reading(pose, Kind.TO_HORIZONTAL, foot, WAISTS) for foot in lower]


def hands_at_foot(pose: Pose) -> list[Reading]:
    """The distance of each foot to the further of the hands that were found."""
    return [_furthest_hand(pose, foot) for foot in FEET]


def body_width(pose: Pose) -> list[Reading]:
    """From the leftmost to the rightmost joint that was found."""
    found = sorted((place[0], joint) for joint in JointType if (place := pose.at(joint)) is not None)
    if len(found) < 2:
        return [Reading(None, tuple(JointType))]
    return [_reading(pose, Kind.WIDTH, found[0][1], (found[-1][1],))]


def body_height(pose: Pose) -> list[Reading]:
    """From the highest to the lowest joint below the head."""
    top, bottom = _extremes(pose)
    if top is None or bottom is None:
        return [Reading(None, LIMB_JOINTS)]
    return [_reading(pose, Kind.HEIGHT, top, (bottom,))]


def hand_over_lowest_joint(pose: Pose) -> list[Reading]:
    """The hands, from the lowest joint below the head."""
    _, bottom = _extremes(pose)
    return [_reading(pose, Kind.HEIGHT, hand, (hand if bottom is None else bottom,)) for hand in HANDS]


def highest_joint_over_hand(pose: Pose) -> list[Reading]:
    """The highest joint below the head, from each hand."""
    top, _ = _extremes(pose)
    return [_reading(pose, Kind.HEIGHT, hand if top is None else top, (hand,)) for hand in HANDS]


def joint_confidence(pose: Pose) -> list[Reading]:
    """The mean confidence of the joints below the head that were found."""
    found = tuple(joint for joint in LIMB_JOINTS if pose.confidence(joint) > 0)
    if not found:
        return [Reading(None, LIMB_JOINTS)]
    return [Reading(sum(map(pose.confidence, found)) / len(found), found)]


def _furthest_hand(pose: Pose, foot: JointType) -> Reading:
    readings = [_reading(pose, Kind.DISTANCE, hand, (foot,)) for hand in HANDS]
    known = [reading for reading in readings if reading.value is not None]
    return max(known, key=lambda reading: reading.value or 0.0, default=Reading(None, (*HANDS, foot)))


def _extremes(pose: Pose) -> tuple[JointType | None, JointType | None]:
    """The highest and the lowest joint below the head, of those that were found."""
    found = [(place[1], joint) for joint in LIMB_JOINTS if (place := pose.at(joint)) is not None]
    return (min(found)[1], max(found)[1]) if found else (None, None)


def _reading(pose: Pose, kind: Kind, joint: JointType, other: Spot) -> Reading:
    """From a joint to another, or to the middle of a pair."""
    joints = (joint, *pose.resting_on(other))
    first, second = pose.at(joint), midpoint(pose.at(other[0]), pose.at(other[-1]))
    return Reading(measure_line(kind, first, second, pose.torso_px) if first and second else None, joints)
