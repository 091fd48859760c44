"""Unknown is not absent: targets about which the annotations say nothing are left out of the loss.

Heatmaps lie in 0 … 1 and part affinity fields in -1 … 1; a cell of a target channel that is UNKNOWN does not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.arrays import Reals
from src.pose.grid import input_to_cell
from src.pose.skeleton import BACKGROUND_CHANNEL, JOINT_COUNT, LIMBS

Maps = NDArray[np.float32]
Flags = NDArray[np.bool_]

UNKNOWN = -4.0

#: An unlabelled joint may be anywhere in the box of its person's labelled joints, enlarged by this share of the longer
#: side on all sides: a shank is about a quarter of a standing body.
JOINT_MARGIN = 0.5
#: An annotated person, head, hands and feet included, lies in the box of the labelled joints enlarged by this share.
PERSON_MARGIN = 0.25
#: Where a target heatmap is above this, a labelled joint is near, and the cell is known whoever else is around.
LABELLED_ABOVE = 0.05

_FROM = np.array([start for start, _ in LIMBS])
_TO = np.array([end for _, end in LIMBS])


def never_labelled(persons: Reals) -> Flags:
    """(18,) True for each joint that none of the persons (n, 18, 3) [x, y, visibility] has labelled."""
    return ~(persons[:, :, 2] > 0).any(axis=0)


def leave_out_joints(heatmaps: Maps, pafs: Maps, joints: Flags) -> tuple[Maps, Maps]:
    """The targets (19, h, w) and (38, h, w) with all that the marked joints (18,) decide made UNKNOWN.

    These are their heatmaps, the limbs that begin or end in one, and the background: the absence of all joints.
    """
    if not joints.any():
        return heatmaps, pafs
    maps, fields = heatmaps.copy(), pafs.copy()
    maps[:JOINT_COUNT][joints] = UNKNOWN
    maps[BACKGROUND_CHANNEL] = UNKNOWN
    fields[_limb_channels(joints)] = UNKNOWN
    return maps, fields


def leave_out_unlabelled(heatmaps: Maps, pafs: Maps, persons: Reals, stride: int) -> tuple[Maps, Maps]:
    """The targets with the surroundings of each person's unlabelled joints made UNKNOWN in those joints' channels.

    `persons` (P, 18, 3) in network input pixels. Cells near the same joint, or on the same limb, of a person who has it
    labelled stay known.
    """
    maps, fields = heatmaps.copy(), pafs.copy()
    labelled = heatmaps[:JOINT_COUNT] >= LABELLED_ABOVE
    limb_drawn = np.repeat((pafs.reshape(len(LIMBS), 2, *pafs.shape[1:]) != 0).any(axis=1), 2, axis=0)
    for person, box in zip(persons, person_boxes(persons, JOINT_MARGIN)):
        unlabelled = person[:, 2] <= 0
        if not unlabelled.any():
            continue
        rows, columns = cell_window(box, pafs.shape[1:], stride)
        for joint in np.flatnonzero(unlabelled):
            maps[joint, rows, columns][~labelled[joint, rows, columns]] = UNKNOWN
        maps[BACKGROUND_CHANNEL, rows, columns][~labelled[:, rows, columns].any(axis=0)] = UNKNOWN
        for channel in _limb_channels(unlabelled):
            fields[channel, rows, columns][~limb_drawn[channel, rows, columns]] = UNKNOWN
    return maps, fields


def annotated_cells(persons: Reals, shape: tuple[int, ...], stride: int) -> NDArray[np.float32]:
    """(1, h, w) float32, 1 on the cells around the persons (P, 18, 3) in network input pixels, 0 elsewhere."""
    cells = np.zeros((1, *shape), np.float32)
    for box in person_boxes(persons, PERSON_MARGIN):
        rows, columns = cell_window(box, shape, stride)
        cells[0, rows, columns] = 1
    return cells


def person_boxes(persons: Reals, margin: float) -> NDArray[np.float64]:
    """(P, 4) left, top, right, bottom around each person's labelled joints, enlarged by `margin` of the longer side."""
    boxes = []
    for person in persons:
        points = person[person[:, 2] > 0, :2].astype(np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        reach = margin * float((high - low).max())
        boxes.append([*(low - reach), *(high + reach)])
    return np.array(boxes, np.float64).reshape(-1, 4)


def cell_window(
    box: NDArray[np.float64], shape: tuple[int, ...], stride: int
) -> tuple[slice[int, int, None], slice[int, int, None]]:
    """The rows and columns of the (h, w) cells whose centres lie in a box of network input pixels."""
    low = np.ceil(input_to_cell(box[:2], stride))
    high = np.floor(input_to_cell(box[2:], stride)) + 1
    left, top = np.clip(low, 0, (shape[1], shape[0])).astype(int).tolist()
    right, bottom = np.clip(high, 0, (shape[1], shape[0])).astype(int).tolist()
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def _limb_channels(joints: Flags) -> NDArray[np.int64]:
    """The PAF channels of the limbs that begin or end in one of the marked joints."""
    limbs = np.flatnonzero(joints[_FROM] | joints[_TO])
    return np.concatenate([2 * limbs, 2 * limbs + 1])
