"""One person's joints as a rule sees them: found or not, in picture pixels with the y axis pointing down."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from src.actions.measures.scene import Scene
from src.errors import DataError
from src.pose.skeleton import JOINT_COUNT, JointType

J = JointType
Point = tuple[float, float]

VALUES_PER_JOINT = 3
LARGEST_COORDINATE_PX = 1e9  # beyond any picture; keeps every distance finite

#: Limbs that tell the body's size, with their usual length in torsos (neck to the middle of the waist).
#: Lengths over stature after Drillis and Contini (1966): torso 0.288, thigh 0.245, shank 0.246, upper arm 0.186.
SIZE_LIMBS: tuple[tuple[JointType, JointType, float], ...] = (
    (J.RightWaist, J.RightKnee, 0.245 / 0.288),
    (J.LeftWaist, J.LeftKnee, 0.245 / 0.288),
    (J.RightKnee, J.RightFoot, 0.246 / 0.288),
    (J.LeftKnee, J.LeftFoot, 0.246 / 0.288),
    (J.RightShoulder, J.RightElbow, 0.186 / 0.288),
    (J.LeftShoulder, J.LeftElbow, 0.186 / 0.288),
)


@dataclass(frozen=True)
class Pose:
    """The joints of one person; a joint that was not found has confidence 0 and decides nothing.

    `joints`: 18 x (x_px, y_px, confidence) in the order of JointType. `torso_px`: the body's size, see `torso_length`.
    """

    joints: tuple[tuple[float, float, float], ...]
    torso_px: float | None = field(default=None, compare=False)
    scene: Scene | None = field(default=None, compare=False)  # the picture's fence and ground, where declared
    _places: tuple[Point | None, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        places = tuple((x, y) if confidence > 0 else None for x, y, confidence in self.joints)
        object.__setattr__(self, "_places", places)

    def at(self, joint: JointType) -> Point | None:
        """The joint's place (x_px, y_px), or None where it was not found."""
        return self._places[joint]

    def confidence(self, joint: JointType) -> float:
        """The joint's confidence, 0 where it was not found."""
        return self.joints[joint][2]

    def trusting(self, min_confidence: float) -> Pose:
        """The same person without the joints below `min_confidence`."""
        if all(joint[2] >= min_confidence or joint[2] <= 0 for joint in self.joints):
            return self
        kept = (joint if joint[2] >= min_confidence else (0.0, 0.0, 0.0) for joint in self.joints)
        return _with_size(tuple(kept), self.scene)


def as_pose(keypoints: ArrayLike, scene: Scene | None = None) -> Pose:
    """Read 18 x (x, y, confidence), flat or nested; a joint with a NaN, infinite or absurd number counts as not found.

    Raises DataError when it is not 54 numbers, for instance when the neck was dropped for a COCO evaluation.
    """
    try:
        values = np.asarray(keypoints, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"keypoints are not numbers ({error}); give 18 x (x, y, confidence)") from None
    if values.size != JOINT_COUNT * VALUES_PER_JOINT or values.shape[-1:] not in ((VALUES_PER_JOINT,), (values.size,)):
        raise DataError(
            f"keypoints have the shape {values.shape}; give 18 x (x, y, confidence) in JointType's order, with the neck"
        )
    joints = values.reshape(JOINT_COUNT, VALUES_PER_JOINT)
    with np.errstate(invalid="ignore"):
        found = (np.abs(joints) < LARGEST_COORDINATE_PX).all(axis=1) & (joints[:, 2] > 0)
    return _with_size(tuple(tuple(joint) for joint in np.where(found[:, None], joints, 0.0).tolist()), scene)


def midpoint(first: Point | None, second: Point | None) -> Point | None:
    """The middle of two points; the one that is there when the other is missing."""
    if first is None or second is None:
        return first if second is None else second
    return ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)


def torso_length(pose: Pose) -> float | None:
    """The body's size in pixels, as the length of its torso seen from the side; None when no limb was found.

    A projection only ever shortens a limb, so the longest evidence is nearest to the truth: the torso itself and every
    limb of SIZE_LIMBS divided by its usual length in torsos. With three or more, the second longest is taken, so that
    one joint of somebody else does not decide.
    """
    lengths = sorted(_size_evidence(pose), reverse=True)
    if not lengths:
        return None
    return lengths[1] if len(lengths) >= 3 else lengths[0]


def _size_evidence(pose: Pose) -> Iterable[float]:
    neck, waist = pose.at(J.Neck), midpoint(pose.at(J.RightWaist), pose.at(J.LeftWaist))
    if neck is not None and waist is not None and neck != waist:
        yield math.dist(neck, waist)
    for start, end, length_in_torsos in SIZE_LIMBS:
        first, second = pose.at(start), pose.at(end)
        if first is not None and second is not None and first != second:
            yield math.dist(first, second) / length_in_torsos


def _with_size(joints: tuple[tuple[float, float, float], ...], scene: Scene | None = None) -> Pose:
    bare = Pose(joints)
    return Pose(joints, torso_length(bare), scene)
