"""What the loss counts, and what maps that show nobody cost."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.net.loss import map_errors, nothing_errors
from src.pose.skeleton import BACKGROUND_CHANNEL
from src.pose.unknown import UNKNOWN

pytestmark = [pytest.mark.mindspore, pytest.mark.numerical]

Maps = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def targets(on_cpu: None) -> Maps:
    """heatmaps, pafs and valid_mask of two pictures; the second one's left half does not count."""
    rng = np.random.default_rng(2)
    heatmaps, pafs = rng.random((2, 19, 4, 4), np.float32), rng.random((2, 38, 4, 4), np.float32)
    valid = np.ones((2, 1, 4, 4), np.float32)
    valid[1, :, :, :2] = 0
    return heatmaps, pafs, valid


def errors(predicted: tuple[np.ndarray, np.ndarray], targets: Maps) -> np.ndarray:
    stages = [(Tensor(part),) for part in predicted]
    return np.asarray(map_errors(*stages, *(Tensor(part, ms.float32) for part in targets)).asnumpy())


def test_each_picture_has_the_mean_squared_error_of_what_counts(targets: Maps) -> None:
    heatmaps, pafs, _ = targets
    predicted = pafs + 0.5, heatmaps - 0.25
    expected = 0.25 + 0.0625
    assert errors(predicted, targets) == pytest.approx([expected, expected / 2], rel=1e-5)


def test_unknown_targets_do_not_count_whatever_is_predicted_there(targets: Maps) -> None:
    heatmaps, pafs, valid = targets
    unknown = heatmaps.copy(), pafs.copy(), valid
    unknown[0][:, 3] = UNKNOWN
    unknown[1][:, 5, :2] = UNKNOWN
    predicted = pafs + 0.5, heatmaps - 0.25
    counted = errors(predicted, unknown)
    assert counted[0] == pytest.approx(0.25 * (1 - 0.5 / 38) + 0.0625 * (18 / 19), rel=1e-5)
    wild = predicted[0].copy(), predicted[1].copy()
    wild[1][:, 3] += 1e3
    wild[0][:, 5, :2] -= 1e3
    assert errors(wild, unknown) == pytest.approx(counted, rel=1e-6)


def test_nothing_is_background_everywhere_and_no_joint_or_limb(targets: Maps) -> None:
    heatmaps, pafs, _ = targets
    empty = np.zeros_like(heatmaps)
    empty[:, BACKGROUND_CHANNEL] = 1
    expected = 3 * errors((np.zeros_like(pafs), empty), targets)
    found = nothing_errors(*(Tensor(part) for part in targets), 3).asnumpy()
    assert found == pytest.approx(expected, rel=1e-5)
