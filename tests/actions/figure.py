"""A plain upright person to bend into shape, and the copies of it that must be judged alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import MIRROR, JointType

J = JointType
TORSO = 100.0  # neck to the middle of the waist, in pixels

#: Seen from the front, standing at (0, 0) = the neck; x to the right of the picture, y down.
UPRIGHT: dict[JointType, tuple[float, float]] = {
    J.Nose: (0, -35),
    J.Neck: (0, 0),
    J.RightShoulder: (-35, 0),
    J.RightElbow: (-45, 60),
    J.RightHand: (-45, 112),
    J.LeftShoulder: (35, 0),
    J.LeftElbow: (45, 60),
    J.LeftHand: (45, 112),
    J.RightWaist: (-20, 100),
    J.RightKnee: (-20, 185),
    J.RightFoot: (-20, 270),
    J.LeftWaist: (20, 100),
    J.LeftKnee: (20, 185),
    J.LeftFoot: (20, 270),
    J.RightEye: (-7, -42),
    J.LeftEye: (7, -42),
    J.RightEar: (-14, -38),
    J.LeftEar: (14, -38),
}


def figure(
    changes: Mapping[JointType, tuple[float, float]] | None = None, without: Any = (), confidence: float = 0.9
) -> NDArray[np.float64]:
    """Keypoints (18 x 3): the upright person with some joints moved and some not found."""
    places = {**UPRIGHT, **(changes or {})}
    keypoints = np.array([[*places[joint], confidence] for joint in J], dtype=np.float64)
    keypoints[:, :2] += (400, 300)
    keypoints[[int(joint) for joint in without]] = 0
    return keypoints


def mirrored(keypoints: NDArray[np.float64], width_px: float = 1000) -> NDArray[np.float64]:
    """The person in a picture flipped left to right; joints that were not found stay zero."""
    flipped = keypoints[list(MIRROR)].copy()
    found = flipped[:, 2] > 0
    flipped[found, 0] = width_px - flipped[found, 0]
    return flipped


def scaled(keypoints: NDArray[np.float64], factor: float, shift: tuple[float, float] = (13, -7)) -> NDArray[np.float64]:
    """The person in a picture of another size."""
    copy = keypoints.copy()
    found = copy[:, 2] > 0
    copy[found, :2] = copy[found, :2] * factor + shift
    return copy


def around(center: tuple[float, float], radius: float, degrees: float) -> tuple[float, float]:
    """The point at an angle from the right (0) down (90) around a centre."""
    angle = math.radians(degrees)
    return center[0] + radius * math.cos(angle), center[1] + radius * math.sin(angle)
