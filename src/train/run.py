"""The training line: index → load → augment → encode → batch → forward, loss → step → checkpoint → publish → finish."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mindspore as ms

from src.data.augment import AugmentRanges
from src.data.coco import Selection, index_annotations
from src.data.loader import batches_per_epoch, build_loader, first_worker_error
from src.data.pose_index import keep_present
from src.data.sample import SampleMaker, SampleSettings
from src.model_utils.config import Config
from src.net.build import PictureNet, build_network, choose_device
from src.net.loss import PoseLoss
from src.net.weights import load_weights, network_weights, read_checkpoint, vgg_backbone_weights
from src.train.checkpoint import CheckpointName, network_meta, write_checkpoint
from src.train.inputs import Card, TrainingInputs
from src.train.recipe import Recipe, choose_recipe
from src.train.step import TrainStep, build_step
from src.train.watch import StepWatch

logger = logging.getLogger(__name__)


def train(
    config: Config, inputs: TrainingInputs, card: Card, checkpoint_folder: Path, publish: Callable[[Path], None]
) -> None:
    """Train from start to end; each checkpoint is written to `checkpoint_folder` and handed to `publish`.

    Raises ConfigError, DataError or CheckpointError before the first step when something cannot work; later DataError
    when too many pictures turn out to be broken, OutputError when a checkpoint cannot be written, and JobError when the
    loss is no number any more.
    """
    maker = _make_samples(config, inputs)
    device = choose_device(config.device_target, card.device_id)
    ms.set_seed(config.seed)
    network = build_network(config.network, config.stages)
    _load_starting_weights(network, inputs)
    loader = build_loader(maker, config.batch_size, card.rank, card.rank_size, workers=_workers(config))
    recipe = choose_recipe(config, card.rank_size, batches_per_epoch(len(maker), config.batch_size, card.rank_size))
    step = build_step(PoseLoss(network), recipe.rates, recipe.step)
    logger.info(
        "training %s on %s: %d pictures, %d epochs of %d steps, %s, lr %g",
        *(config.network, device, len(maker), recipe.epochs, recipe.steps_per_epoch),
        *(recipe.step.optimizer, recipe.rates.base_rate),
    )
    logger.info("the first step compiles the network, which takes a while")
    _take_steps(config, card, recipe, step, loader, checkpoint_folder, publish)


def _make_samples(config: Config, inputs: TrainingInputs) -> SampleMaker:
    """The annotated pictures that are there, and how a sample is made of each."""
    index = index_annotations(inputs.annotations, Selection(config.min_keypoints, config.min_area))
    index = keep_present(index, inputs.pictures, config.missing_pictures_max)
    ranges = AugmentRanges(
        scale_min=config.scale_min,
        scale_max=config.scale_max,
        box_min_px=config.person_size_min,
        box_max_px=config.person_size_max,
        rotate_max_deg=config.rotate_max,
        shift_px=config.center_shift_max,
        flip_share=config.flip_probability,
        jitter=config.colour_jitter,
    )
    settings = SampleSettings(
        input_width=config.insize,
        input_height=config.insize,
        sigma=config.heatmap_sigma,
        paf_half_width=config.paf_half_width,
        seed=config.seed,
        augment=config.augment,
        ranges=ranges,
        max_broken_share=config.missing_pictures_max,
    )
    return SampleMaker(index, inputs.pictures, settings, inputs.masks)


def _load_starting_weights(network: PictureNet, inputs: TrainingInputs) -> None:
    """VGG weights, then pretrained ones over them; each with its report in the log."""
    if inputs.vgg is not None:
        parameters, _ = read_checkpoint(inputs.vgg)
        load_weights(network, vgg_backbone_weights(parameters), f"vgg_path {inputs.vgg}")
    if inputs.pretrained is not None:
        parameters, _ = read_checkpoint(inputs.pretrained)
        load_weights(network, network_weights(parameters), f"pretrained {inputs.pretrained}")


def _take_steps(
    config: Config,
    card: Card,
    recipe: Recipe,
    step: TrainStep,
    loader: Any,
    checkpoint_folder: Path,
    publish: Callable[[Path], None],
) -> None:
    watch = StepWatch(recipe, config.batch_size * card.rank_size, config.log_interval)
    meta = network_meta(config.network, config.stages, settings=config.settings())
    for global_step, (batch, waited_s) in enumerate(_batches(loader, recipe), start=1):
        loss = float(step(*batch).asnumpy())
        watch.after_step(global_step, loss, waited_s)
        epoch, step_in_epoch = watch.position(global_step)
        if _checkpoint_is_due(config, recipe, global_step):
            path = checkpoint_folder / str(CheckpointName(card.rank, epoch, step_in_epoch))
            write_checkpoint(step, path, {**meta, "epoch": epoch, "step": step_in_epoch, "global_step": global_step})
            publish(path)


def _batches(loader: Any, recipe: Recipe) -> Iterator[tuple[list[ms.Tensor], float]]:
    """All batches of all epochs, each with the seconds it was waited for; a worker's data error comes out as itself."""
    rows = loader.create_tuple_iterator(num_epochs=recipe.epochs)
    for _ in range(recipe.epochs):
        epoch = iter(rows)
        while True:
            started = time.perf_counter()
            try:
                batch = next(epoch, None)
            except RuntimeError as error:
                raise first_worker_error(error) or error from None
            if batch is None:
                break
            yield batch, time.perf_counter() - started


def _checkpoint_is_due(config: Config, recipe: Recipe, global_step: int) -> bool:
    """Every `ckpt_interval` steps, at the end of every `ckpt_epoch_interval`-th epoch, and after the last step."""
    epoch, beyond = divmod(global_step, recipe.steps_per_epoch)
    by_step = config.ckpt_interval > 0 and global_step % config.ckpt_interval == 0
    by_epoch = config.ckpt_epoch_interval > 0 and beyond == 0 and epoch % config.ckpt_epoch_interval == 0
    return by_step or by_epoch or global_step == recipe.total_steps


def _workers(config: Config) -> int:
    """Threads that make samples; by itself one, because OpenCV and the network share the processors."""
    return config.workers or 1
