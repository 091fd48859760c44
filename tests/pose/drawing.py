"""Maps of people whose joints are known, drawn by formula and independent of the training encoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.pose.grid import STRIDE
from src.pose.skeleton import HEATMAP_CHANNELS, JOINT_COUNT, LIMBS, PAF_CHANNELS, JointType

SIGMA_PX = 7.0
HALF_WIDTH_PX = 8.0

#: A standing person of height 1 who faces the camera: (x, y) from the top of the head, right is the person's right.
STANDING: dict[JointType, tuple[float, float]] = {
    JointType.Nose: (0.0, 0.08),
    JointType.Neck: (0.0, 0.18),
    JointType.RightShoulder: (-0.11, 0.18),
    JointType.RightElbow: (-0.16, 0.36),
    JointType.RightHand: (-0.18, 0.51),
    JointType.LeftShoulder: (0.11, 0.18),
    JointType.LeftElbow: (0.16, 0.36),
    JointType.LeftHand: (0.18, 0.51),
    JointType.RightWaist: (-0.08, 0.50),
    JointType.RightKnee: (-0.09, 0.73),
    JointType.RightFoot: (-0.09, 0.96),
    JointType.LeftWaist: (0.08, 0.50),
    JointType.LeftKnee: (0.09, 0.73),
    JointType.LeftFoot: (0.09, 0.96),
    JointType.RightEye: (-0.025, 0.06),
    JointType.LeftEye: (0.025, 0.06),
    JointType.RightEar: (-0.055, 0.07),
    JointType.LeftEar: (0.055, 0.07),
}


def standing_person(x: float, y: float, height: float, missing: tuple[JointType, ...] = ()) -> NDArray[np.float64]:
    """(18, 3) [x_in, y_in, 1 or 0]: the figure with the top of its head at (x, y)."""
    person = np.zeros((JOINT_COUNT, 3))
    for joint, (dx, dy) in STANDING.items():
        if joint not in missing:
            person[joint] = x + dx * height, y + dy * height, 1
    return person


def draw_maps(
    people: list[NDArray[np.float64]], width_in: int = 368, height_in: int = 368
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (19, h, w) and PAFs (38, h, w) of people (18, 3): the largest Gaussian, the mean field."""
    y_in, x_in = np.mgrid[0 : height_in // STRIDE, 0 : width_in // STRIDE] * STRIDE + (STRIDE - 1) / 2
    heatmaps = np.zeros((HEATMAP_CHANNELS, *x_in.shape))
    pafs = np.zeros((PAF_CHANNELS, *x_in.shape))
    count = np.zeros((len(LIMBS), *x_in.shape))
    for person in people:
        for joint in range(JOINT_COUNT):
            x, y, found = person[joint]
            if found:
                blob = np.exp(-((x_in - x) ** 2 + (y_in - y) ** 2) / (2 * SIGMA_PX**2))
                heatmaps[joint] = np.maximum(heatmaps[joint], blob)
        for limb, (a, b) in enumerate(LIMBS):
            if person[a, 2] and person[b, 2]:
                _add_limb(pafs, count, limb, person[a, :2], person[b, :2], x_in, y_in)
    heatmaps[-1] = 1 - heatmaps[:-1].max(axis=0)
    pafs /= np.maximum(np.repeat(count, 2, axis=0), 1)
    return heatmaps.astype(np.float32), pafs.astype(np.float32)


def _add_limb(
    pafs: NDArray[np.float64],
    count: NDArray[np.float64],
    limb: int,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    x_in: NDArray[np.float64],
    y_in: NDArray[np.float64],
) -> None:
    length = np.hypot(*(end - start))
    if length == 0:
        return
    ux, uy = (end - start) / length
    along = (x_in - start[0]) * ux + (y_in - start[1]) * uy
    across = np.abs((x_in - start[0]) * uy - (y_in - start[1]) * ux)
    on_limb = (along >= -HALF_WIDTH_PX) & (along <= length + HALF_WIDTH_PX) & (across <= HALF_WIDTH_PX)
    pafs[2 * limb][on_limb] += ux
    pafs[2 * limb + 1][on_limb] += uy
    count[limb][on_limb] += 1
