"""One person's joints as a rule sees them: found or not, in picture pixels with the y axis pointing down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from src.actions.measures.geometry import Array, Point
from src.actions.measures.readings import Kind, Readings
from src.actions.measures.scene import Scene
from src.actions.measures.spots import NECK, SHOULDER_LINE, SHOULDERS, WAISTS, Spot, Spots
from src.errors import DataError
from src.pose.skeleton import JOINT_COUNT, JointType

J = JointType

VALUES_PER_JOINT = 3
LARGEST_COORDINATE_PX = 1e9  # beyond any picture; keeps every distance finite

#: Lines that tell the body's size, with their usual length in torsos (neck to the middle of the waist).
#: Lengths over stature after Drillis and Contini (1966): torso 0.288, thigh 0.245, shank 0.246, upper arm 0.186.
SIZE_LINES: tuple[tuple[Spots, float], ...] = (
    ((NECK, WAISTS), 1.0),
    (((J.RightWaist,), (J.RightKnee,)), 0.245 / 0.288),
    (((J.LeftWaist,), (J.LeftKnee,)), 0.245 / 0.288),
    (((J.RightKnee,), (J.RightFoot,)), 0.246 / 0.288),
    (((J.LeftKnee,), (J.LeftFoot,)), 0.246 / 0.288),
    (((J.RightShoulder,), (J.RightElbow,)), 0.186 / 0.288),
    (((J.LeftShoulder,), (J.LeftElbow,)), 0.186 / 0.288),
)
_SIZES = Readings([Kind.DISTANCE] * len(SIZE_LINES), [spots for spots, _ in SIZE_LINES])
_USUAL = np.array([length_in_torsos for _, length_in_torsos in SIZE_LINES])


@dataclass(frozen=True)
class Pose:
    """The joints of one person; a joint that was not found has confidence 0 and decides nothing.

    `joints`: 18 x (x_px, y_px, confidence) in the order of JointType. `torso_px`: the body's size, see `torso_lengths`.
    """

    joints: tuple[tuple[float, float, float], ...]
    torso_px: float | None = field(default=None, compare=False)
    scene: Scene | None = field(default=None, compare=False)  # the picture's fence and ground, where declared

    def at(self, joint: JointType) -> Point | None:
        """The joint's place (x_px, y_px), or None where it was not found."""
        x, y, confidence = self.joints[joint]
        return (x, y) if confidence > 0 else None

    def confidence(self, joint: JointType) -> float:
        """The joint's confidence, 0 where it was not found."""
        return self.joints[joint][2]

    def resting_on(self, spot: Spot) -> Spot:
        """The joints of a spot that were found; all that are wanted where none was."""
        if spot == SHOULDER_LINE:
            return NECK if self.confidence(J.Neck) > 0 else self.resting_on(SHOULDERS)
        first, last = self.joints[spot[0]][2] > 0, self.joints[spot[-1]][2] > 0
        return spot if first == last else spot[:1] if first else spot[-1:]


def as_pose(keypoints: ArrayLike, scene: Scene | None = None) -> Pose:
    """Read 18 x (x, y, confidence), flat or nested; a joint with a NaN, infinite or absurd number counts as not found.

    Raises DataError when it is not 54 numbers, for instance when the neck was dropped for a COCO evaluation.
    """
    return as_poses([keypoints], scene)[0]


def as_poses(persons: Sequence[ArrayLike], scene: Scene | None = None) -> list[Pose]:
    """Read all persons of a picture as `as_pose` does."""
    if len(persons) == 0:
        return []
    return _poses(np.stack([_as_joints(keypoints) for keypoints in persons]), 0.0, [scene] * len(persons))


def trusting(persons: Sequence[Pose], min_confidence: float) -> list[Pose]:
    """The same persons without the joints below `min_confidence`."""
    joints = joints_of(persons)
    confidence = joints[..., 2]
    doubtful = np.flatnonzero(((confidence > 0) & (confidence < min_confidence)).any(axis=1)).tolist()
    trusted = list(persons)
    again = _poses(joints[doubtful], min_confidence, [persons[number].scene for number in doubtful])
    for number, pose in zip(doubtful, again):
        trusted[number] = pose
    return trusted


def midpoint(first: Point | None, second: Point | None) -> Point | None:
    """The middle of two points; the one that is there when the other is missing."""
    if first is None or second is None:
        return first if second is None else second
    return ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)


def joints_of(persons: Sequence[Pose]) -> Array:
    """Persons x 18 x (x, y, confidence)."""
    return np.array([pose.joints for pose in persons], dtype=np.float64).reshape(-1, JOINT_COUNT, VALUES_PER_JOINT)


def places_of(joints: Array) -> Array:
    """Persons x 18 x (x, y) of persons x 18 x (x, y, confidence): NaN where the confidence is 0."""
    return np.where(joints[..., 2:] > 0, joints[..., :2], np.nan)


def torso_lengths(places: Array) -> Array:
    """Each body's size in pixels, as the length of its torso seen from the side; NaN where no limb was found.

    A projection only ever shortens a limb, so the longest evidence is nearest to the truth: every line of SIZE_LINES
    divided by its usual length in torsos. With three or more, the second longest is taken, so that one joint of
    somebody else does not decide.
    """
    lengths = _SIZES.take(places, np.full(len(places), np.nan)) / _USUAL
    longest = -np.sort(np.where(lengths > 0, -lengths, np.nan), axis=1)
    has_three = ~np.isnan(longest[:, 2])
    return np.where(has_three, longest[:, 1], longest[:, 0])


def _as_joints(keypoints: ArrayLike) -> Array:
    try:
        values = np.asarray(keypoints, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"keypoints are not numbers ({error}); give 18 x (x, y, confidence)") from None
    if values.size != JOINT_COUNT * VALUES_PER_JOINT or values.shape[-1:] not in ((VALUES_PER_JOINT,), (values.size,)):
        raise DataError(
            f"keypoints have the shape {values.shape}; give 18 x (x, y, confidence) in JointType's order, with the neck"
        )
    return values.reshape(JOINT_COUNT, VALUES_PER_JOINT)


def _poses(values: Array, min_confidence: float, scenes: Sequence[Scene | None]) -> list[Pose]:
    with np.errstate(invalid="ignore"):
        is_sane = (np.abs(values) < LARGEST_COORDINATE_PX).all(axis=2)
        found = is_sane & (values[..., 2] > 0) & (values[..., 2] >= min_confidence)
    joints = np.where(found[..., None], values, 0.0)
    sizes = torso_lengths(places_of(joints)).tolist()
    return [
        Pose(tuple(map(tuple, person)), None if math.isnan(size) else size, scene)
        for person, size, scene in zip(joints.tolist(), sizes, scenes)
    ]
