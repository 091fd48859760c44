"""Peaks: where each joint's heatmap has its maxima, to a fraction of a cell."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from src.pose.settings import DecodeSettings
from src.pose.skeleton import JOINT_COUNT

logger = logging.getLogger(__name__)

#: Values beside a peak are raised to this before the logarithm: noise at or below zero must not bend the parabola.
_LOG_FLOOR = 1e-3

#: The top lies at most this much (as a logarithm, for each axis) above its cell: a Gaussian of 0.8 cells between two.
_LOG_RISE = 0.2

#: Stands for what lies beyond the border of the map or of the picture.
_OUTSIDE = -np.inf


@dataclass(frozen=True)
class Peaks:
    """N joint candidates, ordered by joint and then by falling confidence.

    `joint` (N,) int, `xy_cell` (N, 2) float32, `confidence` (N,) float32 in 0 … 1; the candidates of joint j are
    `first[j] : first[j + 1]`.
    """

    joint: NDArray[np.intp]
    xy_cell: NDArray[np.float32]
    confidence: NDArray[np.float32]
    first: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.joint)


def find_peaks(
    heatmaps: NDArray[np.float32], settings: DecodeSettings, valid_mask: NDArray[np.bool_] | None = None
) -> Peaks:
    """The joint candidates in heatmaps (≥18, h, w); `valid_mask` (h, w) is False on the cells that hold padding."""
    _, height, width = heatmaps.shape
    walled = np.full((JOINT_COUNT, height + 2, width + 2), _OUTSIDE, np.float32)
    inside = walled[:, 1:-1, 1:-1]
    inside[:] = heatmaps[:JOINT_COUNT]
    if valid_mask is not None:
        inside[:, ~valid_mask] = _OUTSIDE
    index = _maxima(walled, settings.weak_threshold)
    xy_cell, value = _refine(walled, index)
    joint = index // ((height + 2) * (width + 2))
    order = _strongest(joint, value, settings.max_peaks_per_joint)
    if len(order) < len(joint):
        _warn_once(settings.max_peaks_per_joint)
    joint = joint[order]
    return Peaks(joint, xy_cell[order], value[order], _first_of_each(joint))


@lru_cache(maxsize=8)
def _warn_once(most: int) -> None:
    logger.warning("a picture has more than %d candidates of a joint; ignoring the weakest (logged once)", most)


def _maxima(walled: NDArray[np.float32], threshold: float) -> NDArray[np.intp]:
    """Flat indices of the cells above the threshold that no neighbour exceeds.

    Of equal neighbours the first in reading order counts, so a flat top gives one peak.
    """
    row = walled.shape[2]
    flat = walled.reshape(-1)
    index = np.flatnonzero(flat > threshold)
    earlier = (-row - 1, -row, -row + 1, -1)
    for offset in earlier:
        index = index[flat[index] > flat[index + offset]]
    for offset in earlier:
        index = index[flat[index] >= flat[index - offset]]
    return index


def _refine(walled: NDArray[np.float32], index: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Position (N, 2) in cells and height (N,), at most 1, of the Gaussian through each maximum and its neighbours.

    The logarithm of a Gaussian is a parabola, so three points on each axis give its top exactly. A neighbour beyond the
    border counts as equal to the opposite one: the peak then stays on its cell and never moves onto padding.
    """
    _, rows, row = walled.shape
    flat = walled.reshape(-1)
    centre = np.log(flat[index])
    log_height = centre.copy()
    y, x = np.divmod(index % (rows * row), row)
    xy_cell = np.stack([x - 1, y - 1], axis=1).astype(np.float32)
    for axis, step in enumerate((1, row)):
        before, after = flat[index - step], flat[index + step]
        before, after = np.where(before == _OUTSIDE, after, before), np.where(after == _OUTSIDE, before, after)
        before, after = np.log(np.maximum(before, _LOG_FLOOR)), np.log(np.maximum(after, _LOG_FLOOR))
        bend = np.minimum(before + after - 2 * centre, -1e-6)
        shift = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
        xy_cell[:, axis] += shift
        log_height += np.minimum(0.25 * (after - before) * shift, _LOG_RISE)
    return xy_cell, np.minimum(np.exp(log_height), 1).astype(np.float32)


def _strongest(joint: NDArray[np.intp], value: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The order by joint, then by falling value, of the `count` largest of each joint."""
    order = np.lexsort((-value, joint))
    rank = np.arange(len(order)) - _first_of_each(joint[order])[joint[order]]
    return order[rank < count]


def _first_of_each(joint: NDArray[np.intp]) -> NDArray[np.intp]:
    """(19,): where each joint's run begins in the sorted list of joints, and the list's length."""
    return np.searchsorted(joint, np.arange(JOINT_COUNT + 1))
