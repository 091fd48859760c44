"""The training recipe: single-card or several-card settings, learning rates and number of steps."""

from __future__ import annotations

from dataclasses import dataclass

from src.model_utils.config import Config
from src.net.formats import FP16
from src.train.checkpoints.manifest import Moment
from src.train.schedule import RateSettings
from src.train.step import BACKBONE, StepSettings


@dataclass(frozen=True)
class Recipe:
    """Epochs, steps, learning rates and step treatment of this run."""

    epochs: int
    steps_per_epoch: int
    rates: RateSettings
    step: StepSettings

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def moment(self, global_step: int) -> Moment:
        """Epoch and step in it after `global_step` >= 1 steps."""
        epoch, step = divmod(global_step - 1, self.steps_per_epoch)
        return Moment(epoch + 1, step + 1)


def choose_recipe(config: Config, cards: int, steps_per_epoch: int) -> Recipe:
    """The recipe for `cards` cards: the `_NP` settings when there are several.

    As in the reference training, several cards multiply the base rate by their number, divide milestones and frozen
    steps by it, and halve the loss scale. `config.pretrained_warmup_steps` must already be the run's own (see
    `starting.settle_start`): 0 unless it started from pretrained weights.
    """
    several = cards > 1
    epochs = config.max_epoch_train_NP if several else config.max_epoch_train
    rates = RateSettings(
        base_rate=config.lr * cards,
        kind=config.lr_type,
        gamma=config.lr_gamma,
        milestones=tuple(step // cards for step in (config.lr_steps_NP if several else config.lr_steps)),
        warmup_steps=config.warmup_epoch * steps_per_epoch,
        total_steps=epochs * steps_per_epoch,
        pretrained_warmup_steps=config.pretrained_warmup_steps,
    )
    step = StepSettings(
        optimizer=config.optimizer_NP if several else config.optimizer,
        momentum=config.momentum,
        train_type=config.train_type_NP if several else config.train_type,
        loss_scale=config.loss_scale / 2 if several else config.loss_scale,
        clip_norm=config.clip_norm,
        group_params=config.group_params_NP if several else config.group_params,
        vgg_freeze_steps=config.vgg_freeze_steps // cards,
        dynamic_loss_scale=config.amp == FP16,
        freeze_backbone=config.freeze == BACKBONE,
    )
    return Recipe(epochs, steps_per_epoch, rates, step)
