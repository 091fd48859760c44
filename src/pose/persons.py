"""Persons: candidate limbs joined to skeletons."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from src.pose.grid import STRIDE, Fit, cell_to_input
from src.pose.limbs import Connections, score_limbs
from src.pose.peaks import Peaks, find_peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import CONFIRMING_LIMBS, HEATMAP_CHANNELS, JOINT_COUNT, LIMB_COUNT, PAF_CHANNELS


def decode_poses(
    heatmaps: NDArray[Any],
    pafs: NDArray[Any],
    stride: int = STRIDE,
    *,
    settings: Optional[DecodeSettings] = None,
    fit: Optional[Fit] = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The persons in one picture's maps.

    `heatmaps` (19, h, w) and `pafs` (38, h, w) as the network gives them; NaN and infinity count as 0. With `fit`,
    cells on the padding yield no keypoints. Returns poses (P, 18, 3), [x_in, y_in, confidence] in network input pixels
    (all 0 for a joint that was not found), and scores (P,) in 0 … 1, highest first. Raises ValueError for other shapes.
    """
    settings = settings or DecodeSettings()
    heatmaps = _checked(heatmaps, HEATMAP_CHANNELS, "heatmaps")
    pafs = _checked(pafs, PAF_CHANNELS, "pafs")
    if heatmaps.shape[1:] != pafs.shape[1:]:
        raise ValueError(f"heatmaps {heatmaps.shape} and pafs {pafs.shape} differ in height or width")
    valid_mask = None if fit is None else _valid_cells(fit, heatmaps.shape[1], heatmaps.shape[2], stride)
    peaks = find_peaks(heatmaps, settings, valid_mask)
    connections = score_limbs(pafs, peaks, settings)
    members, scores = group(peaks, connections, settings)
    return _poses(peaks, members, stride), scores


def _checked(maps: NDArray[Any], channels: int, name: str) -> NDArray[np.float32]:
    maps = np.asarray(maps)
    if maps.ndim != 3 or maps.shape[0] != channels or 0 in maps.shape:
        raise ValueError(f"{name} must have the shape ({channels}, h, w), not {maps.shape}")
    maps = maps.astype(np.float32, copy=False)
    # The sum is finite when every value is (and small); one pass that copies nothing decides the common case.
    if not np.isfinite(maps.sum()):
        maps = np.nan_to_num(maps, nan=0, posinf=0, neginf=0)
    return maps


def _valid_cells(fit: Fit, height: int, width: int, stride: int) -> NDArray[np.bool_]:
    """(h, w): True on cells whose centre lies on the picture."""
    y, x = np.mgrid[:height, :width]
    return fit.contains(cell_to_input(np.stack([x, y], axis=-1), stride))


def group(
    peaks: Peaks, connections: Connections, settings: DecodeSettings
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Join limbs to persons, the strongest limb first; returns (P, 18) indices of peaks (-1 = none) and scores (P,).

    Each peak starts as a fragment of its own. A limb joins the fragments of its two ends unless they hold the same
    joint twice; a limb inside one fragment confirms it. Confirming limbs come last.
    """
    joint = peaks.joint.tolist()
    parent = list(range(len(joint)))
    held = [1 << j for j in joint]
    limb_score = [0.0] * len(joint)
    used = [0] * len(joint)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    confirming = np.isin(connections.limb, list(CONFIRMING_LIMBS))
    order = np.lexsort((-connections.score, confirming))
    limbs = connections.limb[order].tolist()
    for limb, (a, b), score in zip(limbs, connections.ends[order].tolist(), connections.score[order].tolist()):
        a, b = root(a), root(b)
        if a != b:
            if held[a] & held[b]:
                continue
            parent[b] = a
            held[a] |= held[b]
            limb_score[a] += limb_score[b]
            used[a] |= used[b]
        elif used[a] & (1 << limb):
            continue
        limb_score[a] += score
        used[a] |= 1 << limb
    roots: dict[int, int] = {}
    members: list[list[int]] = []
    totals: list[float] = []
    confidence = peaks.confidence.tolist()
    for i in range(len(joint)):
        r = root(i)
        if used[r] == 0:
            continue
        if r not in roots:
            roots[r] = len(members)
            members.append([-1] * JOINT_COUNT)
            totals.append(limb_score[r])
        members[roots[r]][joint[i]] = i
        totals[roots[r]] += confidence[i]
    found = np.array(members, np.intp).reshape(-1, JOINT_COUNT)
    total = np.array(totals, np.float32)
    joints = (found >= 0).sum(axis=1)
    keep = (joints >= settings.min_joints) & (total >= settings.min_mean_score * joints)
    found, score = found[keep], total[keep] / (JOINT_COUNT + LIMB_COUNT)
    order = np.argsort(-score, kind="stable")
    return found[order], score[order].astype(np.float32)


def _poses(peaks: Peaks, members: NDArray[np.intp], stride: int) -> NDArray[np.float32]:
    """(P, 18) indices of peaks to (P, 18, 3) [x_in, y_in, confidence]."""
    table = np.zeros((len(peaks) + 1, 3), np.float32)
    table[:-1, :2] = cell_to_input(peaks.xy_cell, stride)
    table[:-1, 2] = peaks.confidence
    return table[members]
