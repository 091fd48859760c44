"""Limbs: which pairs of joint candidates the part affinity fields connect, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from src.pose.peaks import Peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import LIMB_COUNT, LIMBS

#: cv2.remap refuses arrays with a side of 32,767 or more; longer lists of pairs are read in parts.
_REMAP_COLUMNS = 32_000

#: From here on it pays to read a few points of each pair first.
_MANY_PAIRS = 1000

#: From here on it pays to look at a few cells of each pair even before that.
_MANY_PAIRS_OF_A_LIMB = 400
_LOOKED_AT = (0.3, 0.5, 0.7)
#: Limbs below this many cells are too short for that.
_NEAR_CELLS = 3.0

#: Of a limb's connections, the strongest are kept up to so many times the number of its peaks.
_CONNECTIONS_PER_PEAK = 8

_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Connections:
    """M candidate limbs: `limb` (M,) int, `ends` (M, 2) indices of peaks (from, to), `score` (M,) float32 above 0."""

    limb: NDArray[np.intp]
    ends: NDArray[np.intp]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.limb)


def score_limbs(pafs: NDArray[np.float32], peaks: Peaks, settings: DecodeSettings) -> Connections:
    """The limbs between peaks that the PAFs (38, h, w) support.

    A limb's score is the mean of the field's projection on its direction (the line integral of Cao et al., 2017), less
    a penalty where it is longer than the picture is wide.
    """
    limb, ends = _candidate_pairs(pafs, peaks, settings.peak_threshold)
    t = np.linspace(0, 1, settings.limb_samples, dtype=np.float32)
    # Half a sample of slack: 7 of 10 in float32 must count as 0.7.
    least_points = settings.limb_support * settings.limb_samples - 0.5
    if len(limb) > _MANY_PAIRS and least_points >= 0:
        # Where all of so many points fail that the others cannot make up for it, the pair is lost: reading those first,
        # from the middle where fields are thinnest, changes nothing.
        decisive = settings.limb_samples - max(int(np.floor(least_points)), 0)
        middle = (len(t) - decisive) // 2
        probes = _project(pafs, peaks, limb, ends, t[middle : middle + decisive], settings)
        hopeful = (probes > settings.limb_threshold).any(axis=0)
        limb, ends = limb[hopeful], ends[hopeful]
    projection = _project(pafs, peaks, limb, ends, t, settings)
    length = np.hypot(*(peaks.xy_cell[ends[:, 1]] - peaks.xy_cell[ends[:, 0]]).T)
    score = projection.mean(axis=0) + np.minimum(pafs.shape[2] / np.maximum(length, _TINY) - 1, 0)
    keep = ((projection > settings.limb_threshold).sum(axis=0) > least_points) & (score > 0)
    return _strongest(Connections(limb[keep], ends[keep], score[keep].astype(np.float32)), peaks)


def _strongest(connections: Connections, peaks: Peaks) -> Connections:
    """The connections without those that hardly ever matter: of each limb, the best few for each of its peaks."""
    counts = np.diff(peaks.first)
    most = _CONNECTIONS_PER_PEAK * counts[np.array(LIMBS)].max(axis=1)
    order = np.lexsort((-connections.score, connections.limb))
    limb = connections.limb[order]
    rank = np.arange(len(order)) - np.searchsorted(limb, np.arange(LIMB_COUNT))[limb]
    order = order[rank < most[limb]]
    return Connections(connections.limb[order], connections.ends[order], connections.score[order])


def _project(
    pafs: NDArray[np.float32],
    peaks: Peaks,
    limb: NDArray[np.intp],
    ends: NDArray[np.intp],
    t: NDArray[np.float32],
    settings: DecodeSettings,
) -> NDArray[np.float32]:
    """(len(t), M): the field's component along each pair, at the shares `t` of the way between its ends."""
    start, end = peaks.xy_cell[ends[:, 0]].T, peaks.xy_cell[ends[:, 1]].T
    length = np.maximum(np.hypot(*(end - start)), _TINY)
    direction_x, direction_y = (end - start) / length
    field_x, field_y = _sample(pafs, limb, start, end, t)
    projection = field_x * direction_x + field_y * direction_y
    short = np.flatnonzero(length < settings.short_limb_cells)
    trust = length[short] / settings.short_limb_cells
    strength = np.hypot(field_x[:, short], field_y[:, short])
    projection[:, short] = trust * projection[:, short] + (1 - trust) * strength
    return projection


def _candidate_pairs(pafs: NDArray[np.float32], peaks: Peaks, sure: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Limbs (M,) and their two peaks (M, 2), at least one of them with a confidence of `sure`."""
    limbs, starts, ends = [], [], []
    for limb, (a, b) in enumerate(LIMBS):
        start, end = (np.arange(peaks.first[joint], peaks.first[joint + 1]) for joint in (a, b))
        possible = (peaks.confidence[start, None] >= sure) | (peaks.confidence[None, end] >= sure)
        if possible.size > _MANY_PAIRS_OF_A_LIMB:
            possible &= _along_the_field(pafs[2 * limb : 2 * limb + 2], peaks.xy_cell[start], peaks.xy_cell[end])
        one, other = np.nonzero(possible)
        limbs.append(np.full(len(one), limb))
        starts.append(start[one])
        ends.append(end[other])
    return np.concatenate(limbs), np.stack([np.concatenate(starts), np.concatenate(ends)], axis=1)


def _along_the_field(
    field: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """(S, E): whether the field (2, h, w) points from a start to an end in most of the cells looked at between them.

    In a crowd nearly all pairs are of two people: three cells each, without interpolation, tell most of them.
    """
    width = field.shape[2]
    x_field, y_field = field.reshape(2, -1)
    # whole cells from here on: rounding is part of the bargain
    along_x = end[None, :, 0] - start[:, None, 0]
    along_y = end[None, :, 1] - start[:, None, 1]
    agreeing = np.zeros(along_x.shape, np.int8)
    for t in _LOOKED_AT:
        x = np.clip(start[:, None, 0] + (t * along_x + 0.5), 0, width - 1).astype(np.int32)
        y = np.clip(start[:, None, 1] + (t * along_y + 0.5), 0, field.shape[1] - 1).astype(np.int32)
        cell = y * width + x
        agreeing += along_x * x_field[cell] + along_y * y_field[cell] > 0
    near = along_x * along_x + along_y * along_y < _NEAR_CELLS**2
    return (agreeing > len(_LOOKED_AT) // 2) | near


def _sample(
    pafs: NDArray[np.float32],
    limb: NDArray[np.intp],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    t: NDArray[np.float32],
) -> list[NDArray[np.float32]]:
    """The field's x and y, (len(t), M) each, at shares `t` of the way from `start` to `end` (2, M), interpolated.

    The x channels of all limbs lie below one another in one tall picture, so that one call reads them all; clamping y
    to a channel's own rows keeps the channels apart.
    """
    _, height, width = pafs.shape
    step = t[:, None]
    x = np.clip(start[0] + (end[0] - start[0]) * step, 0, width - 1)
    y = np.clip(start[1] + (end[1] - start[1]) * step, 0, height - 1) + (height * limb).astype(np.float32)
    field = []
    for part in range(2):
        tall = pafs[part::2].reshape(LIMB_COUNT * height, width)
        values = np.empty_like(x)
        for first in range(0, len(limb), _REMAP_COLUMNS):
            columns = slice(first, first + _REMAP_COLUMNS)
            values[:, columns] = cv2.remap(
                tall,
                np.ascontiguousarray(x[:, columns]),
                np.ascontiguousarray(y[:, columns]),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        field.append(values)
    return field
