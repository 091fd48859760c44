"""Persons: from a picture's maps to its skeletons, the whole decoder in one line."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.pose.bridging import bridge
from src.pose.grid import STRIDE, Fit, cell_to_input
from src.pose.grouping import group
from src.pose.limbs import score_limbs
from src.pose.peaks import Peaks, find_peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import HEATMAP_CHANNELS, JOINT_COUNT, PAF_CHANNELS

#: Map values lie in -1 … 1 but for noise; a larger one is an arithmetic error, like NaN and infinity.
_BROKEN = 1e3


def decode_poses(
    heatmaps: ArrayLike,
    pafs: ArrayLike,
    stride: int = STRIDE,
    *,
    settings: DecodeSettings | None = None,
    fit: Fit | None = None,
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
    valid_mask = None if fit is None else _on_picture(fit, heatmaps.shape[1], heatmaps.shape[2], stride)
    peaks = find_peaks(heatmaps, settings, valid_mask)
    members, strength = group(peaks, score_limbs(pafs, peaks, settings))
    members, strength = bridge(peaks, members, strength)
    poses, scores = _select(peaks, members, strength, settings)
    found = poses[..., 2:] > 0
    poses[..., :2] = np.where(found, cell_to_input(poses[..., :2], stride), 0)
    return poses, scores


def _checked(maps: ArrayLike, channels: int, name: str) -> NDArray[np.float32]:
    """The maps as float32 without NaN and infinity; ValueError for another shape."""
    maps = np.asarray(maps)
    if maps.ndim != 3 or maps.shape[0] != channels or 0 in maps.shape:
        raise ValueError(f"{name} must have the shape ({channels}, h, w), not {maps.shape}")
    maps = maps.astype(np.float32, copy=False)
    # A mean of usual size proves every value finite at a fraction of the price of looking at each.
    with np.errstate(all="ignore"):
        usual = abs(maps.mean()) < _BROKEN
    return maps if usual else np.where(np.abs(maps) < _BROKEN, maps, np.float32(0))


def _on_picture(fit: Fit, height: int, width: int, stride: int) -> NDArray[np.bool_]:
    """(h, w): True on cells whose centre lies on the picture."""
    y, x = np.mgrid[:height, :width]
    return fit.contains(cell_to_input(np.stack([x, y], axis=-1), stride))


def _select(
    peaks: Peaks, members: NDArray[np.intp], strength: NDArray[np.float32], settings: DecodeSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Poses (P, 18, 3) [x_cell, y_cell, confidence] and scores (P,) of the persons that pass, highest score first.

    The score is the mean confidence over all 18 joints, times d² / (d² + half_score_cells²) where the person measures d
    cells across: a joint is a fraction of a cell off, which matters the more the smaller the person is.
    """
    table = np.zeros((len(peaks) + 1, 3), np.float32)
    table[:-1, :2], table[:-1, 2] = peaks.xy_cell, peaks.confidence
    poses = table[members]
    confidence = poses[..., 2].sum(axis=1)
    joints = (members >= 0).sum(axis=1)
    keep = (joints >= settings.min_joints) & (confidence + strength >= settings.min_mean_score * joints)
    poses, confidence = poses[keep], confidence[keep]
    scores = confidence / JOINT_COUNT * _size_factor(poses, settings.half_score_cells)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= settings.min_score]
    return poses[order], scores[order].astype(np.float32)


def _size_factor(poses: NDArray[np.float32], half_score_cells: float) -> NDArray[np.float32]:
    """(P,) 0 … 1 by the diagonal of the box around each person's joints."""
    found = poses[..., 2:] > 0
    low = np.where(found, poses[..., :2], np.inf).min(axis=1)
    high = np.where(found, poses[..., :2], -np.inf).max(axis=1)
    square = ((high - low) ** 2).sum(axis=1)
    return square / (square + half_score_cells**2)
