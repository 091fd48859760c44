"""Rendering: skeletons and the action's name, drawn into a copy of the picture at sizes that suit it."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.infer.arguments import check_picture
from src.infer.drawing.fonts import drawable
from src.infer.drawing.label_placement import NEUTRAL, WARNING, Box, place_label
from src.plural import plural
from src.pose.skeleton import CONFIRMING_LIMBS, JOINT_COUNT, LIMBS, JointType

J = JointType
Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

#: Where the action's name goes: the first group with a joint that was found, at the middle of its joints.
_HEAD_FIRST: tuple[tuple[JointType, ...], ...] = (
    (J.Nose,),
    (J.RightEye, J.LeftEye),
    (J.RightEar, J.LeftEar),
    (J.Neck,),
    (J.RightShoulder, J.LeftShoulder),
    (J.RightHand,),
    (J.LeftHand,),
    (J.RightElbow,),
    (J.LeftElbow,),
    (J.RightWaist, J.LeftWaist),
    (J.RightKnee,),
    (J.LeftKnee,),
    (J.RightFoot,),
    (J.LeftFoot,),
)

#: What is written where no font can draw the label: the mark must not be lost with the name.
_PLAIN_LABEL = "action"

#: From the neck to the middle of the head, in torsos.
_HEAD_ABOVE_NECK = 0.4

_OUTLINE: Colour = (30, 30, 30)


def _hue(turn: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(turn % 1, 0.85, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def _joint_colour(joint: JointType) -> Colour:
    """Warm on the person's right, cold on the left, yellow-green in the middle, so that sides can be told apart."""
    if joint.name.startswith("Right"):
        return _hue(0.98 + 0.13 * joint / JOINT_COUNT)
    if joint.name.startswith("Left"):
        return _hue(0.52 + 0.16 * joint / JOINT_COUNT)
    return _hue(0.22)


_COLOURS = {joint: _joint_colour(joint) for joint in J}


def draw_person_pose(
    orig_img: Picture,
    poses: Sequence[ArrayLike] | NDArray[np.float32],
    occur_list: Sequence[bool],
    head_list: Sequence[tuple[float, float] | None],
    label: str | Sequence[str] = _PLAIN_LABEL,
    *,
    numbered: bool = False,
) -> Picture:
    """A copy of the BGR picture (H, W, 3) with limbs, joints, and `label` near the head of those who do the action.

    `poses` (P, 18, 3) [x_px, y_px, confidence]; `occur_list[i]` says whether the action occurs in person i;
    `head_list[i]` is where the label belongs (see `head_position`), None leaves it to the pose. Of several labels the
    first one that fits is written. `numbered` writes each person's number, counted from 1, too.
    """
    check_picture(orig_img, "orig_img")
    for name, values in (("occur_list", occur_list), ("head_list", head_list)):
        if len(values) != len(poses):
            raise ValueError(
                f"{name} has {len(values)} entries for {plural(len(poses), 'pose')}; give one for each pose"
            )
    picture = np.ascontiguousarray(orig_img).copy()
    height, width = picture.shape[:2]
    people = [_drawable_pose(pose, width, height) for pose in poses]
    # The smallest last: near people are large and would hide far ones.
    for pose in sorted(people, key=_extent, reverse=True):
        _draw_skeleton(picture, pose, _line_width(pose, width, height))
    labels = [label] if isinstance(label, str) else label
    texts = [text for text in map(drawable, labels) if text] or [_PLAIN_LABEL]
    anchors = [_head_centre(head or head_position(pose), pose) for head, pose in zip(head_list, people)]
    faces = [_face(anchor, _extent(pose)) for anchor, pose in zip(anchors, people) if anchor is not None]
    taken: list[Box] = []
    for number, (pose, occurs, anchor) in enumerate(zip(people, occur_list, anchors), start=1):
        if anchor is not None and (occurs or numbered):
            its_texts = _with_number(texts if occurs else [], number) if numbered else texts
            colour = WARNING if occurs else NEUTRAL
            place_label(picture, its_texts, anchor, _extent(pose), taken, faces=faces, background=colour)
    return picture


def _head_centre(anchor: tuple[float, float] | None, pose: NDArray[np.float64]) -> tuple[float, float] | None:
    """Where the head must be if the anchor is the neck: beyond it, seen from the waist. Else the anchor itself."""
    neck = pose[J.Neck]
    if anchor is None or neck[2] <= 0 or math.dist(anchor, neck[:2]) > 1:
        return anchor
    waists = pose[[J.RightWaist, J.LeftWaist]]
    found = waists[waists[:, 2] > 0, :2]
    if not len(found):
        return anchor
    x, y = neck[:2] + _HEAD_ABOVE_NECK * (neck[:2] - found.mean(axis=0))
    return float(x), float(y)


def _with_number(texts: Sequence[str], number: int) -> list[str]:
    return [f"{number} {text}" for text in texts] or [str(number)]


def _face(anchor: tuple[float, float], extent: float) -> Box:
    """The square around a head that labels should leave free."""
    half = 0.07 * extent
    x, y = anchor
    return round(x - half), round(y - half), round(x + half), round(y + half)


def head_position(pose: ArrayLike) -> tuple[int, int] | None:
    """(x, y) in the pose's pixels where the label belongs: the head, or else the first of neck, shoulders, hands, …
    that was found; None where nothing was.
    """
    joints = np.asarray(pose, np.float64).reshape(JOINT_COUNT, 3)
    for group in _HEAD_FIRST:
        found = [joints[joint, :2] for joint in group if joints[joint, 2] > 0]
        if found:
            x, y = np.mean(found, axis=0)
            return round(float(x)), round(float(y))
    return None


def _drawable_pose(pose: ArrayLike, width: int, height: int) -> NDArray[np.float64]:
    """(18, 3): joints that are not finite or far outside the picture count as not found: OpenCV draws no such lines."""
    joints = np.array(pose, np.float64).reshape(JOINT_COUNT, 3)
    reach = np.array([width, height])
    near = np.isfinite(joints).all(axis=1) & (np.abs(np.nan_to_num(joints[:, :2])) < 3 * reach).all(axis=1)
    joints[~near | (joints[:, 2] <= 0)] = 0
    return joints


def _extent(pose: NDArray[np.float64]) -> float:
    """Diagonal in pixels of the box around the joints that were found; 0 for fewer than two."""
    found = pose[pose[:, 2] > 0, :2]
    return float(np.hypot(*np.ptp(found, axis=0))) if len(found) > 1 else 0.0


def _line_width(pose: NDArray[np.float64], width: int, height: int) -> int:
    """Pixels: by the person's size, and not thinner than one sees when the whole picture is on a screen."""
    return max(1, round(0.012 * _extent(pose)), round(0.002 * max(width, height)))


def _draw_skeleton(picture: Picture, pose: NDArray[np.float64], line_width: int) -> None:
    points = [(round(x), round(y)) for x, y in pose[:, :2].tolist()]
    found = pose[:, 2] > 0
    limbs = [pair for limb, pair in enumerate(LIMBS) if limb not in CONFIRMING_LIMBS and found[list(pair)].all()]
    outline = line_width + 2 * max(1, line_width // 3)
    for a, b in limbs:
        cv2.line(picture, points[a], points[b], _OUTLINE, outline, cv2.LINE_AA)
    for a, b in limbs:
        cv2.line(picture, points[a], points[b], _COLOURS[b], line_width, cv2.LINE_AA)
    # Eyes and ears lie close together: small dots keep the face visible.
    for joint in np.flatnonzero(found):
        face = joint in (J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
        radius = max(1, round(line_width * (0.8 if face else 1.3)))
        cv2.circle(picture, points[joint], radius + max(1, line_width // 3), _OUTLINE, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(picture, points[joint], radius, _COLOURS[J(joint)], cv2.FILLED, cv2.LINE_AA)
