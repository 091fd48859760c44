"""Random views of a picture: drawn as numbers, composed to one matrix, applied once.

Scale, rotation, crop and flip become a single affine map from the picture to the network input, so the picture is
resampled once and keypoints and masks follow exactly. Ranges are those of the reference network's training.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import MIRROR

Matrix = NDArray[np.float64]
Joints = NDArray[np.float32]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: What lies beyond the picture's edge, in all three channels.
PADDING = 128

#: The input side at which the ranges below are given in pixels; at another side they shrink or grow with it.
REFERENCE_SIDE = 368


#: The share of views with changed colours, and the largest change of each kind at `colour_jitter` = 1.
JITTER_PROBABILITY = 0.5
HUE_DEG = 20.0
SATURATION = 40.0 / 255.0
BRIGHTNESS = 30.0


@dataclass(frozen=True)
class AugmentSettings:
    """How far a view may differ: settings of `default_config.yaml`; pixels are input pixels at REFERENCE_SIDE."""

    scale_min: float
    scale_max: float
    person_size_min: float
    person_size_max: float
    rotate_max: float
    center_shift_max: float
    flip_probability: float
    colour_jitter: float


@dataclass(frozen=True)
class View:
    """One drawn view: the map (2, 3) from picture to input pixels, whether it mirrors, and the colour map or None."""

    matrix: Matrix
    flipped: bool
    colour: Matrix | None


def draw_view(rng: random.Random, joints: Joints, input_size: tuple[int, int], settings: AugmentSettings) -> View:
    """A random view of a picture with the persons `joints` (P >= 1, 18, 3), centred near one of them.

    The number of random draws is constant, so changing one setting leaves all other draws unchanged. (Plain Python on
    purpose: for so few numbers it is several times faster than NumPy.)
    """
    s = settings
    width, height = input_size
    unit = min(width, height) / REFERENCE_SIDE
    uniform = [rng.random() for _ in range(9)]
    turn = min(max(rng.gauss(0.0, 1.0) * s.rotate_max / 3, -s.rotate_max), s.rotate_max)
    boxes = joint_boxes(joints)
    scale = _scale(boxes, uniform[0], s) * unit
    left, top, right, bottom = boxes[min(int(uniform[1] * len(boxes)), len(boxes) - 1)]
    shift = 2 * s.center_shift_max * unit
    target = (width - 1) / 2 + (uniform[2] - 0.5) * shift, (height - 1) / 2 + (uniform[3] - 0.5) * shift
    matrix = view_matrix(((left + right) / 2, (top + bottom) / 2), target, scale, turn)
    flipped = uniform[4] < s.flip_probability
    if flipped:
        matrix = mirrored(matrix, width)
    colour = None
    if uniform[5] < JITTER_PROBABILITY and s.colour_jitter > 0:
        hue, saturation, brightness = ((2 * u - 1) * s.colour_jitter for u in uniform[6:9])
        colour = colour_matrix(hue * HUE_DEG, 1 + saturation * SATURATION, brightness * BRIGHTNESS)
    return View(matrix, flipped, colour)


def joint_boxes(joints: Joints) -> list[Box]:
    """(left, top, right, bottom) of each person's annotated joints; every person must have one."""
    boxes: list[Box] = []
    for person in joints.tolist():
        xs = [x for x, _, visibility in person if visibility > 0]
        ys = [y for _, y, visibility in person if visibility > 0]
        boxes.append((min(xs), min(ys), max(xs), max(ys)))
    return boxes


def _scale(boxes: list[Box], uniform: float, s: AugmentSettings) -> float:
    """A scale that keeps all persons' diagonals in range as far as the scale's own range allows."""
    diagonals = [math.hypot(right - left + 1, bottom - top + 1) for left, top, right, bottom in boxes]
    low = min(max(s.person_size_min / min(diagonals), s.scale_min), 1.0, s.scale_max)
    high = max(min(s.person_size_max / max(diagonals), s.scale_max), min(1.0, s.scale_max), low)
    return low + uniform * (high - low)


def view_matrix(centre: Point, target: Point, scale: float, degrees: float) -> Matrix:
    """(2, 3): scale and turn (clockwise as seen) about `centre` in the picture, which comes to lie on `target`."""
    c, s = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    (x, y), (to_x, to_y) = centre, target
    return np.array([[c, -s, to_x - c * x + s * y], [s, c, to_y - s * x - c * y]])


def mirrored(matrix: Matrix, width: int) -> Matrix:
    """The map followed by a left-right flip of the `width` pixels wide input."""
    result = matrix.copy()
    result[0] *= -1
    result[0, 2] += width - 1
    return result


def fit_matrix(picture_size: tuple[int, int], input_size: tuple[int, int]) -> Matrix:
    """(2, 3): the whole picture scaled into the input's top left corner, as inference does it."""
    scale = min(input_size[0] / picture_size[0], input_size[1] / picture_size[1])
    x, y = (max(1, round(side * scale)) / side for side in picture_size)
    return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5]])


def move_joints(joints: Joints, view: View) -> Joints:
    """Joints (P, 18, 3) from picture to input pixels; a mirrored view exchanges left and right joints."""
    moved = joints.copy()
    moved[:, :, :2] = joints[:, :, :2] @ view.matrix[:, :2].T + view.matrix[:, 2]
    return moved[:, _MIRROR] if view.flipped else moved


def decode_reduction(matrix: Matrix) -> int:
    """The largest of 1, 2, 4, 8 by which the picture may be reduced before the map without losing detail it keeps."""
    (a, b, _), (c, d, _) = matrix.tolist()
    scale = abs(a * d - b * c) ** 0.5
    reduction = 1
    while reduction < 8 and scale * reduction * 2 <= 1.0:
        reduction *= 2
    return reduction


def from_reduced(matrix: Matrix, reduction: int) -> Matrix:
    """The same map from a picture reduced by blocks: pixel i is centred on original pixel r·i + (r−1)/2."""
    result = matrix.copy()
    result[:, :2] *= reduction
    result[:, 2] += matrix[:, :2].sum(axis=1) * (reduction - 1) / 2
    return result


def to_cells(matrix: Matrix, stride: int) -> Matrix:
    """The map from the picture to the network's maps; cell i is centred on input pixel stride·i + (stride−1)/2."""
    result = matrix / stride
    result[:, 2] -= (stride - 1) / 2 / stride
    return result


def warp_picture(picture: NDArray[np.uint8], matrix: Matrix, input_size: tuple[int, int]) -> NDArray[np.uint8]:
    """The view (height, width, 3) of a picture, bilinear, PADDING beyond its edge."""
    border = (PADDING, PADDING, PADDING)
    return cv2.warpAffine(
        picture, matrix, input_size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border
    )


def colour_matrix(hue_deg: float, saturation: float, brightness: float) -> Matrix:
    """(3, 4) for `cv2.transform` of a BGR picture: turn about the grey axis, stretch away from it, add brightness.

    The linear counterpart of a change of hue, saturation and value, at a fraction of the two colour conversions' cost.
    """
    c, s = math.cos(math.radians(hue_deg)) * saturation, math.sin(math.radians(hue_deg)) * saturation / math.sqrt(3)
    same, ahead, behind = 1 / 3 + c * 2 / 3, 1 / 3 - c / 3 - s, 1 / 3 - c / 3 + s
    return np.array(
        [[same, ahead, behind, brightness], [behind, same, ahead, brightness], [ahead, behind, same, brightness]]
    )


_MIRROR = np.array(MIRROR)
