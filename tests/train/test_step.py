"""The training step: learning rates as in the reference, and gradients treated as the recipe says."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest

from src.model_utils.config import build_config
from src.net.build import build_network, choose_device
from src.net.loss import PoseLoss
from src.train.recipe import choose_recipe
from src.train.schedule import LearningRate, RateSettings, rate_at
from src.train.step import StepSettings, build_step

pytestmark = [pytest.mark.mindspore, pytest.mark.numerical]


@pytest.fixture(scope="module", autouse=True)
def _device() -> None:
    choose_device("CPU")


def rates(**changes: object) -> RateSettings:
    values = {
        "base_rate": 1e-3,
        "kind": "default",
        "gamma": 0.1,
        "milestones": (),
        "warmup_steps": 0,
        "total_steps": 100,
        "pretrained_warmup_steps": 0,
    }
    return RateSettings(**{**values, **changes})  # type: ignore[arg-type]


def at(schedule: LearningRate, step: int) -> float:
    return float(schedule(ms.Tensor([step], ms.int32)).asnumpy())


def test_default_rate_falls_at_the_milestones() -> None:
    schedule = LearningRate(rates(milestones=(10, 20)))
    assert [at(schedule, s) for s in (0, 9, 10, 19, 20)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


def test_frozen_steps_have_no_rate() -> None:
    schedule = LearningRate(rates(), factor=0.25, frozen_steps=3)
    assert [at(schedule, s) for s in (0, 2, 3)] == pytest.approx([0, 0, 2.5e-4])


def test_cosine_rate_warms_up_then_falls() -> None:
    schedule = LearningRate(rates(kind="cosine", warmup_steps=10))
    assert at(schedule, 0) == pytest.approx(1e-3 / 3)
    assert at(schedule, 5) == pytest.approx(1e-3 * 2 / 3)
    assert at(schedule, 10) == pytest.approx(1e-3)
    assert at(schedule, 60) == pytest.approx(5e-4 * (1 + math.cos(math.pi * 0.5)))


@pytest.mark.parametrize(("kind", "first"), [("default", 2.5e-4), ("cosine", 2.5e-4 / 3)])
def test_a_start_from_pretrained_weights_scales_every_schedule_up_to_its_own(kind: str, first: float) -> None:
    warm, plain = (rates(kind=kind, warmup_steps=10, pretrained_warmup_steps=steps) for steps in (4, 0))
    seen = [at(LearningRate(warm), step) for step in range(6)]
    assert seen[0] == pytest.approx(first)
    assert seen[2] == pytest.approx(0.75 * rate_at(plain, 2))
    assert seen[3:] == pytest.approx([rate_at(plain, step) for step in (3, 4, 5)])
    assert [rate_at(warm, step) for step in range(6)] == pytest.approx(seen)


def test_recipe_of_one_and_of_four_cards() -> None:
    config = build_config({"lr": 1e-4, "max_epoch_train": 3, "max_epoch_train_NP": 5})
    one, four = choose_recipe(config, 1, 7), choose_recipe(config, 4, 7)
    assert (one.epochs, one.total_steps, four.epochs, four.total_steps) == (3, 21, 5, 35)
    assert (one.rates.base_rate, four.rates.base_rate) == (1e-4, 4e-4)
    assert one.rates.milestones == (100000, 200000, 250000)
    assert four.rates.milestones == (62500, 75000)
    assert (one.step.optimizer, one.step.train_type, one.step.loss_scale) == ("Adam", "fix_loss_scale", 16384)
    assert (four.step.optimizer, four.step.train_type, four.step.loss_scale) == ("Momentum", "clip_grad", 8192)
    assert (one.step.group_params, four.step.group_params) == (True, False)
    assert (one.step.vgg_freeze_steps, four.step.vgg_freeze_steps) == (2000, 500)


def batch(size: int = 32) -> list[ms.Tensor]:
    rng = np.random.default_rng(3)
    cells = size // 8
    return [
        ms.Tensor(rng.integers(0, 255, (2, 3, size, size), np.uint8)),
        ms.Tensor(rng.random((2, 19, cells, cells), np.float32)),
        ms.Tensor(rng.random((2, 38, cells, cells), np.float32)),
        ms.Tensor(np.ones((2, 1, cells, cells), np.float32)),
    ]


def step_settings(**changes: object) -> StepSettings:
    values = {
        "optimizer": "Momentum",
        "momentum": 0.0,
        "train_type": "fix_loss_scale",
        "loss_scale": 16384.0,
        "clip_norm": 10.0,
        "group_params": False,
        "vgg_freeze_steps": 0,
    }
    return StepSettings(**{**values, **changes})  # type: ignore[arg-type]


def moved(settings: StepSettings, network: str = "vgg19") -> dict[str, float]:
    """How far (Euclidean) each parameter moves in one step with learning rate 1."""
    ms.set_seed(1)
    loss = PoseLoss(build_network(network, 1))
    trained = list(loss.trainable_params())
    before = {p.name: p.asnumpy().copy() for p in trained}
    step = build_step(loss, rates(base_rate=1.0), settings)
    step(*batch())
    return {p.name: float(np.linalg.norm(p.asnumpy() - before[p.name])) for p in trained}


def test_fixed_loss_scale_does_not_change_the_step() -> None:
    plain, scaled = moved(step_settings(loss_scale=1.0)), moved(step_settings(loss_scale=16384.0))
    assert plain == pytest.approx(scaled, rel=1e-3)
    assert plain["stage_1.conv5_CPM_L2.bias"] > 0


def test_clipping_bounds_each_gradient_of_the_scaled_loss() -> None:
    distances = moved(step_settings(train_type="clip_grad", loss_scale=8192.0, clip_norm=10.0))
    assert max(distances.values()) == pytest.approx(10.0, rel=1e-2)


def test_parameter_groups_freeze_vgg_and_slow_cpm_layers() -> None:
    alike, grouped = moved(step_settings()), moved(step_settings(group_params=True, vgg_freeze_steps=2000))
    assert grouped["base.vgg_base.layers.0.weight"] == 0
    assert grouped["base.conv4_3_CPM.weight"] == pytest.approx(alike["base.conv4_3_CPM.weight"] / 4, rel=1e-3)
    assert grouped["stage_1.conv1_CPM_L1.weight"] == pytest.approx(alike["stage_1.conv1_CPM_L1.weight"], rel=1e-3)


@pytest.mark.parametrize(("network", "frozen"), [("vgg19", "base.vgg_base."), ("mobilenet_v2", "base.")])
def test_a_frozen_backbone_stays_and_all_else_is_trained(network: str, frozen: str) -> None:
    distances = moved(step_settings(freeze_backbone=True, group_params=True), network)
    still = {name for name, distance in distances.items() if distance == 0}
    assert still == {name for name in distances if name.startswith(frozen)}
    assert still


def test_masked_cells_do_not_count() -> None:
    loss = PoseLoss(build_network("vgg19", 1))
    pictures, heatmaps, pafs, mask = batch()
    assert float(loss(pictures, heatmaps, pafs, mask * 0).asnumpy()) == 0
    half = mask.asnumpy().copy()
    half[:, :, :, :2] = 0
    spoilt = heatmaps.asnumpy().copy()
    spoilt[:, :, :, :2] = 1e6
    counted = float(loss(pictures, heatmaps, pafs, ms.Tensor(half)).asnumpy())
    assert counted > 0
    assert float(loss(pictures, ms.Tensor(spoilt), pafs, ms.Tensor(half)).asnumpy()) == counted


def test_loss_is_the_sum_of_mean_squared_errors_of_all_stages() -> None:
    network = build_network("vgg19", 2)
    pictures, heatmaps, pafs, mask = batch()
    stage_pafs, stage_heatmaps = network(pictures)
    expected = sum(float(np.mean((p.asnumpy() - pafs.asnumpy()) ** 2)) for p in stage_pafs)
    expected += sum(float(np.mean((h.asnumpy() - heatmaps.asnumpy()) ** 2)) for h in stage_heatmaps)
    assert float(PoseLoss(network)(pictures, heatmaps, pafs, mask).asnumpy()) == pytest.approx(expected, rel=1e-5)
