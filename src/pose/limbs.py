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
_REMAP_ROWS = 32_000

_LIMB_ENDS = np.array(LIMBS, np.intp)


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
    limb, ends = _candidate_pairs(peaks, settings.peak_threshold)
    start, end = peaks.xy_cell[ends[:, 0]], peaks.xy_cell[ends[:, 1]]
    length = np.maximum(np.hypot(*(end - start).T), np.float32(1e-6))
    direction = (end - start) / length[:, None]
    field_x, field_y = _sample(pafs, limb, start, end, settings.limb_samples)
    projection = field_x * direction[:, :1] + field_y * direction[:, 1:]
    short = np.flatnonzero(length < settings.short_limb_cells)
    trust = (length[short] / settings.short_limb_cells)[:, None]
    projection[short] = trust * projection[short] + (1 - trust) * np.hypot(field_x[short], field_y[short])
    score = projection.mean(axis=1) + np.minimum(pafs.shape[2] / length - 1, 0)
    support = (projection > settings.limb_threshold).mean(axis=1)
    # Half a sample of slack: 7 of 10 in float32 must count as 0.7.
    keep = (support > settings.limb_support - 0.5 / settings.limb_samples) & (score > 0)
    return Connections(limb[keep], ends[keep], score[keep].astype(np.float32))


def _candidate_pairs(peaks: Peaks, sure: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every limb (M,) and its two peaks (M, 2), at least one of them with a confidence of `sure`."""
    counts = np.diff(peaks.first)
    from_count, to_count = counts[_LIMB_ENDS[:, 0]], counts[_LIMB_ENDS[:, 1]]
    pairs = from_count * to_count
    limb = np.repeat(np.arange(LIMB_COUNT), pairs)
    within = np.arange(len(limb)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    rank = np.stack(np.divmod(within, to_count[limb]), axis=1)
    ends = peaks.first[_LIMB_ENDS[limb]] + rank
    keep = peaks.confidence[ends].max(axis=1, initial=0) >= sure
    return limb[keep], ends[keep]


def _sample(
    pafs: NDArray[np.float32],
    limb: NDArray[np.intp],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    samples: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The field's x and y, (M, samples) each, at points from `start` to `end` by bilinear interpolation.

    The x channels of all limbs lie below one another in one tall picture, so that one call reads them all; clamping y
    to a channel's own rows keeps the channels apart.
    """
    _, height, width = pafs.shape
    t = np.linspace(0, 1, samples, dtype=np.float32)
    x = np.clip(start[:, :1] + (end - start)[:, :1] * t, 0, width - 1)
    y = np.clip(start[:, 1:] + (end - start)[:, 1:] * t, 0, height - 1) + (height * limb)[:, None].astype(np.float32)
    field = []
    for part in range(2):
        tall = pafs[part::2].reshape(LIMB_COUNT * height, width)
        values = np.empty((len(limb), samples), np.float32)
        for first in range(0, len(limb), _REMAP_ROWS):
            rows = slice(first, first + _REMAP_ROWS)
            values[rows] = cv2.remap(tall, x[rows], y[rows], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        field.append(values)
    return field[0], field[1]
