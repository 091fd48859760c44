"""Peaks: one for each joint, at the right place, never outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.pose.peaks import find_peaks
from src.pose.settings import DecodeSettings
from src.pose.skeleton import HEATMAP_CHANNELS, JOINT_COUNT, JointType

SETTINGS = DecodeSettings()


def empty(height: int = 20, width: int = 30) -> np.ndarray:
    return np.zeros((HEATMAP_CHANNELS, height, width), np.float32)


def gaussian(x: float, y: float, sigma: float = 0.875, height: int = 20, width: int = 30) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


@pytest.mark.parametrize("joint", list(JointType))
def test_a_single_lit_cell_is_one_peak_on_that_cell(joint: JointType) -> None:
    maps = empty()
    maps[joint, 7, 11] = 0.6
    peaks = find_peaks(maps, SETTINGS)
    assert peaks.joint.tolist() == [joint]
    assert peaks.xy_cell.tolist() == [[11, 7]]
    assert peaks.confidence[0] == pytest.approx(0.6, abs=1e-6)


def test_background_channel_yields_nothing() -> None:
    maps = empty()
    maps[JOINT_COUNT] = 1
    assert len(find_peaks(maps, SETTINGS)) == 0


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 28), st.floats(1, 18), st.floats(0.8, 2.0))
def test_gaussians_are_located_to_a_hundredth_of_a_cell(x: float, y: float, sigma: float) -> None:
    maps = empty()
    maps[JointType.Neck] = gaussian(x, y, sigma)
    peaks = find_peaks(maps, SETTINGS)
    assert len(peaks) == 1
    assert np.abs(peaks.xy_cell[0] - (x, y)).max() < 0.01
    assert peaks.confidence[0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (29, 0), (0, 19), (29, 19), (14, 0), (0, 9), (-0.4, 9), (14, 19.4)])
def test_peaks_on_the_border_stay_on_it(x: float, y: float) -> None:
    maps = empty()
    maps[0] = gaussian(x, y)
    peaks = find_peaks(maps, SETTINGS)
    assert len(peaks) == 1
    assert np.abs(peaks.xy_cell[0] - (x, y)).max() <= 0.5
    assert (peaks.xy_cell >= 0).all()
    assert (peaks.xy_cell <= (29, 19)).all()


def test_two_equal_neighbours_are_one_peak_between_them() -> None:
    maps = empty()
    maps[3] = gaussian(10.5, 8)
    assert maps[3, 8, 10] == maps[3, 8, 11]
    peaks = find_peaks(maps, SETTINGS)
    assert peaks.xy_cell.tolist() == [[pytest.approx(10.5), 8]]


@pytest.mark.parametrize("shape", ["square", "row", "column", "everything"])
def test_a_plateau_is_one_peak_on_it(shape: str) -> None:
    rows, columns = np.mgrid[:20, :30]
    plateau = {
        "square": (abs(rows - 8) < 3) & (abs(columns - 12) < 3),
        "row": rows == 8,
        "column": columns == 12,
        "everything": rows >= 0,
    }[shape]
    maps = empty()
    maps[5][plateau] = 0.8
    peaks = find_peaks(maps, SETTINGS)
    assert len(peaks) == 1
    x, y = np.rint(peaks.xy_cell[0]).astype(int)
    assert plateau[y, x]
    assert peaks.confidence[0] <= 0.8 * 1.5


def test_ripples_of_a_plateau_below_the_threshold_are_no_peaks() -> None:
    maps = empty()
    maps[:] = SETTINGS.weak_threshold
    assert len(find_peaks(maps, SETTINGS)) == 0


def test_order_is_by_joint_then_confidence_and_the_strongest_are_kept() -> None:
    maps = empty(40, 40)
    rng = np.random.default_rng(0)
    maps[2, ::3, ::3] = rng.uniform(0.1, 0.9, maps[2, ::3, ::3].shape)
    maps[9, 20, 20] = 0.3
    strongest = np.sort(maps[2].ravel())[::-1][:5]
    peaks = find_peaks(maps, DecodeSettings(max_peaks_per_joint=5))
    assert peaks.joint.tolist() == [2] * 5 + [9]
    assert peaks.confidence[:5] == pytest.approx(strongest, abs=1e-5)
    assert peaks.first[2:4].tolist() == [0, 5]
    assert peaks.first[-1] == len(peaks)


def test_masked_cells_yield_nothing_and_draw_no_peak_over_the_border() -> None:
    maps = empty()
    maps[0] = gaussian(15.4, 8)
    maps[1] = gaussian(20, 8)
    mask = np.zeros((20, 30), bool)
    mask[:, :16] = True
    peaks = find_peaks(maps, SETTINGS, mask)
    assert peaks.joint.tolist() == [0]
    assert peaks.xy_cell[0, 0] <= 15


def test_negative_noise_around_a_peak_does_not_move_it_far() -> None:
    maps = empty()
    maps[:] = -0.05
    maps[4, 6, 6], maps[4, 6, 7] = 0.5, 0.2
    peaks = find_peaks(maps, SETTINGS)
    assert np.abs(peaks.xy_cell[0] - (6, 6)).max() <= 0.5


def test_the_input_is_left_as_it_was() -> None:
    maps = empty()
    maps[0] = gaussian(4, 4)
    before = maps.copy()
    find_peaks(maps, SETTINGS, np.zeros((20, 30), bool))
    assert (maps == before).all()
