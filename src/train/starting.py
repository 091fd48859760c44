"""Starting weights of a run, pretrained or random, and the settings that depend on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from src.model_utils.config import Config
from src.net.batch_norm import AUTO, BATCH, STORED, missing_statistics, use_statistics
from src.net.build import PictureNet
from src.net.weights import load_weights, network_weights, read_checkpoint, vgg_backbone_weights
from src.train.checkpoints.storage import Candidate
from src.train.distributed import Communicator
from src.train.inputs import TrainingInputs
from src.train.step import BACKBONE

logger = logging.getLogger(__name__)


def load_starting_weights(network: PictureNet, inputs: TrainingInputs, batch_norm: str) -> None:
    """Load VGG weights, then pretrained ones over them; each is reported in the log."""
    if inputs.vgg is not None:
        parameters, _ = read_checkpoint(inputs.vgg)
        load_weights(network, vgg_backbone_weights(parameters), f"vgg_path {inputs.vgg}")
    loaded: tuple[str, ...] = ()
    if inputs.pretrained is not None:
        parameters, _ = read_checkpoint(inputs.pretrained)
        loaded = load_weights(network, network_weights(parameters), f"pretrained {inputs.pretrained}").loaded
    unset = missing_statistics(network, loaded)
    if batch_norm == STORED and unset:
        logger.warning(
            "batch_norm=stored, but %d stored statistics are not in the starting weights and stay at mean 0, "
            "variance 1 (the first: %s); batch_norm=batch measures them",
            *(len(unset), unset[0]),
        )


def settle_start(
    config: Config, candidates: Sequence[Candidate], pretrained: bool, communicator: Communicator
) -> Config:
    """The configuration with the settings that depend on what the run starts from; all ranks get the same.

    `batch_norm` is as set, else as in the run that is resumed, else STORED for pretrained weights.
    `pretrained_warmup_steps` is 0 for a run that did not start from pretrained weights.
    """
    stored = warmed = pretrained
    if candidates:  # manifests of earlier versions do not say: batch statistics, no warm-up
        resumed = candidates[0].manifest.identity
        stored = resumed.get("batch_norm", BATCH) == STORED
        steps = resumed.get("pretrained_warmup_steps")
        warmed = isinstance(steps, int) and steps > 0
    chosen = STORED if communicator.any(stored) else BATCH
    return replace(
        config,
        batch_norm=chosen if config.batch_norm == AUTO else config.batch_norm,
        pretrained_warmup_steps=config.pretrained_warmup_steps if communicator.any(warmed) else 0,
    )


def apply_batch_norm(network: PictureNet, kind: str, freeze: str) -> None:
    """Set the statistics that the layers use and log them; a frozen backbone always uses the stored ones."""
    layers = use_statistics(network, kind)
    if freeze == BACKBONE:
        use_statistics(network.network.base, STORED)
    if not layers:
        logger.info("batch_norm: this network has no batch normalization layers")
    else:
        meaning = "of the weights, unchanged by training" if kind == STORED else "of each batch"
        logger.info("batch_norm=%s: %d layers use the statistics %s", kind, layers, meaning)
