"""Criteria that look at all joints: the highest, the lowest, the furthest, and how certain they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.actions.measures.geometry import Array
from src.actions.measures.persons import Chosen, Joints, Persons
from src.actions.measures.readings import Kind, measure_lines
from src.actions.measures.spots import FEET, HANDS, WAISTS
from src.pose.skeleton import JointType

#: All joints but those of the head, which tells little of what the body does and is often hidden.
LIMB_JOINTS = tuple(joint for joint in JointType if JointType.Neck <= joint <= JointType.LeftFoot)
_X, _Y = 0, 1


class Ends(NamedTuple):
    """Of each person the places of two joints in a list of joints, and how many of the list were found."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    found: NDArray[np.int64]


def lower_foot_line_horizontal(persons: Persons) -> Chosen:
    """The lower foot and the middle of the waist, measured to the horizontal.

    Unless both feet were found it is not known which is the lower one; feet of one height both count.
    """
    feet, waist = persons.places[:, FEET], _middle(persons.places, WAISTS)
    has_both = ~np.isnan(feet[..., _Y]).any(axis=1, keepdims=True)
    is_lower = feet[..., _Y] >= feet[..., _Y].max(axis=1, keepdims=True)
    angles = measure_lines(Kind.TO_HORIZONTAL, feet, waist[:, None], persons.torso_px)
    is_wanted = np.where(has_both, is_lower, (True, False))

    def joints(number: int) -> list[Joints]:
        if not has_both[number]:
            return [(*FEET, *WAISTS), ()]
        waists = persons.poses[number].resting_on(WAISTS)
        return [(foot, *waists) if lower else () for foot, lower in zip(FEET, is_lower[number])]

    return Chosen(np.where(is_lower, angles, np.nan), joints, is_wanted)


def hands_at_foot(persons: Persons) -> Chosen:
    """The distance of each foot to the further of the hands that were found."""
    feet, hands = persons.places[:, FEET], persons.places[:, HANDS]
    distances = measure_lines(Kind.DISTANCE, hands[:, None], feet[:, :, None], persons.torso_px)
    further = _missing_last(distances).argmax(axis=2)
    values = np.take_along_axis(distances, further[..., None], axis=2)[..., 0]

    def joints(number: int) -> list[Joints]:
        known, hand = ~np.isnan(values[number]), further[number]
        return [(HANDS[hand[i]], foot) if known[i] else (*HANDS, foot) for i, foot in enumerate(FEET)]

    return Chosen(values, joints)


def body_width(persons: Persons) -> Chosen:
    """From the leftmost to the rightmost joint that was found."""
    places = persons.places[..., _X]
    ends = _ends(places)
    rows = np.arange(len(places))
    width = np.where(ends.found > 1, places[rows, ends.last] - places[rows, ends.first], np.nan)

    def joints(number: int) -> list[Joints]:
        if ends.found[number] < 2:
            return [tuple(JointType)]
        return [(JointType(ends.first[number]), JointType(ends.last[number]))]

    return Chosen(width[:, None], joints)


def body_height(persons: Persons) -> Chosen:
    """From the highest to the lowest joint below the head."""
    heights = persons.places[:, LIMB_JOINTS, _Y]
    ends, rows = _ends(heights), np.arange(len(heights))

    def joints(number: int) -> list[Joints]:
        if not ends.found[number]:
            return [LIMB_JOINTS]
        return [(LIMB_JOINTS[ends.first[number]], LIMB_JOINTS[ends.last[number]])]

    return Chosen((heights[rows, ends.last] - heights[rows, ends.first])[:, None], joints)


def hand_over_lowest_joint(persons: Persons) -> Chosen:
    """The hands, from the lowest joint below the head."""
    heights = persons.places[:, LIMB_JOINTS, _Y]
    ends, rows = _ends(heights), np.arange(len(heights))

    def joints(number: int) -> list[Joints]:
        lowest = LIMB_JOINTS[ends.last[number]]
        return [(hand, lowest if ends.found[number] else hand) for hand in HANDS]

    return Chosen(heights[rows, ends.last][:, None] - persons.places[:, HANDS, _Y], joints)


def highest_joint_over_hand(persons: Persons) -> Chosen:
    """The highest joint below the head, from each hand."""
    heights = persons.places[:, LIMB_JOINTS, _Y]
    ends, rows = _ends(heights), np.arange(len(heights))

    def joints(number: int) -> list[Joints]:
        highest = LIMB_JOINTS[ends.first[number]]
        return [(highest if ends.found[number] else hand, hand) for hand in HANDS]

    return Chosen(persons.places[:, HANDS, _Y] - heights[rows, ends.first][:, None], joints)


def joint_confidence(persons: Persons) -> Chosen:
    """The mean confidence of the joints below the head that were found."""
    confidence = persons.confidence[:, LIMB_JOINTS]
    found = confidence > 0
    count = found.sum(axis=1)
    mean = confidence.cumsum(axis=1)[:, -1] / np.where(count > 0, count, np.nan)

    def joints(number: int) -> list[Joints]:
        seen = tuple(joint for joint, one in zip(LIMB_JOINTS, found[number]) if one)
        return [seen or LIMB_JOINTS]

    return Chosen(mean[:, None], joints)


def _ends(values: Array) -> Ends:
    """The joints of the smallest and of the largest value; of equal ones the first and the last."""
    missing = np.isnan(values)
    smallest = np.where(missing, np.inf, values).argmin(axis=1)
    largest = values.shape[1] - 1 - _missing_last(values)[:, ::-1].argmax(axis=1)
    return Ends(smallest, largest, (~missing).sum(axis=1))


def _missing_last(values: Array) -> Array:
    """The values with what is missing below all others."""
    return np.where(np.isnan(values), -np.inf, values)


def _middle(places: Array, pair: tuple[JointType, JointType]) -> Array:
    first, last = places[:, pair[0]], places[:, pair[1]]
    return np.where(np.isnan(first), last, np.where(np.isnan(last), first, (first + last) / 2))
