"""One training step as a MindSpore cell: forward, loss, gradients, loss scale, clipping, optimizer."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import mindspore as ms
from mindspore import Parameter, Tensor, amp, nn, ops
from mindspore.nn.optim.optimizer import Optimizer

from src.net.loss import PoseLoss, nothing_errors
from src.net.versions import clip_by_norm, momentum_optimizer
from src.plural import plural
from src.train.loss_scale import DynamicLossScale
from src.train.schedule import LearningRate, RateSettings

logger = logging.getLogger(__name__)

VGG_PREFIX = "base.vgg_base."
CPM_PREFIX = "base.conv4_"
BASE_PREFIX = "base."
BACKBONE = "backbone"  # the value of the setting `freeze`
GROUP_FACTOR = 1 / 4  # learning rate of VGG and CPM layers when parameter groups are on


@dataclass(frozen=True)
class StepSettings:
    """Optimizer and gradient treatment of the training step."""

    optimizer: str
    momentum: float
    train_type: str
    loss_scale: float
    clip_norm: float
    group_params: bool
    vgg_freeze_steps: int
    dynamic_loss_scale: bool = False
    freeze_backbone: bool = False


class TrainStep(nn.Cell):
    """One optimizer step on a batch; returns its loss before the step, and the loss that empty maps would have.

    `fix_loss_scale` divides the gradients of the scaled loss by the scale again. `clip_grad` clips each gradient of the
    *scaled* loss to `clip_norm` and does not divide, as the reference network's training on several cards does: with
    its small gradients this is close to a step of fixed length, and its learning rates are tuned for that.

    With a dynamic loss scale, gradients that overflowed skip the optimizer, not the learning rate's schedule. The
    gradients of the other steps are brought to the fixed scale before they are treated, so that a step is the same as
    with the fixed scale, whatever the scale at that moment. The scale is saved and restored with the optimizer.
    """

    def __init__(self, loss: PoseLoss, optimizer: Optimizer, settings: StepSettings, cards: int = 1) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss
        self.optimizer = optimizer
        self.stages = len(loss.network.network.stages)
        self.loss_scale = settings.loss_scale
        self.is_dynamic = settings.dynamic_loss_scale
        self.dynamic = DynamicLossScale(settings.loss_scale) if self.is_dynamic else None
        self.clip = settings.train_type == "clip_grad"
        self.clip_norm = Tensor(settings.clip_norm, ms.float32)
        self.one = Tensor([1], ms.int32)
        self.map = ops.HyperMap()
        self.value_and_grad = ops.value_and_grad(self._scaled_loss, None, optimizer.parameters)
        self.reduce_gradients = ops.identity
        if cards > 1:
            self.reduce_gradients = nn.DistributedGradReducer(optimizer.parameters, mean=True, degree=cards)

    def construct(self, pictures: Tensor, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor) -> tuple[Tensor, Tensor]:
        scaled_loss, gradients = self.value_and_grad(pictures, heatmaps, pafs, valid_mask)
        loss = scaled_loss / self._scale()
        gradients = self.map(self._treat, gradients)
        gradients = self.reduce_gradients(gradients)
        if self.is_dynamic:
            finite = amp.all_finite(gradients)
            if finite:
                self.optimizer(gradients)
            else:
                ops.assign_add(self.optimizer.global_step, self.one)
            self.dynamic(finite)  # type: ignore[misc]
        else:
            self.optimizer(gradients)
        nothing = nothing_errors(heatmaps, pafs, valid_mask, self.stages).mean()
        return loss, nothing

    def _scale(self) -> float | Tensor:
        return self.dynamic.scale_sense if self.is_dynamic else self.loss_scale  # type: ignore[union-attr]

    def _scaled_loss(self, pictures: Tensor, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor) -> Tensor:
        return self.loss(pictures, heatmaps, pafs, valid_mask) * self._scale()

    def _treat(self, gradient: Tensor) -> Tensor:
        if self.is_dynamic:
            gradient = gradient * (self.loss_scale / self._scale())
        if self.clip:
            return clip_by_norm(gradient, self.clip_norm)
        return gradient / self.loss_scale


def build_step(loss: PoseLoss, rates: RateSettings, settings: StepSettings, cards: int = 1) -> TrainStep:
    """The training step over all trainable parameters of `loss`, with its optimizer; `cards` share their gradients."""
    if settings.freeze_backbone:
        _freeze_backbone(loss)
    parameters = list(loss.trainable_params())
    grouped = settings.group_params and any(parameter.name.startswith(CPM_PREFIX) for parameter in parameters)
    groups = _parameter_groups(parameters, rates, settings.vgg_freeze_steps) if grouped else parameters
    rate = LearningRate(rates)
    optimizer: Optimizer
    if settings.optimizer == "Momentum":
        optimizer = momentum_optimizer(groups, rate, settings.momentum)
    else:
        optimizer = nn.Adam(groups, learning_rate=rate)
    step = TrainStep(loss, optimizer, settings, cards)
    step.set_train()
    return step


def _freeze_backbone(loss: PoseLoss) -> None:
    """Leave the backbone out of training: the VGG layers of vgg19, all of `base` of other networks."""
    base = [parameter for parameter in loss.trainable_params() if parameter.name.startswith(BASE_PREFIX)]
    frozen = [parameter for parameter in base if parameter.name.startswith(VGG_PREFIX)] or base
    for parameter in frozen:
        parameter.requires_grad = False
    logger.info("freeze=backbone: %s of the backbone keep their starting weights", plural(len(frozen), "parameter"))


def _parameter_groups(parameters: list[Parameter], rates: RateSettings, freeze_steps: int) -> list[dict[str, object]]:
    vgg = [p for p in parameters if p.name.startswith(VGG_PREFIX)]
    cpm = [p for p in parameters if p.name.startswith(CPM_PREFIX)]
    grouped = {p.name for p in vgg + cpm}
    stages = [p for p in parameters if p.name not in grouped]
    groups: list[dict[str, object]] = [
        {"params": vgg, "lr": LearningRate(rates, GROUP_FACTOR, freeze_steps)},
        {"params": cpm, "lr": LearningRate(rates, GROUP_FACTOR)},
        {"params": stages, "lr": LearningRate(rates)},
    ]
    return [*(group for group in groups if group["params"]), {"order_params": parameters}]
