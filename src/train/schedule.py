"""Learning rates by step, as the reference network's training has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mindspore import Tensor, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

WARMUP_START = 1 / 3  # of the base rate, as in the reference's cosine schedule


@dataclass(frozen=True)
class RateSettings:
    """The learning rate schedule; steps count from 0 over the whole training, on this number of cards.

    `warmup_steps` belong to the cosine schedule. Over the first `pretrained_warmup_steps` any schedule's rate is scaled
    down to (step + 1) / pretrained_warmup_steps of it.
    """

    base_rate: float
    kind: str
    gamma: float
    milestones: tuple[int, ...]
    warmup_steps: int
    total_steps: int
    pretrained_warmup_steps: int


def rate_at(settings: RateSettings, step: int) -> float:
    """The learning rate at a step (from 0), for the record; the network's own comes from `LearningRate`."""
    return _scheduled(settings, step) * min(1.0, (step + 1) / max(settings.pretrained_warmup_steps, 1))


def _scheduled(settings: RateSettings, step: int) -> float:
    if settings.kind == "cosine":
        if step < settings.warmup_steps:
            return settings.base_rate * (WARMUP_START + (1 - WARMUP_START) * step / settings.warmup_steps)
        turn = (step - settings.warmup_steps) * math.pi / max(settings.total_steps, 1)
        return 0.5 * settings.base_rate * (1 + math.cos(turn))
    return settings.base_rate * settings.gamma ** sum(step >= milestone for milestone in settings.milestones)


class LearningRate(LearningRateSchedule):
    """Learning rate at a step: `settings`' curve times `factor`, zero before step `frozen_steps`."""

    def __init__(self, settings: RateSettings, factor: float = 1.0, frozen_steps: int = 0) -> None:
        super().__init__()
        self.rate = settings.base_rate * factor
        self.cosine = settings.kind == "cosine"
        self.gamma = settings.gamma
        self.milestones = settings.milestones
        self.warmup_steps = settings.warmup_steps if self.cosine else 0
        self.pretrained_warmup_steps = settings.pretrained_warmup_steps
        self.total_steps = settings.total_steps
        self.frozen_steps = frozen_steps

    def construct(self, global_step: Tensor) -> Tensor:
        step = global_step.astype("float32").reshape(())
        if self.cosine:
            rate = self._warm_cosine(step)
        else:
            rate = ops.ones_like(step) * self.rate
            for milestone in self.milestones:
                rate = ops.where(step >= milestone, rate * self.gamma, rate)
        if self.pretrained_warmup_steps > 1:
            share = (step + 1) / self.pretrained_warmup_steps
            rate = ops.where(share < 1, rate * share, rate)
        if self.frozen_steps > 0:
            rate = ops.where(step < self.frozen_steps, ops.zeros_like(rate), rate)
        return rate

    def _warm_cosine(self, step: Tensor) -> Tensor:
        # As in the reference: the cosine is stretched over all steps but starts after the warm-up.
        rate = 0.5 * self.rate * (1 + ops.cos((step - self.warmup_steps) * (math.pi / max(self.total_steps, 1))))
        if self.warmup_steps > 0:
            warm = self.rate * (WARMUP_START + (1 - WARMUP_START) * step / self.warmup_steps)
            rate = ops.where(step < self.warmup_steps, warm, rate)
        return rate
