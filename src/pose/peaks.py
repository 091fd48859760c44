"""Peaks: where each joint's heatmap has its maxima, to a fraction of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from src.pose.settings import DecodeSettings
from src.pose.skeleton import JOINT_COUNT

#: Values beside a peak are raised to this before the logarithm: noise at or below zero must not bend the parabola.
_LOG_FLOOR = 1e-3


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
    heatmaps: NDArray[np.float32], settings: DecodeSettings, valid_mask: Optional[NDArray[np.bool_]] = None
) -> Peaks:
    """The joint candidates in heatmaps (≥18, h, w); `valid_mask` (h, w) is False on the cells that hold padding."""
    count, height, width = JOINT_COUNT, heatmaps.shape[1], heatmaps.shape[2]
    walled = np.full((count, height + 2, width + 2), -np.inf, np.float32)
    walled[:, 1:-1, 1:-1] = heatmaps[:count]
    if valid_mask is not None:
        walled[:, 1:-1, 1:-1][:, ~valid_mask] = -np.inf
    index = _maxima(walled, settings.peak_threshold)
    xy_cell, value = _refine(walled, index)
    joint = index // ((height + 2) * (width + 2))
    order = np.lexsort((-value, joint))
    first = np.searchsorted(joint, np.arange(count + 1))
    rank = np.arange(len(order)) - first[joint]
    order = order[rank < settings.max_peaks_per_joint]
    joint = joint[order]
    first = np.searchsorted(joint, np.arange(count + 1))
    return Peaks(joint, xy_cell[order], value[order], first)


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
    """Position (N, 2) in cells and height (N,) of the Gaussian through each maximum and its neighbours.

    The logarithm of a Gaussian is a parabola, so three points give its top exactly. Where a neighbour lies behind the
    border the other one stands for it: the peak then stays on its cell along that axis.
    """
    _, rows, row = walled.shape
    flat = walled.reshape(-1)
    centre = np.log(flat[index])
    shift = np.zeros((len(index), 2), np.float32)
    rise = np.zeros(len(index), np.float32)
    for axis, step in enumerate((1, row)):
        before, after = flat[index - step], flat[index + step]
        before, after = np.where(before == -np.inf, after, before), np.where(after == -np.inf, before, after)
        before, after = np.log(np.maximum(before, _LOG_FLOOR)), np.log(np.maximum(after, _LOG_FLOOR))
        bend = np.minimum(before + after - 2 * centre, -1e-6)
        shift[:, axis] = 0.5 * (before - after) / bend
        rise -= 0.25 * (before - after) * shift[:, axis]
    np.clip(shift, -0.5, 0.5, out=shift)
    y, x = np.divmod(index % (rows * row), row)
    xy_cell = np.stack([x - 1, y - 1], axis=1) + shift
    return xy_cell.astype(np.float32), np.minimum(np.exp(centre + rise), 1).astype(np.float32)
