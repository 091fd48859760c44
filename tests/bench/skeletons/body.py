"""A body in three dimensions: segment lengths, limbs placed by two-bone inverse kinematics, limits of the joints.

World: x to the left of a person who looks along z, y up, the ground at y = 0; unit: the person's stature. Segment
lengths over stature after Drillis and Contini (1966); ranges of motion after the usual clinical tables (AAOS).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import JOINT_COUNT, JointType

J = JointType
Vector = NDArray[np.float64]

UP: Vector = np.array([0.0, 1.0, 0.0])
ANKLE_HEIGHT = 0.039
LEFT, RIGHT = 1.0, -1.0

MAX_KNEE_FLEXION = 150.0  # degrees, as all below
MAX_ELBOW_FLEXION = 150.0
MAX_HIP_FLEXION = 130.0  # thigh against the lower trunk
MAX_HIP_EXTENSION = 30.0
MAX_HIP_ABDUCTION = 70.0  # with the flexion and rotation that come with it in a straddle
MAX_HIP_ADDUCTION = 35.0
MAX_SHOULDER_EXTENSION = 60.0


@dataclass(frozen=True)
class Proportions:
    """Segment lengths over stature."""

    hip_half_width: float = 0.058
    lower_trunk: float = 0.130
    upper_trunk: float = 0.158
    shoulder_half_width: float = 0.108
    upper_arm: float = 0.186
    forearm: float = 0.146
    thigh: float = 0.245
    shank: float = 0.246
    head: float = 1.0

    @property
    def leg(self) -> float:
        """Hip to ankle, stretched."""
        return self.thigh + self.shank


@dataclass(frozen=True)
class Stance:
    """Where a body's ends are; the rest follows. Angles in degrees, positions in world coordinates.

    `lean`: lower trunk forward from the vertical; `flexion`: the upper trunk further than the lower; `tilt`: sideways;
    `twist`: shoulders against the hips. `feet`, `hands`: targets of (left, right). `knees`, `elbows`: the direction to
    which each joint points. `head_pitch`, `head_yaw`: the head against the upper trunk.
    """

    pelvis: Vector
    feet: tuple[Vector, Vector]
    hands: tuple[Vector, Vector]
    lean: float = 0.0
    flexion: float = 0.0
    tilt: float = 0.0
    twist: float = 0.0
    knees: tuple[Vector, Vector] = field(default_factory=lambda: (vector(0.15, 0, 1), vector(-0.15, 0, 1)))
    elbows: tuple[Vector, Vector] = field(default_factory=lambda: (vector(0.4, -0.3, -1), vector(-0.4, -0.3, -1)))
    head_pitch: float = 0.0
    head_yaw: float = 0.0


def vector(x: float, y: float, z: float) -> Vector:
    """A point or direction."""
    return np.array([x, y, z], dtype=np.float64)


def rotation(axis: str, degrees: float) -> NDArray[np.float64]:
    """The matrix of a right-handed turn about one of the axes."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def build(stance: Stance, body: Proportions) -> NDArray[np.float64]:
    """The 18 joints (18 x 3) of a body in a stance. Targets out of reach are approached as far as the limbs go."""
    joints = np.zeros((JOINT_COUNT, 3))
    lower = rotation("z", stance.tilt) @ rotation("x", stance.lean)
    upper = rotation("z", stance.tilt) @ rotation("x", stance.lean + stance.flexion) @ rotation("y", stance.twist)
    neck = stance.pelvis + lower @ (UP * body.lower_trunk) + upper @ (UP * body.upper_trunk)
    joints[J.Neck] = neck
    _place_head(joints, neck, upper @ rotation("y", stance.head_yaw) @ rotation("x", stance.head_pitch), body)
    for place, (side, name) in enumerate(((LEFT, "Left"), (RIGHT, "Right"))):
        hip = stance.pelvis + lower @ vector(side * body.hip_half_width, 0, 0)
        knee, foot = two_bones(hip, stance.feet[place], body.thigh, body.shank, stance.knees[place], MAX_KNEE_FLEXION)
        shoulder = neck + upper @ vector(side * body.shoulder_half_width, -0.01, 0)
        elbow, hand = two_bones(
            shoulder, stance.hands[place], body.upper_arm, body.forearm, stance.elbows[place], MAX_ELBOW_FLEXION
        )
        for joint, point in zip(
            ("Waist", "Knee", "Foot", "Shoulder", "Elbow", "Hand"), (hip, knee, foot, shoulder, elbow, hand)
        ):
            joints[JointType[name + joint]] = point
    return joints


def two_bones(
    start: Vector, target: Vector, first: float, second: float, pole: Vector, max_flexion: float
) -> tuple[Vector, Vector]:
    """Middle joint and end of a limb that reaches for `target`, bent towards `pole`, bent at most `max_flexion`."""
    reach = target - start
    distance = float(np.linalg.norm(reach))
    inner = np.radians(180.0 - max_flexion)
    shortest = float(np.sqrt(first**2 + second**2 - 2 * first * second * np.cos(inner)))
    span = float(np.clip(distance, shortest, 0.999 * (first + second)))
    along = reach / distance if distance > 1e-9 else -UP
    aside = pole - along * float(pole @ along)
    aside = aside / max(float(np.linalg.norm(aside)), 1e-9)
    cosine = float(np.clip((first**2 + span**2 - second**2) / (2 * first * span), -1.0, 1.0))
    middle = start + first * (cosine * along + np.sqrt(1 - cosine**2) * aside)
    return middle, start + span * along


def within_limits(joints: NDArray[np.float64], stance: Stance) -> bool:
    """Whether hips and shoulders are inside their ranges of motion (knees and elbows are by construction)."""
    lower = rotation("z", stance.tilt) @ rotation("x", stance.lean)
    upper = rotation("z", stance.tilt) @ rotation("x", stance.lean + stance.flexion) @ rotation("y", stance.twist)
    return all(
        _hip_allows(lower.T @ _direction(joints, f"{name}Waist", f"{name}Knee"), side)
        and _shoulder_allows(upper.T @ _direction(joints, f"{name}Shoulder", f"{name}Elbow"))
        for name, side in (("Left", LEFT), ("Right", RIGHT))
    )


def _hip_allows(thigh: Vector, side: float) -> bool:
    """`thigh`: unit direction from hip to knee in the lower trunk's frame."""
    raised = float(np.degrees(np.arccos(np.clip(-thigh[1], -1.0, 1.0))))
    backward, aside = (float(np.degrees(np.arcsin(np.clip(part, -1.0, 1.0)))) for part in (-thigh[2], side * thigh[0]))
    return (
        raised <= MAX_HIP_FLEXION and backward <= MAX_HIP_EXTENSION and -MAX_HIP_ADDUCTION <= aside <= MAX_HIP_ABDUCTION
    )


def _shoulder_allows(arm: Vector) -> bool:
    """`arm`: unit direction from shoulder to elbow in the upper trunk's frame."""
    backward = float(np.degrees(np.arcsin(np.clip(-arm[2], -1.0, 1.0))))
    return backward <= MAX_SHOULDER_EXTENSION


def _direction(joints: NDArray[np.float64], start: str, end: str) -> Vector:
    line = joints[JointType[end]] - joints[JointType[start]]
    return np.asarray(line / max(float(np.linalg.norm(line)), 1e-9))


def _place_head(joints: NDArray[np.float64], neck: Vector, turned: NDArray[np.float64], body: Proportions) -> None:
    places = {
        J.Nose: (0, 0.105, 0.070),
        J.LeftEye: (0.019, 0.124, 0.060),
        J.RightEye: (-0.019, 0.124, 0.060),
        J.LeftEar: (0.043, 0.115, 0.0),
        J.RightEar: (-0.043, 0.115, 0.0),
    }
    for joint, place in places.items():
        joints[joint] = neck + turned @ (vector(*place) * body.head)
