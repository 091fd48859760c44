"""The plain way to decode, for comparison: every map enlarged eight times, every pair of peaks in a Python loop.

This is how the reference implementation and most published Python decoders work.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from src.pose.grid import STRIDE
from src.pose.skeleton import CONFIRMING_LIMBS, JOINT_COUNT, LIMBS

THRESHOLD = 0.05
SIGMA_PX = 2.5
SAMPLES = 10
MIN_SAMPLES = 8
MIN_JOINTS = 3
MIN_MEAN_SCORE = 0.2

Peak = tuple[float, float, float]


def decode_plainly(
    heatmaps: NDArray[np.float32], pafs: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Poses (P, 18, 3) and scores (P,) as `src.pose.decode_poses` gives them, but for the unit of the score."""
    large_heatmaps = [_enlarge(channel) for channel in heatmaps[:JOINT_COUNT]]
    large_pafs = [_enlarge(channel) for channel in pafs]
    peaks = [_peaks(cv2.GaussianBlur(channel, (0, 0), SIGMA_PX)) for channel in large_heatmaps]
    persons: list[dict[int, int]] = []
    totals: list[float] = []
    for limb, (a, b) in enumerate(LIMBS):
        field = large_pafs[2 * limb], large_pafs[2 * limb + 1]
        for i, k, score in _match(peaks[a], peaks[b], field):
            _attach(persons, totals, limb, (int(a), i), (int(b), k), score)
    poses, scores = [], []
    for person, total in zip(persons, totals):
        total += sum(peaks[joint][i][2] for joint, i in person.items())
        if len(person) >= MIN_JOINTS and total / len(person) >= MIN_MEAN_SCORE:
            pose = np.zeros((JOINT_COUNT, 3), np.float32)
            for joint, i in person.items():
                pose[joint] = peaks[joint][i]
            poses.append(pose)
            scores.append(total)
    return np.array(poses, np.float32).reshape(-1, JOINT_COUNT, 3), np.array(scores, np.float32)


def _enlarge(channel: NDArray[np.float32]) -> NDArray[np.float64]:
    return cv2.resize(channel.astype(np.float64), None, fx=STRIDE, fy=STRIDE, interpolation=cv2.INTER_CUBIC)


def _peaks(channel: NDArray[np.float64]) -> list[Peak]:
    padded = np.pad(channel, 1)
    centre = padded[1:-1, 1:-1]
    top = (centre > padded[:-2, 1:-1]) & (centre > padded[2:, 1:-1])
    top &= (centre > padded[1:-1, :-2]) & (centre > padded[1:-1, 2:]) & (centre > THRESHOLD)
    return [(float(x), float(y), float(channel[y, x])) for y, x in np.argwhere(top)]


def _match(
    starts: list[Peak], ends: list[Peak], field: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[tuple[int, int, float]]:
    width = field[0].shape[1]
    candidates = []
    for i, (x0, y0, _) in enumerate(starts):
        for k, (x1, y1, _) in enumerate(ends):
            length = np.hypot(x1 - x0, y1 - y0)
            if length == 0:
                continue
            products = []
            for t in np.linspace(0, 1, SAMPLES):
                x, y = round(x0 + (x1 - x0) * t), round(y0 + (y1 - y0) * t)
                products.append((field[0][y, x] * (x1 - x0) + field[1][y, x] * (y1 - y0)) / length)
            score = np.mean(products) + min(width / length - 1, 0)
            if sum(product > THRESHOLD for product in products) > MIN_SAMPLES and score > 0:
                candidates.append((float(score), i, k))
    matched: list[tuple[int, int, float]] = []
    for score, i, k in sorted(candidates, reverse=True):
        if all(i != other and k != another for other, another, _ in matched):
            matched.append((i, k, score))
    return matched


def _attach(
    persons: list[dict[int, int]],
    totals: list[float],
    limb: int,
    start: tuple[int, int],
    end: tuple[int, int],
    score: float,
) -> None:
    (a, i), (b, k) = start, end
    holders = [n for n, person in enumerate(persons) if person.get(a) == i or person.get(b) == k]
    if len(holders) >= 2 and not set(persons[holders[0]]) & set(persons[holders[1]]):
        persons[holders[0]].update(persons.pop(holders[1]))
        totals[holders[0]] += totals.pop(holders[1]) + score
    elif holders:
        person = persons[holders[0]]
        if person.get(a) != i or person.get(b) != k:
            person.setdefault(a, i)
            person.setdefault(b, k)
            totals[holders[0]] += score
    elif limb not in CONFIRMING_LIMBS:
        persons.append({a: i, b: k})
        totals.append(score)
