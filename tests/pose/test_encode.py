from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.pose.encode import encode_keypoints
from src.pose.grid import cell_to_input, input_to_cell
from src.pose.skeleton import BACKGROUND_CHANNEL, JOINT_COUNT, LIMBS
from src.pose.skeleton import JointType as J


def _slow(persons: np.ndarray, size: tuple[int, int], stride: int, sigma: float, half: float) -> tuple[np.ndarray, ...]:
    """The same targets by the book: every cell of every channel for every person."""
    width, height = size[0] // stride, size[1] // stride
    x, y = np.meshgrid(cell_to_input(np.arange(width), stride), cell_to_input(np.arange(height), stride))
    heatmaps = np.zeros((19, height, width))
    pafs = np.zeros((38, height, width))
    counts = np.zeros((19, height, width))
    for person in persons:
        for j in range(JOINT_COUNT):
            if person[j, 2] > 0:
                bell = np.exp(-((x - person[j, 0]) ** 2 + (y - person[j, 1]) ** 2) / (2 * sigma**2))
                heatmaps[j] = np.maximum(heatmaps[j], bell)
        for limb, (start, end) in enumerate(LIMBS):
            if person[start, 2] > 0 and person[end, 2] > 0:
                run = person[end, :2] - person[start, :2]
                length = np.linalg.norm(run)
                if length < 1e-3:
                    continue
                ux, uy = run / length
                dx, dy = x - person[start, 0], y - person[start, 1]
                along, across = ux * dx + uy * dy, uy * dx - ux * dy
                on = (along >= 0) & (along <= length) & (np.abs(across) <= half)
                pafs[2 * limb][on] += ux
                pafs[2 * limb + 1][on] += uy
                counts[limb] += on
    pafs /= np.maximum(1, np.repeat(counts, 2, axis=0))
    heatmaps[BACKGROUND_CHANNEL] = 1 - heatmaps[:JOINT_COUNT].max(axis=0)
    return heatmaps, pafs


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 5),
    size=st.sampled_from([(368, 368), (128, 192), (40, 24), (8, 8)]),
    stride=st.sampled_from([4, 8]),
    sigma=st.floats(2.0, 12.0),
    half=st.floats(1.0, 20.0),
)
def test_equals_the_formula(
    seed: int, count: int, size: tuple[int, int], stride: int, sigma: float, half: float
) -> None:
    rng = np.random.default_rng(seed)
    persons = np.zeros((count, 18, 3))
    persons[:, :, :2] = rng.uniform(-0.4, 1.4, (count, 18, 2)) * size  # some far outside
    persons[:, :, 2] = rng.integers(0, 3, (count, 18))
    heatmaps, pafs = encode_keypoints(persons, size, stride, sigma, half)
    slow_heatmaps, slow_pafs = _slow(persons, size, stride, sigma, half)
    assert heatmaps.dtype == pafs.dtype == np.float32
    assert np.abs(heatmaps - slow_heatmaps).max() < 5e-4  # Gaussians are cut 4 sigmas out
    assert np.abs(pafs - slow_pafs).max() < 1e-5


def test_nobody() -> None:
    heatmaps, pafs = encode_keypoints(np.zeros((0, 18, 3)), (80, 64))
    assert heatmaps.shape == (19, 8, 10)
    assert pafs.shape == (38, 8, 10)
    assert not heatmaps[:BACKGROUND_CHANNEL].any()
    assert (heatmaps[BACKGROUND_CHANNEL] == 1).all()
    assert not pafs.any()


def test_a_joint_on_a_cells_centre_is_exactly_one_there() -> None:
    person = np.zeros((1, 18, 3))
    person[0, J.Nose] = [8 * 5 + 3.5, 8 * 2 + 3.5, 1]
    heatmaps, _ = encode_keypoints(person, (160, 160))
    assert heatmaps[J.Nose, 2, 5] == 1
    assert heatmaps[BACKGROUND_CHANNEL, 2, 5] == 0
    assert np.count_nonzero(heatmaps[J.Nose] > 0.5) == 5  # 8 px are 1.14 sigmas: 0.52, a diagonal 0.27
    assert not heatmaps[[j for j in range(JOINT_COUNT) if j != J.Nose]].any()


@pytest.mark.parametrize("where", [(20.3, 31.7), (77.0, 12.2), (45.49, 60.01)])
def test_position_comes_back_to_a_hundredth_of_a_pixel(where: tuple[float, float]) -> None:
    """The logarithm of a Gaussian is a parabola: three cells give its centre."""
    person = np.zeros((1, 18, 3))
    person[0, J.LeftKnee] = [*where, 2]
    heatmap = np.log(np.maximum(encode_keypoints(person, (96, 96))[0][J.LeftKnee].astype(float), 1e-30))
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    found = []
    for before, here, after, cell in (
        (heatmap[row, column - 1], heatmap[row, column], heatmap[row, column + 1], column),
        (heatmap[row - 1, column], heatmap[row, column], heatmap[row + 1, column], row),
    ):
        found.append(cell + 0.5 * (before - after) / (before - 2 * here + after))
    assert cell_to_input(np.array(found)) == pytest.approx(where, abs=0.01)


def test_limb_points_from_its_first_joint_to_its_second() -> None:
    person = np.zeros((1, 18, 3))
    person[0, J.RightKnee], person[0, J.RightFoot] = [40, 20, 1], [40, 90, 1]
    _, pafs = encode_keypoints(person, (96, 96))
    limb = LIMBS.index((J.RightKnee, J.RightFoot))
    row, column = (int(v) for v in input_to_cell(np.array([50, 40])).round())
    assert pafs[2 * limb : 2 * limb + 2, row, column].tolist() == [0, 1]
    assert np.count_nonzero(pafs) == np.count_nonzero(pafs[2 * limb + 1])


def test_overlapping_people_average_their_vectors_and_keep_the_larger_bell() -> None:
    persons = np.zeros((2, 18, 3))
    persons[0, J.Neck], persons[0, J.Nose] = [10, 50, 1], [90, 50, 1]
    persons[1, J.Neck], persons[1, J.Nose] = [50, 10, 1], [50, 90, 1]
    heatmaps, pafs = encode_keypoints(persons, (96, 96))
    limb = LIMBS.index((J.Neck, J.Nose))
    cell = 6  # centred on pixel 51.5
    assert pafs[2 * limb : 2 * limb + 2, cell, cell].tolist() == [0.5, 0.5]
    assert pafs[2 * limb : 2 * limb + 2, cell, 2].tolist() == [1, 0]
    assert heatmaps.max() <= 1


def test_joints_on_one_point_make_no_limb() -> None:
    person = np.full((1, 18, 3), 30.0)
    _, pafs = encode_keypoints(person, (64, 64))
    assert np.isfinite(pafs).all()
    assert not pafs.any()


def test_input_array_is_left_alone() -> None:
    persons = np.random.default_rng(0).uniform(0, 60, (2, 18, 3)).astype(np.float32)
    before = persons.copy()
    encode_keypoints(persons, (64, 64))
    assert (persons == before).all()


@pytest.mark.parametrize("turned", [False, True])
def test_cells_exactly_on_the_border_belong_to_the_limb(turned: bool) -> None:
    person = np.zeros((1, 18, 3))
    ends = np.array([[8 * 1 + 3.5, 8 * 4 + 3.5], [8 * 6 + 3.5, 8 * 4 + 3.5]])
    person[0, [J.Neck, J.Nose], :2] = ends[:, ::-1] if turned else ends
    person[0, [J.Neck, J.Nose], 2] = 1
    _, pafs = encode_keypoints(person, (96, 80), paf_half_width=8.0)
    channel = 2 * LIMBS.index((J.Neck, J.Nose)) + turned
    rows, columns = np.nonzero(pafs[channel])
    across, along = (columns, rows) if turned else (rows, columns)
    assert (across.min(), across.max(), along.min(), along.max()) == (3, 5, 1, 6)
    assert np.count_nonzero(pafs) == 18
    assert (pafs[channel][rows, columns] == 1).all()
