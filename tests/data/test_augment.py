from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data import augment
from src.data.augment import View
from src.data.images import decode_picture
from src.pose.skeleton import JointType as J
from tests.data.sample_settings import sample_settings

INPUT = (368, 368)
DEFAULTS = sample_settings()


def _person(rng: np.random.Generator, size: tuple[int, int] = (640, 480)) -> np.ndarray:
    joints = np.zeros((1, 18, 3), np.float32)
    joints[0, :, :2] = rng.uniform(0.2, 0.8, (18, 2)) * size
    joints[0, :, 2] = 2
    return joints


def _blob(size: tuple[int, int], centre: np.ndarray, sigma: float) -> np.ndarray:
    """A bright Gaussian dot on the padding's grey, centred between pixels, (height, width, 3) uint8."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    dot = augment.PADDING + 127 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2))
    return np.repeat(dot.round().astype(np.uint8)[:, :, None], 3, axis=2)


def _centroid(picture: np.ndarray) -> np.ndarray:
    weight = picture.astype(float) - augment.PADDING
    weight[weight < 6] = 0
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_dot_lands_where_its_joint_lands(reduction: int, suffix: str) -> None:
    """Reduced decode, composed map and flip together are right to a tenth of an input pixel, for odd sizes too."""
    rng = np.random.default_rng(reduction)
    size = (1003, 757)
    for trial in range(6):
        where = rng.uniform(0.35, 0.65, 2) * size
        picture = _blob(size, where, 5.0 * reduction)
        _, data = cv2.imencode(suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 98] if suffix == ".jpg" else [])
        scale = 0.75 / reduction
        matrix = augment.view_matrix(
            tuple(where + rng.uniform(-20, 20, 2)), (180.0, 190.0), scale, rng.uniform(-60, 60)
        )
        if trial % 2:
            matrix = augment.mirrored(matrix, INPUT[0])
        assert augment.decode_reduction(matrix) == reduction
        small = decode_picture(data.tobytes(), f"dot{suffix}", reduction)
        view = augment.warp_picture(small, augment.from_reduced(matrix, reduction), INPUT)
        joints = np.zeros((1, 18, 3), np.float32)
        joints[0, J.Nose] = [*where, 2]
        expected = augment.move_joints(joints, View(matrix, bool(trial % 2), None))[0, J.Nose, :2]
        assert _centroid(view[:, :, 0]) == pytest.approx(expected, abs=0.1)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_maps_compose_to_the_drawn_view(seed: int) -> None:
    """to_cells and from_reduced say the same as mapping points step by step."""
    rng = np.random.default_rng(seed)
    matrix = augment.draw_view(random.Random(int(rng.integers(2**31))), _person(rng), INPUT, DEFAULTS).matrix
    points = rng.uniform(-50, 700, (5, 2))
    in_input = points @ matrix[:, :2].T + matrix[:, 2]
    cells = augment.to_cells(matrix, 8)
    assert points @ cells[:, :2].T + cells[:, 2] == pytest.approx((in_input - 3.5) / 8, abs=1e-9)
    reduced = augment.from_reduced(matrix, 4)
    assert ((points - 1.5) / 4) @ reduced[:, :2].T + reduced[:, 2] == pytest.approx(in_input, abs=1e-9)


@given(seed=st.integers(0, 10**6), count=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_views_keep_the_reference_ranges(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    joints = np.concatenate([_person(rng) for _ in range(count)])
    joints[:, :, :2] *= rng.uniform(0.05, 1.2)
    view = augment.draw_view(random.Random(int(rng.integers(2**31))), joints, INPUT, DEFAULTS)
    linear = view.matrix[:, :2]
    scale = np.sqrt(abs(np.linalg.det(linear)))
    assert linear @ linear.T == pytest.approx(np.eye(2) * scale**2, abs=1e-9)  # no shear
    assert 0.5 <= scale <= 2.0
    assert (np.linalg.det(linear) < 0) == view.flipped
    boxes = np.array(augment.joint_boxes(joints))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + view.matrix[:, 2]
    assert (np.abs(centres - 183.5).max(axis=1) <= 40 + 1e-6).any()  # one person is central
    diagonals = np.hypot(boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1) * scale
    if scale < 1 - 1e-9:
        assert diagonals.min() >= min(64, diagonals.min() / scale) - 1e-6
    if scale > 1 + 1e-9:
        assert diagonals.max() <= 512 + 1e-6


def test_views_vary_and_flip_half_the_time() -> None:
    rng = np.random.default_rng(0)
    joints = _person(rng)
    views = [augment.draw_view(random.Random(int(rng.integers(2**31))), joints, INPUT, DEFAULTS) for _ in range(400)]
    assert 0.4 < np.mean([view.flipped for view in views]) < 0.6
    assert 0.4 < np.mean([view.colour is not None for view in views]) < 0.6
    turns = [np.degrees(np.arctan2(v.matrix[1, 0], v.matrix[1, 1])) for v in views]
    assert 11 < np.std(turns) < 16  # 40/3 degrees
    assert np.abs(turns).max() <= 40 + 1e-6
    tame = sample_settings(rotate_max=6, colour_jitter=0)
    views = [augment.draw_view(random.Random(int(rng.integers(2**31))), joints, INPUT, tame) for _ in range(400)]
    turns = [np.degrees(np.arctan2(v.matrix[1, 0], v.matrix[1, 1])) for v in views]
    assert 5 < np.abs(turns).max() <= 6 + 1e-6
    assert all(view.colour is None for view in views)


def test_smaller_inputs_see_the_same_view_smaller() -> None:
    joints = _person(np.random.default_rng(5))
    large = augment.draw_view(random.Random(1), joints, (368, 368), DEFAULTS).matrix
    small = augment.draw_view(random.Random(1), joints, (184, 184), DEFAULTS).matrix
    assert small[:, :2] == pytest.approx(large[:, :2] / 2)
    points = joints[0, :, :2].astype(float)
    in_large, in_small = (points @ m[:, :2].T + m[:, 2] for m in (large, small))
    assert in_small == pytest.approx((in_large + 0.5) / 2 - 0.5)


def test_narrow_ranges_are_obeyed() -> None:
    settings = sample_settings(
        scale_min=0.7, scale_max=0.8, rotate_max=0, center_shift_max=0, flip_probability=0, colour_jitter=0
    )
    rng = np.random.default_rng(0)
    for _ in range(50):
        view = augment.draw_view(random.Random(int(rng.integers(2**31))), _person(rng), INPUT, settings)
        assert 0.7 <= view.matrix[0, 0] <= 0.8
        assert view.matrix[0, 1] == view.matrix[1, 0] == 0
        assert not view.flipped
        assert view.colour is None


def test_flip_exchanges_left_and_right() -> None:
    joints = _person(np.random.default_rng(2))
    joints[0, J.LeftEar, 2] = 0
    matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
    moved = augment.move_joints(joints, View(augment.mirrored(matrix, 640), True, None))
    assert moved[0, J.RightHand, 0] == pytest.approx(639 - joints[0, J.LeftHand, 0], abs=1e-3)
    assert moved[0, J.Nose, 0] == pytest.approx(639 - joints[0, J.Nose, 0], abs=1e-3)
    assert moved[0, J.RightEar, 2] == 0
    assert moved[0, J.LeftEar, 2] == 2


def test_flipping_is_the_mirror_image_pixel_for_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    matrix = np.array([[1.0, 0, 3], [0, 1, 5]])
    plain = augment.warp_picture(picture, matrix, (96, 72))
    flipped = augment.warp_picture(picture, augment.mirrored(matrix, 96), (96, 72))
    assert (flipped == plain[:, ::-1]).all()
    assert (plain[0, 0] == augment.PADDING).all()


def test_hidden_joints_do_not_widen_boxes() -> None:
    joints = _person(np.random.default_rng(3))
    joints[0, :, 2] = 0
    joints[0, J.Nose], joints[0, J.Neck] = [10, 20, 1], [30, 60, 2]
    assert augment.joint_boxes(joints) == [(10, 20, 30, 60)]


def test_fit_shows_the_whole_picture_top_left() -> None:
    for size, inputs in (((640, 480), (368, 368)), ((333, 500), (368, 184)), ((50, 50), (64, 128))):
        matrix = augment.fit_matrix(size, inputs)
        corners = np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]])  # outer edges of the corner pixels
        low, high = corners @ matrix[:, :2].T + matrix[:, 2]
        assert low == pytest.approx([-0.5, -0.5])
        assert (high <= np.array(inputs) - 0.5 + 1e-9).all()
        assert (high >= np.array(inputs) - 1.5).any()


def test_colours_keep_grey_grey_and_turn_hue() -> None:
    matrix = augment.colour_matrix(120.0, 1.0, 0.0)
    assert matrix[:, :3] @ np.array([90.0, 90, 90]) == pytest.approx([90, 90, 90])
    turned = matrix[:, :3] @ np.array([200.0, 0, 0])  # a third of a turn exchanges the channels
    assert sorted(turned.round(6).tolist()) == pytest.approx([0, 0, 200], abs=1e-6)
    assert augment.colour_matrix(0, 1, 12)[:, 3] == pytest.approx([12, 12, 12])
    faded = augment.colour_matrix(0, 0, 0)[:, :3] @ np.array([30.0, 60, 90])
    assert faded == pytest.approx([60, 60, 60])


def test_reduction_follows_the_scale() -> None:
    """No reduction is chosen that would blur: the reduced picture is never smaller than the view of it."""
    for scale, reduction in ((1.3, 1), (1.0, 1), (0.51, 1), (0.5, 2), (0.26, 2), (0.25, 4), (0.1, 8), (0.01, 8)):
        assert augment.decode_reduction(augment.view_matrix((0, 0), (0, 0), scale, 33.0)) == reduction
