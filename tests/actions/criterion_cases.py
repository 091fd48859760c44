"""A figure on either side of each criterion's threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from src.pose.skeleton import JointType
from tests.actions.figure import UPRIGHT, around

J = JointType
Changes = dict[JointType, tuple[float, float]]
NECK, WAIST = (0.0, 0.0), (0.0, 100.0)


def raised_hand(above_px: float) -> Changes:
    return {J.RightHand: (-45, -above_px)}


def foot_at(y: float) -> Changes:
    return {J.RightFoot: (-60, y)}


def hands_at(y: float) -> Changes:
    return {J.RightHand: (-45, y), J.LeftHand: (45, y)}


def elbows_at(y: float) -> Changes:
    return {J.RightElbow: (-45, y), J.LeftElbow: (45, y)}


def leaning(degrees: float) -> Changes:
    """The neck and what hangs on it turned about the middle of the waist, `degrees` off the vertical."""
    x, y = around(WAIST, 100, degrees - 90)
    moved = (J.Nose, J.Neck, J.RightShoulder, J.LeftShoulder, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
    return {joint: (UPRIGHT[joint][0] + x, UPRIGHT[joint][1] + y) for joint in moved}


def level(start: JointType, end: JointType, degrees: float, length: float = 80) -> Changes:
    """`end` moved so that its line from `start` is `degrees` below the horizontal."""
    return {end: around(UPRIGHT[start], length, degrees)}


def folded(degrees: float) -> Changes:
    """Both knees moved so that the angle neck-waist-knee is `degrees` on both sides."""
    changes: Changes = {}
    for waist, knee, side in ((J.RightWaist, J.RightKnee, -1), (J.LeftWaist, J.LeftKnee, 1)):
        x, y = UPRIGHT[waist]
        upward = np.degrees(np.arctan2(-y, -x))
        changes[knee] = around((x, y), 85, upward + side * degrees)
    return changes


def bent_elbow(degrees: float) -> Changes:
    return {J.RightHand: around(UPRIGHT[J.RightElbow], 50, np.degrees(np.arctan2(-60, 10)) + degrees)}


def bent_knee(degrees: float) -> Changes:
    return {J.RightFoot: around(UPRIGHT[J.RightKnee], 85, -90 + degrees)}


def straight_hand(degrees: float) -> Changes:
    """One hand far up, the other left of both feet, `degrees` above the horizontal through the further one."""
    return {J.LeftHand: (45, -90), J.RightHand: around(UPRIGHT[J.LeftFoot], 150, 180 + degrees)}


def knee_beside_hand(degrees: float) -> Changes:
    """The other hand far up, so that only this line can be level."""
    return {J.RightHand: (-45, -90), **level(J.LeftHand, J.LeftKnee, degrees)}


def lower_foot(degrees: float) -> Changes:
    """One foot below the middle of the waist, `degrees` off the horizontal; the other foot drawn up."""
    return {J.RightFoot: around(WAIST, 170, 180 - degrees), J.LeftFoot: (20, 150)}


def hands_beside_foot(further_px: float) -> Changes:
    """One hand on a foot, the other this far from it."""
    x, y = UPRIGHT[J.LeftFoot]
    return {J.LeftHand: (x, y - 5), J.RightHand: (x, y - further_px)}


def spread_arm(degrees: float) -> Changes:
    """The right arm straight, this far away from the side of the body."""
    shoulder, waist = UPRIGHT[J.RightShoulder], UPRIGHT[J.RightWaist]
    down = np.degrees(np.arctan2(waist[1] - shoulder[1], waist[0] - shoulder[0]))
    return {
        J.RightElbow: around(shoulder, 60, down + degrees),
        J.RightHand: around(shoulder, 110, down + degrees),
        J.LeftElbow: around(UPRIGHT[J.LeftShoulder], 60, 100),
        J.LeftHand: around(UPRIGHT[J.LeftShoulder], 110, 100),
    }


#: criterion -> (threshold, a figure in which it holds, a figure in which it does not), both close to the threshold.
CASES: Mapping[str, tuple[float, Changes, Changes]] = {
    "hand_over_shoulder": (0.2, raised_hand(22), raised_hand(18)),
    "hand_over_neck": (0.2, raised_hand(22), raised_hand(18)),
    "foot_over_knee": (0.1, foot_at(173), foot_at(177)),
    "foot_over_hand": (0.1, {**foot_at(100)}, {**foot_at(104)}),
    "waist_over_hand": (0.1, hands_at(112), hands_at(108)),
    "waist_over_elbow": (0.05, elbows_at(112), elbows_at(104)),
    "elbow_over_shoulder": (0.1, {J.LeftElbow: (45, -12)}, {J.LeftElbow: (45, -8)}),
    "body_acute_angle_betweeen_vertical_line": (45, leaning(46), leaning(44)),
    "neck_waist_line_horizontal": (20, leaning(72), leaning(68)),
    "neck_nose_line_horizontal": (30, level(J.Neck, J.Nose, -28, 35), level(J.Neck, J.Nose, -32, 35)),
    "hand_foot_line_horizontal": (30, straight_hand(28), straight_hand(32)),
    "elbow_knee_line_horizontal": (20, level(J.RightElbow, J.RightKnee, 18), level(J.RightElbow, J.RightKnee, 22)),
    "neck_foot_line_horizontal": (20, level(J.Neck, J.RightFoot, 18, 200), level(J.Neck, J.RightFoot, 22, 200)),
    "hand_knee_line_horizontal": (20, knee_beside_hand(18), knee_beside_hand(22)),
    "knee_foot_line_horizontal": (20, level(J.LeftKnee, J.LeftFoot, 18), level(J.LeftKnee, J.LeftFoot, 22)),
    "hand_elbow_shoulder_inner_angle": (90, bent_elbow(88), bent_elbow(92)),
    "waist_knee_foot_inner_angle": (90, bent_knee(88), bent_knee(92)),
    "neck_waist_knee_inner_angle": (100, folded(98), folded(102)),
    "knees": (0.66, {J.LeftKnee: (55, 185)}, {J.LeftKnee: (45, 185)}),
    "distance_between_feet": (1.0, {J.LeftFoot: (82, 270)}, {J.LeftFoot: (78, 270)}),
    "hand_over_waist": (0.5, {J.LeftHand: (45, 48)}, {J.LeftHand: (45, 52)}),
    "hand_over_foot": (2.0, {J.LeftHand: (45, 68)}, {J.LeftHand: (45, 72)}),
    "knee_over_waist": (-0.5, {J.LeftKnee: (40, 148)}, {J.LeftKnee: (40, 152)}),
    "waist_over_foot": (1.8, {J.LeftFoot: (20, 282)}, {J.LeftFoot: (20, 278)}),
    "foot_over_waist": (0.1, foot_at(88), foot_at(92)),
    "leg_raised": (0.5, {J.LeftFoot: (20, 218)}, {J.LeftFoot: (20, 222)}),
    "foot_over_other_knee": (0.1, {J.LeftFoot: (20, 173)}, {J.LeftFoot: (20, 177)}),
    "lower_foot_line_horizontal": (60, lower_foot(58), lower_foot(62)),
    "hands_at_foot": (0.5, hands_beside_foot(48), hands_beside_foot(52)),
    "body_width": (1.5, {J.LeftElbow: (107, 0)}, {J.LeftElbow: (103, 0)}),
    "body_height": (2.9, {J.RightHand: (-45, -22)}, {J.RightHand: (-45, -18)}),
    "feet_uneven": (0.2, {J.LeftFoot: (20, 248)}, {J.LeftFoot: (20, 252)}),
    "shoulders_uneven": (0.2, {J.LeftShoulder: (35, -22)}, {J.LeftShoulder: (35, -18)}),
    "waist_tilted": (0.2, {J.LeftWaist: (20, 78)}, {J.LeftWaist: (20, 82)}),
    "hands_apart_sideways": (1.0, {J.LeftHand: (57, 112)}, {J.LeftHand: (53, 112)}),
    "knees_apart_sideways": (0.5, {J.LeftKnee: (32, 185)}, {J.LeftKnee: (28, 185)}),
    "shoulders_seen_from_front": (0.5, {J.LeftShoulder: (17, 0)}, {J.LeftShoulder: (13, 0)}),
    "waist_seen_from_front": (0.2, {J.LeftWaist: (3, 100)}, {J.LeftWaist: (-1, 100)}),
    "hand_over_lowest_joint": (2.0, {J.LeftHand: (45, 68)}, {J.LeftHand: (45, 72)}),
    "highest_joint_over_hand": (1.5, {J.LeftHand: (45, 152)}, {J.LeftHand: (45, 148)}),
    "elbow_shoulder_waist_inner_angle": (60, spread_arm(62), spread_arm(58)),
    "hand_shoulder_waist_inner_angle": (60, spread_arm(62), spread_arm(58)),
}
