"""Where criteria measure: joints, middles of pairs, the shoulder line, and the pairs of them that a criterion reads."""

from __future__ import annotations

from itertools import product

from src.pose.skeleton import JointType

J = JointType

NOSE = (J.Nose,)
NECK = (J.Neck,)
HANDS = (J.RightHand, J.LeftHand)
ELBOWS = (J.RightElbow, J.LeftElbow)
SHOULDERS = (J.RightShoulder, J.LeftShoulder)
WAISTS = (J.RightWaist, J.LeftWaist)
KNEES = (J.RightKnee, J.LeftKnee)
FEET = (J.RightFoot, J.LeftFoot)

#: One joint, or the middle of a pair (of the one that was found); SHOULDER_LINE is special.
Spot = tuple[JointType, ...]

#: The neck; where it was not found, the middle of the shoulders, or the only one that was.
SHOULDER_LINE: Spot = (J.Neck, J.RightShoulder, J.LeftShoulder)

#: What one reading is taken between: two spots, or three for an inner angle.
Spots = tuple[Spot, ...]


def own(*joints: Spot) -> tuple[Spots, ...]:
    """The joints at the same place of each list together: with pairs, those of one side."""
    return tuple(tuple((joint,) for joint in row) for row in zip(*joints))


def either(one: Spot, other: Spot) -> tuple[Spots, ...]:
    """Each joint of one list with each of the other, of either side."""
    return tuple(((first,), (second,)) for first, second in product(one, other))


def each(joints: Spot, spot: Spot) -> tuple[Spots, ...]:
    """Each joint with one spot, such as the middle of a pair."""
    return tuple(((joint,), spot) for joint in joints)
