"""Limbs: which pairs are connected, and how strongly."""

from __future__ import annotations

import numpy as np
import pytest

from src.pose import limbs
from src.pose.limbs import score_limbs
from src.pose.peaks import Peaks, find_peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import JOINT_COUNT, LIMBS, PAF_CHANNELS
from tests.pose.drawing import draw_maps, standing_person

SETTINGS = DecodeSettings()


def peaks_at(*candidates: tuple[int, float, float, float]) -> Peaks:
    """Peaks of (joint, x_cell, y_cell, confidence), given in order of joints."""
    joint = np.array([c[0] for c in candidates])
    xy = np.array([c[1:3] for c in candidates], np.float32)
    confidence = np.array([c[3] for c in candidates], np.float32)
    return Peaks(joint, xy, confidence, np.searchsorted(joint, np.arange(JOINT_COUNT + 1)))


@pytest.mark.parametrize("limb", range(len(LIMBS)))
def test_each_limb_reads_its_own_two_channels_and_points_from_first_to_second(limb: int) -> None:
    a, b = LIMBS[limb]
    start, end = (5.0, 6.0), (14.0, 18.0)
    peaks = peaks_at(*sorted([(int(a), *start, 1.0), (int(b), *end, 1.0)]))
    pafs = np.zeros((PAF_CHANNELS, 24, 20), np.float32)
    pafs[2 * limb], pafs[2 * limb + 1] = 0.6, 0.8
    found = score_limbs(pafs, peaks, SETTINGS)
    assert found.limb.tolist() == [limb]
    assert peaks.joint[found.ends[0]].tolist() == [a, b]
    assert found.score[0] == pytest.approx(1.0, abs=1e-3)
    assert len(score_limbs(-pafs, peaks, SETTINGS)) == 0
    shifted = np.roll(pafs, 2, axis=0)
    assert limb not in score_limbs(shifted, peaks, SETTINGS).limb


def test_field_of_a_neighbouring_channel_does_not_leak_at_the_map_border() -> None:
    a, b = LIMBS[1]
    peaks = peaks_at((int(a), 2, 9, 1.0), (int(b), 12, 9, 1.0))
    pafs = np.zeros((PAF_CHANNELS, 10, 16), np.float32)
    pafs[[0, 4]] = 1.0  # the limbs before and after
    assert len(score_limbs(pafs, peaks, SETTINGS)) == 0


def test_a_gap_in_the_field_breaks_a_limb() -> None:
    a, b = LIMBS[0]
    peaks = peaks_at((int(a), 2, 5, 1.0), (int(b), 22, 5, 1.0))
    pafs = np.zeros((PAF_CHANNELS, 10, 30), np.float32)
    pafs[0] = 1
    assert len(score_limbs(pafs, peaks, SETTINGS)) == 1
    pafs[0, :, 7:17] = 0
    assert len(score_limbs(pafs, peaks, SETTINGS)) == 0


def test_two_weak_peaks_make_no_limb_and_one_sure_end_does() -> None:
    a, b = LIMBS[0]
    pafs = np.zeros((PAF_CHANNELS, 10, 30), np.float32)
    pafs[0] = 1
    weak, sure = SETTINGS.weak_threshold + 0.01, SETTINGS.peak_threshold + 0.01
    assert len(score_limbs(pafs, peaks_at((int(a), 2, 5, weak), (int(b), 22, 5, weak)), SETTINGS)) == 0
    assert len(score_limbs(pafs, peaks_at((int(a), 2, 5, weak), (int(b), 22, 5, sure)), SETTINGS)) == 1


def test_ends_on_the_same_spot_are_finite() -> None:
    a, b = LIMBS[14]
    pafs = np.ones((PAF_CHANNELS, 10, 10), np.float32)
    peaks = peaks_at(*sorted([(int(a), 5.0, 5.0, 1.0), (int(b), 5.0, 5.0, 1.0)]))
    assert np.isfinite(score_limbs(pafs, peaks, SETTINGS).score).all()


def test_right_pairs_outscore_wrong_ones_between_neighbours() -> None:
    people = [standing_person(100, 30, 260), standing_person(190, 40, 270)]
    heatmaps, pafs = draw_maps(people)
    peaks = find_peaks(heatmaps, SETTINGS)
    found = score_limbs(pafs, peaks, SETTINGS)
    owner = [
        int(np.argmin([np.hypot(*(p[j, :2] - (xy * 8 + 3.5))) for p in people]))
        for j, xy in zip(peaks.joint, peaks.xy_cell)
    ]
    best: dict[tuple[int, int], tuple[float, bool]] = {}
    for limb, (a, b), score in zip(found.limb, found.ends, found.score):
        best[limb, a] = max(best.get((limb, a), (0.0, False)), (float(score), owner[a] == owner[b]))
    assert len(best) == 2 * len(LIMBS)
    assert all(right for _, right in best.values())


def test_more_pairs_than_one_remap_call_can_read() -> None:
    a, b = (int(j) for j in LIMBS[1])
    rng = np.random.default_rng(0)
    candidates = [(j, *rng.uniform(0, 40, 2), 0.5) for j in (a, b) for _ in range(280)]
    pafs = np.zeros((PAF_CHANNELS, 48, 48), np.float32)
    pafs[2] = 0.7
    peaks = peaks_at(*candidates)
    found = score_limbs(pafs, peaks, SETTINGS)
    delta = peaks.xy_cell[found.ends[:, 1]] - peaks.xy_cell[found.ends[:, 0]]
    expected = 0.7 * delta[:, 0] / np.hypot(*delta.T) + np.minimum(48 / np.hypot(*delta.T) - 1, 0)
    long = np.hypot(*delta.T) >= SETTINGS.short_limb_cells
    assert len(found) > 1_000
    assert found.score[long] == pytest.approx(expected[long], abs=2e-3)


@pytest.mark.parametrize("limb_support", [0.0, 0.05, 0.3, 0.7, 0.85, 1.0])
def test_reading_a_few_points_first_changes_nothing(limb_support: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    people = [standing_person(*rng.uniform((20, 0), (340, 200)), rng.uniform(80, 200)) for _ in range(12)]
    heatmaps, pafs = draw_maps(people)
    pafs += rng.normal(0, 0.1, pafs.shape).astype(np.float32)
    options = DecodeSettings(limb_support=limb_support)
    peaks = find_peaks(heatmaps, options)
    monkeypatch.setattr(limbs, "_MANY_PAIRS", 0)
    probed = score_limbs(pafs, peaks, options)
    monkeypatch.setattr(limbs, "_MANY_PAIRS", 10**9)
    whole = score_limbs(pafs, peaks, options)
    assert len(whole) > 100
    assert (probed.ends == whole.ends).all()
    assert (probed.limb == whole.limb).all()
    assert (probed.score == whole.score).all()
