"""A camera that sees a body from any side, and the errors a network makes when it finds the joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import JOINT_COUNT, MIRROR, JointType
from tests.bench.skeletons.body import rotation, vector

J = JointType
Array = NDArray[np.float64]

#: How far apart people place each joint: the standard deviations of the COCO keypoint metric, over the square root of
#: the person's area. A person's area is about 0.13 of the squared stature, the square root 0.36 of it.
COCO_SIGMAS = {
    "Nose": 0.026, "Eye": 0.025, "Ear": 0.035, "Shoulder": 0.079, "Elbow": 0.072,
    "Hand": 0.062, "Waist": 0.107, "Knee": 0.087, "Foot": 0.089, "Neck": 0.079,
}  # fmt: skip
AREA_ROOT = 0.36
FACE = (J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
LEGS = (J.RightKnee, J.RightFoot, J.LeftKnee, J.LeftFoot)


@dataclass(frozen=True)
class Errors:
    """How well the network does. Shares are probabilities."""

    noise: float = 0.5  # times the COCO deviations
    missing: float = 0.04  # of any joint
    hidden_missing: float = 0.35  # of a joint behind the body
    face_missing: float = 0.85  # of a part of the face that looks away
    swapped_legs: float = 0.03
    stray: float = 0.01  # a joint found somewhere else on the body
    cut: float = 0.05  # persons whose legs the picture's edge or an object hides from some height down


@dataclass(frozen=True)
class View:
    """Where cameras stand: ranges of the pitch (degrees, downwards) and of the distance (statures)."""

    pitch: tuple[float, float] = (-5.0, 20.0)
    distance: tuple[float, float] = (3.0, 10.0)


def photograph(joints: Array, rng: np.random.Generator, view: View, errors: Errors) -> Array:
    """A found person (18 x (x_px, y_px, confidence)) from a body's joints (18 x 3, in statures).

    From any side, looking down by a pitch in the view's range, from a distance in its range, slightly rolled.
    """
    seen, depth, stature_px = _project(joints, rng, view)
    hidden = _hidden(joints, seen, depth)
    sigma = np.array([_sigma(joint) for joint in J]) * AREA_ROOT * stature_px * errors.noise
    found = seen + rng.normal(size=seen.shape) * sigma[:, None] * np.where(hidden, 1.6, 1.0)[:, None]
    if rng.random() < errors.swapped_legs:
        found[list(LEGS)] = found[[MIRROR[joint] for joint in LEGS]]
    stray = rng.random(JOINT_COUNT) < errors.stray
    found[stray] = (
        found[rng.permutation(JOINT_COUNT)][stray] + rng.normal(size=(int(stray.sum()), 2)) * 0.05 * stature_px
    )
    confidence = np.clip(rng.beta(6, 2, JOINT_COUNT) - 0.25 * hidden, 0.12, 1.0)
    losable = np.where(hidden, errors.hidden_missing, errors.missing)
    losable[list(FACE)] = np.where(hidden[list(FACE)], errors.face_missing, errors.missing)
    lost = rng.random(JOINT_COUNT) < losable
    if rng.random() < errors.cut:
        lost |= seen[:, 1] > rng.uniform(seen[J.LeftWaist, 1], seen[:, 1].max())
    return np.where(lost[:, None], 0.0, np.column_stack([found, confidence]))


def _project(joints: Array, rng: np.random.Generator, view: View) -> tuple[Array, Array, float]:
    """Pixel places (18 x 2), depths (18) and the stature in pixels at the body's middle."""
    turn = (
        rotation("z", rng.normal(0, 3)) @ rotation("x", rng.uniform(*view.pitch)) @ rotation("y", rng.uniform(0, 360))
    )
    distance, stature_px = rng.uniform(*view.distance), rng.uniform(120, 800)
    inside = (joints - joints.mean(axis=0)) @ turn.T
    depth = distance - inside[:, 2]  # the camera looks along -z
    scale = stature_px * distance / depth
    middle = vector(rng.uniform(300, 900), rng.uniform(300, 700), 0)[:2]
    return inside[:, :2] * [1, -1] * scale[:, None] + middle, depth, stature_px


def _hidden(joints: Array, seen: Array, depth: Array) -> NDArray[np.bool_]:
    """Joints behind the trunk or the head, and the far one of a pair that lies behind the near one."""
    hidden = np.zeros(JOINT_COUNT, dtype=bool)
    trunk = seen[[J.RightShoulder, J.LeftShoulder, J.LeftWaist, J.RightWaist]]
    trunk_depth = depth[[J.RightShoulder, J.LeftShoulder, J.LeftWaist, J.RightWaist]].mean()
    for joint in J:
        if joint in (J.Neck, J.RightShoulder, J.LeftShoulder, J.RightWaist, J.LeftWaist, *FACE):
            continue
        hidden[joint] = depth[joint] > trunk_depth + 0.03 and _inside(seen[joint], trunk)
    size = np.linalg.norm(seen[J.Neck] - seen[[J.RightWaist, J.LeftWaist]].mean(axis=0)) + 1e-9
    for joint in J:
        twin = MIRROR[joint]
        near = np.linalg.norm(seen[joint] - seen[twin]) < 0.15 * size
        hidden[joint] |= twin != joint and near and depth[joint] > depth[twin] + 0.02
    face_from_behind = depth[J.Nose] > depth[[J.RightEar, J.LeftEar]].mean() + 0.03
    for joint in FACE[:3]:
        hidden[joint] |= face_from_behind
    hidden[J.RightEar] |= depth[J.RightEar] > depth[J.LeftEar] + 0.04
    hidden[J.LeftEar] |= depth[J.LeftEar] > depth[J.RightEar] + 0.04
    return hidden


def _inside(point: Array, corners: Array) -> bool:
    """Whether a point lies in a convex quadrilateral."""
    edges = np.roll(corners, -1, axis=0) - corners
    sides = edges[:, 0] * (point - corners)[:, 1] - edges[:, 1] * (point - corners)[:, 0]
    return bool((sides > 0).all() or (sides < 0).all())


def _sigma(joint: JointType) -> float:
    return COCO_SIGMAS[joint.name.replace("Right", "").replace("Left", "")]
