"""Limbs: which pairs of joint candidates the part affinity fields connect, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from src.pose.peaks import Peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import LIMB_COUNT, LIMBS

#: cv2.remap refuses pictures with a side of 32,767 or more.
_REMAP_ROWS = 32_000


@dataclass(frozen=True)
class Connections:
    """M candidate limbs: `limb` (M,) int, `ends` (M, 2) indices of peaks (from, to), `score` (M,) float32."""

    limb: NDArray[np.intp]
    ends: NDArray[np.intp]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.limb)


def score_limbs(pafs: NDArray[np.float32], peaks: Peaks, settings: DecodeSettings) -> Connections:
    """The limbs between peaks that the PAFs (38, h, w) support."""
    limb, ends = _candidate_pairs(peaks)
    if len(limb) == 0:
        return Connections(limb, ends, np.zeros(0, np.float32))
    start, end = peaks.xy_cell[ends[:, 0]], peaks.xy_cell[ends[:, 1]]
    length = np.maximum(np.hypot(*(end - start).T), 1e-6)
    direction = (end - start) / length[:, None]
    along = _sample(pafs, limb, start, end, settings.limb_samples)
    projection = along[0] * direction[:, :1] + along[1] * direction[:, 1:]
    support = (projection > settings.limb_threshold).mean(axis=1)
    # A limb longer than the picture is wide is rarely one: the field must be the stronger the longer it is.
    score = projection.mean(axis=1) + np.minimum(pafs.shape[2] / length - 1, 0)
    keep = (support >= settings.limb_support) & (score > 0)
    return Connections(limb[keep], ends[keep], score[keep].astype(np.float32))


def _candidate_pairs(peaks: Peaks) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every (limb, from-peak, to-peak) whose ends are candidates of the limb's two joints."""
    joints = np.array(LIMBS)
    counts = np.diff(peaks.first)
    from_count, to_count = counts[joints[:, 0]], counts[joints[:, 1]]
    pairs = from_count * to_count
    limb = np.repeat(np.arange(LIMB_COUNT), pairs)
    within = np.arange(len(limb)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    from_index, to_index = np.divmod(within, to_count[limb]) if len(limb) else (within, within)
    ends = np.stack([peaks.first[joints[limb, 0]] + from_index, peaks.first[joints[limb, 1]] + to_index], axis=1)
    return limb, ends


def _sample(
    pafs: NDArray[np.float32],
    limb: NDArray[np.intp],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    samples: int,
) -> NDArray[np.float32]:
    """The field of each pair's limb, (2, M, samples), read between its ends by bilinear interpolation.

    All channels lie below one another in one tall picture, so that one call reads them all; clamping y to the
    channel's own rows keeps channels apart.
    """
    channels, height, width = pafs.shape
    tall = np.ascontiguousarray(pafs).reshape(channels * height, width)
    t = np.linspace(0, 1, samples, dtype=np.float32)
    x = np.clip(start[:, :1] + (end - start)[:, :1] * t, 0, width - 1)
    y = np.clip(start[:, 1:] + (end - start)[:, 1:] * t, 0, height - 1)
    top = (2 * height * limb)[:, None].astype(np.float32)
    result = np.empty((2, len(limb), samples), np.float32)
    for part in range(2):
        for first in range(0, len(limb), _REMAP_ROWS):
            rows = slice(first, first + _REMAP_ROWS)
            row = y[rows] + top[rows] + part * height
            result[part, rows] = cv2.remap(tall, x[rows], row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return result
