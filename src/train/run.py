"""The training line: index → load → augment → encode → batch → forward, loss → step → checkpoint → publish → finish."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms

from src.data.coco import index_annotations
from src.data.loader import build_loader
from src.errors import ConfigError, DataError, JobError
from src.model_utils.config import Config
from src.net.build import ARCHITECTURES, build_network, choose_device
from src.net.loss import PoseLoss
from src.net.weights import load_vgg_backbone, load_weights, network_weights, read_checkpoint
from src.train.checkpoint import CheckpointName, network_meta, write_checkpoint
from src.train.inputs import Card, TrainingInputs
from src.train.recipe import Recipe, choose_recipe
from src.train.step import TrainStep, build_step
from src.train.watch import StepWatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step: epoch and step in it count from 1, `global_step` over the whole run."""

    epoch: int
    step: int
    global_step: int


def train(
    config: Config, inputs: TrainingInputs, card: Card, checkpoint_folder: Path, publish: Callable[[Path], None]
) -> Path | None:
    """Train, calling `publish` with each checkpoint file written to `checkpoint_folder`; returns the last one.

    Raises DataError, CheckpointError or ConfigError before the first step when something cannot work, OutputError when a
    checkpoint cannot be written, and JobError when the loss is no number any more.
    """
    _check_input_size(config)
    recipe = choose_recipe(config, card.rank_size)
    choose_device(config.device_target, card.device_id)
    ms.set_seed(config.seed)
    network = build_network(config.network, config.stages)
    _load_starting_weights(network, inputs)
    index = index_annotations(inputs.annotations, inputs.pictures, ...)
    loader = build_loader(index, ...)
    return None
