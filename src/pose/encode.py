"""Keypoints to training targets: heatmaps (where each joint is) and part affinity fields (which way each limb runs).

Formulas: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", sections 2.2 and 2.3.
Both are sampled at the cells' centres and written only where they differ from zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.arrays import Reals
from src.pose.grid import STRIDE, cell_to_input, input_to_cell
from src.pose.skeleton import BACKGROUND_CHANNEL, HEATMAP_CHANNELS, JOINT_COUNT, LIMBS, PAF_CHANNELS

FloatMaps = NDArray[np.float32]

#: A joint's Gaussian is written up to this many sigmas from it; beyond, it is below 0.0004.
_REACH = 4.0

_FROM = np.array([start for start, _ in LIMBS])
_TO = np.array([end for _, end in LIMBS])


def encode_keypoints(
    persons: Reals,
    input_size: tuple[int, int],
    stride: int = STRIDE,
    sigma: float = 7.0,
    paf_half_width: float = 8.0,
) -> tuple[FloatMaps, FloatMaps]:
    """Heatmaps (19, h, w) and PAFs (38, h, w) float32 of persons (P, 18, 3): x, y in network input pixels, visibility.

    Joints with visibility 0 are not there. `input_size` is (width, height) in pixels, `sigma` and `paf_half_width` are
    in input pixels; h, w are the input's sides divided by `stride`.
    """
    width, height = input_size
    shape = (height // stride, width // stride)
    joints = np.asarray(persons, np.float64).reshape(-1, JOINT_COUNT, 3)
    return encode_heatmaps(joints, shape, stride, sigma), encode_pafs(joints, shape, stride, paf_half_width)


def encode_heatmaps(persons: Reals, shape: tuple[int, int], stride: int, sigma: float) -> FloatMaps:
    """(19, h, w): the largest of the persons' Gaussians for every joint; last, 1 minus the largest of all."""
    side = int(2 * _REACH * sigma / stride) + 2  # cells of the window around a joint
    height, width = shape[0] + 2 * side, shape[1] + 2 * side  # a margin takes what falls outside
    padded = np.zeros((HEATMAP_CHANNELS, height, width), np.float32)
    flat = padded.reshape(-1)
    person, joint = np.nonzero(persons[:, :, 2] > 0)
    near = _bounded(persons[person, joint, :2], -1e6, 1e6)
    corner = _bounded(np.ceil(input_to_cell(near - _REACH * sigma, stride)), -side, np.array(shape[::-1])).astype(int)
    cells = corner[:, :, None] + np.arange(side)  # (k, xy, side)
    offset = cell_to_input(cells, stride) - near[:, :, None]
    bell = np.exp(offset * offset * (-0.5 / sigma**2)).astype(np.float32)
    bells = bell[:, 1, :, None] * bell[:, 0, None, :]
    places = ((joint[:, None] * height + cells[:, 1] + side) * width)[:, :, None] + (cells[:, 0] + side)[:, None, :]
    ends = np.searchsorted(person, np.arange(len(persons) + 1)).tolist()
    for first, last in zip(ends[:-1], ends[1:]):  # within one person no cell is written twice: one channel a joint
        where = places[first:last]
        flat[where] = np.maximum(flat[where], bells[first:last])
    heatmaps = np.ascontiguousarray(padded[:, side : side + shape[0], side : side + shape[1]])
    np.subtract(1.0, heatmaps[:JOINT_COUNT].max(axis=0), out=heatmaps[BACKGROUND_CHANNEL])
    return heatmaps


def encode_pafs(persons: Reals, shape: tuple[int, int], stride: int, half_width: float) -> FloatMaps:
    """(38, h, w): a limb's unit vector in the cells within `half_width` of it, the persons' mean where several meet."""
    pafs = np.zeros((len(LIMBS), 2, shape[0] * shape[1]), np.float32)
    present = persons[:, :, 2] > 0
    person, limb = np.nonzero(present[:, _FROM] & present[:, _TO])
    start = _bounded(persons[person, _FROM[limb], :2], -1e6, 1e6)
    along = _bounded(persons[person, _TO[limb], :2], -1e6, 1e6) - start
    length = np.hypot(along[:, 0], along[:, 1])
    real = length > _SHORTEST
    limb, start, unit = limb[real], start[real], along[real] / length[real, None]
    owner, cells = _cells_on_limbs(start, unit, length[real], shape, stride, half_width)
    channel, vectors = limb[owner], unit[owner]
    if len(persons) > 1:
        channel, cells, vectors = _mean_by_place(channel, cells, vectors)
    pafs[channel, 0, cells] = vectors[:, 0]
    pafs[channel, 1, cells] = vectors[:, 1]
    return pafs.reshape(PAF_CHANNELS, *shape)


def _bounded(values: Reals, low: float, high: float | NDArray[np.int64]) -> Reals:
    """`np.clip` without its overhead, which is felt at these sizes."""
    return np.minimum(np.maximum(values, low), high)


def _mean_by_place(
    channel: NDArray[np.intp], cells: NDArray[np.int64], vectors: Reals
) -> tuple[NDArray[np.intp], NDArray[np.int64], Reals]:
    """Each (channel, cell) once, with the mean of the vectors given for it."""
    if not len(cells):
        return channel, cells, vectors
    place = channel * (cells.max() + 1) + cells
    order = np.argsort(place, kind="stable")
    place = place[order]
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
    counts = np.diff(np.concatenate([first, [len(place)]]))
    means = np.add.reduceat(vectors[order], first, axis=0) / counts[:, None]
    return channel[order][first], cells[order][first], means


def _cells_on_limbs(
    start: Reals,
    unit: Reals,
    length: Reals,
    shape: tuple[int, int],
    stride: int,
    half_width: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(limb number, flat cell number) of every cell centre within `half_width` of a limb and between its ends.

    A limb's rectangle cuts each row of cells in one interval of x: the overlap of two strips, |across| <= half width
    and 0 <= along <= length, both linear in x. So only those cells are ever touched.
    """
    y = cell_to_input(np.arange(shape[0]), stride)[None, :] - start[:, 1:]  # (k, h), from the limb's start
    ux, uy = (np.where(np.abs(u) < _FLAT, _FLAT, u)[:, None] for u in unit.T)
    half_length = (length / 2)[:, None]
    middle, reach = (half_length - uy * y) / ux, (half_length + _ROUNDING) / np.abs(ux)
    middle_across, reach_across = ux * y / uy, (half_width + _ROUNDING) / np.abs(uy)
    low = np.maximum(middle - reach, middle_across - reach_across) + start[:, :1]
    high = np.minimum(middle + reach, middle_across + reach_across) + start[:, :1]
    first = _bounded(np.ceil(input_to_cell(low, stride)), 0, shape[1]).astype(int)
    last = _bounded(np.floor(input_to_cell(high, stride)), -1, shape[1] - 1).astype(int)
    counts = np.maximum(last - first + 1, 0).ravel()
    run = np.repeat(np.arange(counts.size), counts)
    column = np.arange(len(run)) + (first.ravel() + counts - np.cumsum(counts))[run]
    return run // shape[0], run % shape[0] * shape[1] + column


_SHORTEST = 1e-3  # input pixels; a shorter limb has no direction
_ROUNDING = 1e-6  # input pixels; a centre exactly on the border counts
_FLAT = 1e-12  # stands for a slope of 0: its strip then holds all of a row or nothing
