"""The dynamic loss scale of float16: what overflows is skipped, what does not is the step of the fixed scale."""

from __future__ import annotations

import logging
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.errors import ConfigError, JobError
from src.net.build import PictureNet, choose_device
from src.net.formats import BF16, FP16, INPUT_FORMATS, OFF, check_precision
from src.net.loss import PoseLoss
from src.net.openposenet import StagedNet
from src.net.precision import use_precision
from src.net.weights import network_weights
from src.train.checkpoints.checkpoint import load_parameters, restore, take_snapshot, write_snapshot
from src.train.loss_scale import HIGHEST, WINDOW, DynamicLossScale
from src.train.step import TrainStep, build_step
from tests.train.test_step import batch, rates, step_settings

pytestmark = [pytest.mark.mindspore, pytest.mark.numerical]

META = {"epoch": 1, "step": 1, "steps_per_epoch": 9, "global_step": 1}


@pytest.fixture(scope="module", autouse=True)
def _device() -> None:
    choose_device("CPU")


class Maps(nn.Cell):
    """A stage of one convolution a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.pafs = nn.Conv2d(4, 38, 1, has_bias=True)
        self.heatmaps = nn.Conv2d(4, 19, 1, has_bias=True)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.pafs(x), self.heatmaps(x)


def small_step(scale: float, dynamic: bool = True, fixed: float = 1024.0, amp: str = OFF, **more: object) -> TrainStep:
    """The training step of a network with three convolutions; `scale` is the loss scale at the moment."""
    ms.set_seed(5)
    network = PictureNet(StagedNet(nn.Conv2d(3, 4, 8, stride=8, pad_mode="valid"), [Maps()]), INPUT_FORMATS["vgg19"])
    if amp != OFF:
        use_precision(network, amp)
    values = step_settings(loss_scale=fixed, dynamic_loss_scale=dynamic, **more)
    step = build_step(PoseLoss(network), rates(base_rate=0.5), values)
    if step.dynamic is not None:
        step.dynamic.scale_sense.set_data(Tensor(scale, ms.float32))
    return step


def overflowing() -> list[Tensor]:
    """A batch whose gradients are beyond float32 at a loss scale of 3e38."""
    pictures, heatmaps, pafs, mask = batch()
    return [pictures, heatmaps * 1e5, pafs, mask]


def arrays(step: TrainStep) -> dict[str, np.ndarray]:
    return {p.name: p.asnumpy().copy() for p in step.loss.get_parameters()}


@pytest.mark.parametrize("train_type", ["fix_loss_scale", "clip_grad"])
def test_a_step_is_that_of_the_fixed_scale_whatever_the_scale(train_type: str) -> None:
    moved = []
    for step in (
        small_step(1.0, dynamic=False, train_type=train_type, clip_norm=0.5),
        small_step(2.0**18, train_type=train_type, clip_norm=0.5),
    ):
        before = arrays(step)
        loss, _ = step(*batch())
        moved.append({name: value - before[name] for name, value in arrays(step).items()} | {"loss": loss.asnumpy()})
    assert moved[0].keys() == moved[1].keys()
    for name, change in moved[0].items():
        assert np.any(change)
        np.testing.assert_allclose(moved[1][name], change, rtol=1e-5, atol=1e-7)


def test_what_overflows_is_skipped_but_counts_for_the_schedule(caplog: pytest.LogCaptureFixture) -> None:
    step = small_step(3e38, optimizer="Adam")
    before = arrays(step)
    step(*overflowing())
    assert float(step.dynamic.scale_sense.asnumpy()) == pytest.approx(1.5e38)
    after = arrays(step)
    assert all(np.array_equal(after[name], value) for name, value in before.items())
    assert int(step.optimizer.global_step.asnumpy()[0]) == 1
    with caplog.at_level(logging.WARNING):
        step.dynamic.report()
    assert "step skipped, loss scale lowered to 1.5e+38" in caplog.text
    step.dynamic.scale_sense.set_data(Tensor(1024.0, ms.float32))
    step(*batch())
    caplog.clear()
    step.dynamic.report()
    assert caplog.text == ""
    assert any(not np.array_equal(value, before[name]) for name, value in arrays(step).items())
    assert int(step.optimizer.global_step.asnumpy()[0]) == 2


def test_the_scale_rises_after_long_peace_and_stays_within_its_bounds() -> None:
    scale = DynamicLossScale(1024.0)
    scale.steps.set_data(Tensor(WINDOW - 2, ms.int32))
    assert [float(scale(Tensor(True)).asnumpy()) for _ in range(3)] == [1024, 2048, 2048]
    assert float(scale(Tensor(False)).asnumpy()) == 1024
    assert int(scale.steps.asnumpy()) == 0
    scale.scale_sense.set_data(Tensor(HIGHEST, ms.float32))
    scale.steps.set_data(Tensor(WINDOW - 1, ms.int32))
    assert float(scale(Tensor(True)).asnumpy()) == HIGHEST
    scale.scale_sense.set_data(Tensor(1.0, ms.float32))
    scale(Tensor(False))
    with pytest.raises(JobError, match="every loss scale"):
        scale.report()


def test_a_checkpoint_holds_the_loss_scale(tmp_path: Path) -> None:
    """A run that goes on from it is bit for bit the one that was not interrupted, skipped steps included."""
    undisturbed, path = small_step(3e38, optimizer="Adam"), tmp_path / "one.ckpt"
    undisturbed(*overflowing())
    write_snapshot(take_snapshot(undisturbed, META), path, 0, 1, {})
    resumed = small_step(1024.0, optimizer="Adam")
    parameters = load_parameters(path)
    assert {"scale_sense", "steps_since_overflow"} <= set(parameters)
    assert set(network_weights(parameters)) == set(arrays(undisturbed)), "a network's weights do not include them"
    restore(resumed, parameters, str(path))
    for step in (undisturbed, resumed):
        step.dynamic.scale_sense.set_data(step.dynamic.scale_sense * 2.0**-110)
        step(*batch())
    ended = [{p.name: p.asnumpy() for p in step.get_parameters()} for step in (undisturbed, resumed)]
    assert all(np.array_equal(ended[1][name], value) for name, value in ended[0].items())
    assert int(ended[1]["steps_since_overflow"]) == 1


def test_convolutions_alone_are_cast() -> None:
    network = small_step(1.0).loss.network
    use_precision(network, FP16)
    flags = {name: cell.get_flags().get("fp16", False) for name, cell in network.cells_and_names()}
    assert {name for name, is_cast in flags.items() if is_cast} == {
        name for name, cell in network.cells_and_names() if isinstance(cell, nn.Conv2d)
    }
    assert not network.returns_float32
    use_precision(network, OFF)
    assert not any(cell.get_flags().get("fp16", False) for _, cell in network.cells_and_names())
    assert network.returns_float32


def test_a_step_in_float16_is_close_to_one_in_float32_and_skipped_when_it_overflows() -> None:
    moved = []
    for step in (small_step(1024.0, dynamic=False), small_step(1024.0, amp=FP16)):
        assert step.loss.network(batch()[0])[0][0].dtype == ms.float32
        before = arrays(step)
        loss, _ = step(*batch())
        moved.append({name: value - before[name] for name, value in arrays(step).items()} | {"loss": loss.asnumpy()})
    for name, change in moved[0].items():
        assert moved[1][name].dtype == np.float32
        error = np.linalg.norm(moved[1][name] - change) / np.linalg.norm(change)
        assert 0 < error < 0.02, name
    step.dynamic.scale_sense.set_data(Tensor(2.0**30, ms.float32))
    before = arrays(step)
    loss, _ = step(*batch())
    assert np.isfinite(loss.asnumpy())
    assert all(np.array_equal(value, before[name]) for name, value in arrays(step).items())
    assert float(step.dynamic.scale_sense.asnumpy()) == 2.0**29


def test_bfloat16_on_a_processor_is_refused() -> None:
    for amp, device in ((OFF, "CPU"), (FP16, "CPU"), (BF16, "Ascend"), (FP16, "Ascend")):
        check_precision(amp, device)
    with pytest.raises(ConfigError, match=r"amp: bf16: .* use amp=off or amp=fp16"):
        check_precision(BF16, "CPU")
