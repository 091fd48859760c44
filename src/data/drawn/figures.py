"""A jointed figure in three dimensions: its pose, its joints and the order in which its parts are painted.

Body axes: x to the figure's own left, y down, z to where it looks. The camera sees the figure turned by `yaw` about
the vertical (0: it faces the camera, 90°: it looks to the picture's right). Lengths are shares of the body's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import JointType as J

Vector = NDArray[np.float64]
Angles = tuple[float, float, float, float]

#: Largest outline of the head around its centre, as a share of the body's height.
HEAD_RADIUS = 0.072


@dataclass(frozen=True)
class Pose:
    """Angles in degrees.

    Limbs: `raise_out` from hanging (0) sideways to overhead (180), `swing` forward, `bend` of elbow or knee, and the
    plane in which an elbow bends (0 forward, 90 away from the body, -90 towards it).
    """

    lean: float  # of the trunk, forward
    tilt: float  # of the trunk, to the figure's left
    nod: float  # of the head against the trunk, forward
    look: float  # of the head against the trunk, to the figure's left
    arms: tuple[Angles, Angles]  # (left, right) of (raise_out, swing, bend, bend_plane)
    legs: tuple[Angles, Angles]


@dataclass(frozen=True)
class Shape:
    """The proportions of one body; widths are half widths."""

    shoulder: float
    hip: float
    trunk: float
    arm: float
    leg: float
    girth: float


#: Pose families: mean angles; every draw adds its own deviation.
#: Rows: trunk (lean, tilt), left arm, right arm (raise_out, swing, bend, bend_plane), left leg, right leg.
_FAMILIES: dict[str, tuple[tuple[float, ...], ...]] = {
    "stand": ((2, 0), (12, 0, 12, 0), (12, 0, 12, 0), (5, 0, 0), (5, 0, 0)),
    "walk": ((6, 0), (10, 28, 25, 0), (10, -28, 25, 0), (4, -26, 18), (4, 26, 8)),
    "wave": ((2, 0), (105, 5, 70, 80), (14, 5, 15, 0), (6, 0, 0), (6, 0, 0)),
    "spread": ((0, 0), (85, 0, 10, 0), (85, 0, 10, 60), (18, 0, 0), (18, 0, 0)),
    "akimbo": ((2, 0), (48, -10, 95, -75), (48, -10, 95, -75), (9, 0, 0), (9, 0, 0)),
    "climb": ((8, 0), (155, 5, 25, 60), (140, 5, 40, 80), (16, 75, 80), (6, 8, 8)),
    "reach": ((4, 0), (165, 0, 12, 0), (158, 0, 15, 60), (7, 0, 0), (7, 0, 0)),
    "vault": ((62, 8), (25, 40, 20, 0), (25, 45, 20, 0), (24, 70, 75), (10, -12, 12)),
    "squat": ((26, 0), (18, 55, 30, 0), (18, 55, 30, 0), (16, 80, 105), (16, 80, 105)),
}
_SHARES = (0.20, 0.17, 0.12, 0.08, 0.10, 0.12, 0.07, 0.07, 0.07)
FAMILY_NAMES = tuple(_FAMILIES)


def draw_shape(rng: np.random.Generator) -> Shape:
    """A random body: slim to stout, short- to long-legged."""
    girth = rng.uniform(0.85, 1.3)
    return Shape(
        shoulder=0.115 * rng.uniform(0.9, 1.1) * (0.6 + 0.4 * girth),
        hip=0.078 * rng.uniform(0.9, 1.12) * (0.6 + 0.4 * girth),
        trunk=0.295 * rng.uniform(0.95, 1.06),
        arm=0.165 * rng.uniform(0.94, 1.06),
        leg=0.24 * rng.uniform(0.93, 1.06),
        girth=girth,
    )


def draw_pose(rng: np.random.Generator, family: str | None = None) -> Pose:
    """A random pose of a family (drawn too when None); either side may be the active one."""
    name = family or str(rng.choice(FAMILY_NAMES, p=_SHARES))
    (lean, tilt), *limbs = _FAMILIES[name]

    def vary(angles: tuple[float, ...], spread: float) -> Angles:
        out, swing, bend, plane = (*angles, 0.0)[:4] + rng.normal(size=4) * np.array([9.0, 13.0, 16.0, 20.0]) * spread
        return float(np.clip(out, 2, 176)), float(swing), float(np.clip(bend, 0, 140)), float(plane)

    left_arm, right_arm = vary(limbs[0], 1.0), vary(limbs[1], 1.0)
    left_leg, right_leg = vary(limbs[2], 0.5), vary(limbs[3], 0.5)
    if rng.random() < 0.5:
        left_arm, right_arm, left_leg, right_leg, tilt = right_arm, left_arm, right_leg, left_leg, -tilt
    return Pose(
        lean=lean + rng.normal() * 4,
        tilt=tilt + rng.normal() * 5,
        nod=rng.normal() * 6 - lean * 0.5,
        look=rng.normal() * 14,
        arms=(left_arm, right_arm),
        legs=(left_leg, right_leg),
    )


def _rotation(axis: str, degrees: float) -> Vector:
    """Rotation matrix about one body axis, right-handed."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def _limb(start: Vector, frame: Vector, angles: Angles, side: int, length: float) -> tuple[Vector, Vector]:
    """The middle and end joint of a limb that hangs from `start`; `side` is +1 for the figure's left."""
    raise_out, swing, bend, plane = angles
    upper = frame @ _rotation("x", swing) @ _rotation("z", -side * raise_out)
    lower = upper @ _rotation("y", side * plane) @ _rotation("x", bend)
    down = np.array([0.0, 1.0, 0.0])
    middle = start + upper @ down * length
    return middle, middle + lower @ down * length * 0.97


def body_joints(shape: Shape, pose: Pose) -> tuple[Vector, Vector, Vector]:
    """The 18 joints (18, 3), the head's centre (3,) and the head's axes (3, 3), pelvis at the origin, in body axes."""
    joints = np.zeros((len(J), 3))
    trunk = _rotation("x", -pose.lean) @ _rotation("z", pose.tilt)
    neck = trunk @ np.array([0, -shape.trunk, 0])
    joints[J.Neck] = neck
    for side, names in ((1, "Left"), (-1, "Right")):
        k = 0 if side > 0 else 1
        shoulder = neck + trunk @ np.array([side * shape.shoulder, 0.0, 0])
        hip = np.array([side * shape.hip, 0, 0])
        joints[J[names + "Shoulder"]], joints[J[names + "Waist"]] = shoulder, hip
        joints[J[names + "Elbow"]], joints[J[names + "Hand"]] = _limb(shoulder, trunk, pose.arms[k], side, shape.arm)
        knee_back = (*pose.legs[k][:2], -pose.legs[k][2], 0.0)
        joints[J[names + "Knee"]], joints[J[names + "Foot"]] = _limb(hip, np.eye(3), knee_back, side, shape.leg)
    head_axes = trunk @ _rotation("x", -pose.nod) @ _rotation("y", pose.look)
    head = neck + trunk @ _rotation("x", -pose.nod) @ np.array([0, -0.115, 0.012])
    joints[J.Nose] = head + head_axes @ np.array([0, 0.10, 1.05]) * HEAD_RADIUS
    for side, names in ((1, "Left"), (-1, "Right")):
        joints[J[names + "Eye"]] = head + head_axes @ np.array([side * 0.42, -0.22, 0.86]) * HEAD_RADIUS
        joints[J[names + "Ear"]] = head + head_axes @ np.array([side * 0.98, -0.02, 0.0]) * HEAD_RADIUS
    return joints, head, head_axes


def project(points: Vector, yaw: float) -> Vector:
    """(..., 3) body points to (..., 3): picture x (right), y (down) and nearness to the camera, in body heights."""
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([x * c + z * s, y, z * c - x * s], axis=-1)
