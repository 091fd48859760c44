"""Criteria on the lines of a declared scene; without one they cannot be judged."""

from __future__ import annotations

from src.actions.measures.persons import one_by_one
from src.actions.measures.pose import Pose, midpoint
from src.actions.measures.readings import Reading
from src.actions.measures.scene import Line, distance_to, height_over, side_of
from src.actions.measures.spots import FEET, HANDS, WAISTS
from src.pose.skeleton import JointType


@one_by_one
def hand_near_fence(pose: Pose) -> list[Reading]:
    """A hand is on the fence line."""
    return [_distance(pose, hand, _fence(pose)) for hand in HANDS]


@one_by_one
def waist_over_fence(pose: Pose) -> list[Reading]:
    """The middle of the waist is higher than the fence line."""
    place, line = midpoint(*(pose.at(waist) for waist in WAISTS)), _fence(pose)
    return [Reading(None if place is None or line is None else height_over(line, place), pose.resting_on(WAISTS))]


@one_by_one
def feet_on_either_side_of_fence(pose: Pose) -> list[Reading]:
    """The feet are on different sides of the fence line; measured by the one nearer to it."""
    one, other = (pose.at(foot) for foot in FEET)
    line = _fence(pose)
    if one is None or other is None or line is None:
        return [Reading(None, FEET)]
    sides = (side_of(line, one), side_of(line, other))
    nearer = min(map(abs, sides))
    return [Reading(nearer if sides[0] * sides[1] < 0 else -nearer, FEET)]


@one_by_one
def foot_over_ground(pose: Pose) -> list[Reading]:
    """A foot is higher than the ground line."""
    return [_height(pose, foot, None if pose.scene is None else pose.scene.ground) for foot in FEET]


def _fence(pose: Pose) -> Line | None:
    return None if pose.scene is None else pose.scene.fence


def _distance(pose: Pose, joint: JointType, line: Line | None) -> Reading:
    place = pose.at(joint)
    return Reading(None if place is None or line is None else distance_to(line, place), (joint,))


def _height(pose: Pose, joint: JointType, line: Line | None) -> Reading:
    place = pose.at(joint)
    return Reading(None if place is None or line is None else height_over(line, place), (joint,))
