"""The training line: index → load → augment → encode → batch → forward, loss → step → checkpoint → publish → finish."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mindspore as ms

from src.data.augment import AugmentRanges
from src.data.coco import Selection, open_index
from src.data.loader import build_loader, choose_workers, first_worker_error
from src.data.order import batches_per_epoch, epoch_order
from src.data.pose_index import keep_present, leave_out
from src.data.sample import SampleMaker, SampleSettings
from src.errors import StoppedError
from src.model_utils.config import Config
from src.net.build import PictureNet, build_network, choose_device
from src.net.loss import PoseLoss
from src.net.weights import load_weights, network_weights, read_checkpoint, vgg_backbone_weights
from src.train.checkpoints.checkpoint import network_meta, take_snapshot, write_snapshot
from src.train.checkpoints.identity import run_identity
from src.train.checkpoints.manifest import CheckpointName, Moment
from src.train.checkpoints.storage import CheckpointStorage
from src.train.compile_cache import use_compile_cache
from src.train.distributed import Together, join_cards
from src.train.inputs import Card, TrainingInputs
from src.train.monitoring.loss_record import LossRecord, plot_record, write_scalars
from src.train.monitoring.startup import Startup, resident_bytes
from src.train.monitoring.step_log import StepWatch, wait_remedy
from src.train.phases import JOINING, TRAINING, WAITING
from src.train.recipe import Recipe, choose_recipe
from src.train.resume import Resume, UnusableCheckpoint
from src.train.schedule import rate_at
from src.train.signals import StopRequest
from src.train.step import TrainStep, build_step

logger = logging.getLogger(__name__)

INDEX_WAIT_S = 600.0


@dataclass(frozen=True)
class Run:
    """What stays the same over one start of the training."""

    config: Config
    recipe: Recipe
    together: Together
    step: TrainStep
    identity: Mapping[str, Any]
    storage: CheckpointStorage
    alive: Callable[[str, int], None]
    startup: Startup
    workers: int

    @property
    def card(self) -> Card:
        return self.together.card


class Trained(NamedTuple):
    """A network at the end of its training: at which moment, on which device, and whether this start took any step."""

    network: PictureNet
    moment: Moment
    device: str
    went_on: bool


def train(
    config: Config,
    inputs: TrainingInputs,
    card: Card,
    folder: Path,
    storage: CheckpointStorage,
    alive: Callable[[str, int], None] = lambda _phase, _step: None,
    startup: Startup | None = None,
) -> Trained:
    """Train to the end, from the start or from where a published checkpoint left off.

    `folder` takes the loss record and the start-up report, which goes on from `startup`; `alive(phase, global_step)` is
    told what this process is doing. Raises ConfigError,
    DataError or CheckpointError before the first step when something cannot work; JobError when the loss is no number
    any more; StoppedError after a signal, when the checkpoint of the last step has been handed over.
    """
    startup = startup or Startup()
    alive("reading the annotations", 0)
    maker = _make_samples(config, inputs, card, startup)
    identity = run_identity(config, card.rank_size, inputs.annotations, len(maker))
    device = choose_device(config.device_target, card.device_id)
    alive(JOINING, 0)
    with startup("joining the cards"):
        together = join_cards(card, device)
    alive("building the network", 0)
    ms.set_seed(config.seed)
    with startup("building the network") as phase:
        network = build_network(config.network, config.stages)
        phase.size_bytes, phase.note = sum(p.nbytes for p in network.get_parameters()), "of parameters"
    workers = choose_workers(config.workers, device, card.rank_size)
    make_loader = partial(
        build_loader,
        *(maker, config.batch_size, card.rank, card.rank_size),
        workers=workers,
        worker_processes=config.worker_processes,
    )
    loader = make_loader()
    recipe = choose_recipe(config, card.rank_size, batches_per_epoch(len(maker), config.batch_size, card.rank_size))
    if config.compile_cache:
        facts = {**config.settings(), "pictures": len(maker), "cards": card.rank_size, "device": device}
        use_compile_cache(folder / "compiled", facts)
    step = build_step(PoseLoss(network), recipe.rates, recipe.step)
    run = Run(config, recipe, together, step, identity, storage, alive, startup, workers)
    alive("looking for a checkpoint to go on from", 0)
    with startup("resuming, loading weights"):
        resume = Resume(storage.candidates(), step, together, recipe, identity, config.resume_changed)
        done = resume.restore_next()
        if done is None:
            _load_starting_weights(network, inputs)
        elif inputs.pretrained is not None:
            logger.info("load_pretrain is passed over: this run goes on from its own checkpoint")
    if (done or 0) >= recipe.total_steps:
        logger.info("nothing left to train: %d epochs are done; raise max_epoch_train to go on", recipe.epochs)
        return Trained(network, recipe.moment(done or 0), device, went_on=False)
    logger.info(
        "training %s on %s: %d pictures, %d epochs of %d steps, %s, lr %g",
        *(config.network, device, len(maker), recipe.epochs, recipe.steps_per_epoch),
        *(recipe.step.optimizer, recipe.rates.base_rate),
    )
    while True:
        loader.set_init_step(done or 0)
        if inputs.streamed is not None:
            inputs.streamed.expect(_next_names(maker, config, card, done or 0, recipe.steps_per_epoch))
        try:
            with StopRequest() as stop, LossRecord(folder, card.rank, done or 0) as record:
                _take_steps(run, loader, record, done or 0, stop, resumed=done is not None)
            break
        except UnusableCheckpoint as error:
            done = resume.skip_last(str(error))
            loader = make_loader()
    return Trained(network, recipe.moment(recipe.total_steps), device, went_on=True)


def _make_samples(config: Config, inputs: TrainingInputs, card: Card, startup: Startup) -> SampleMaker:
    """The annotated pictures that are there, and how a sample is made of each."""
    with startup("opening the index") as phase:
        index = open_index(
            inputs.annotations,
            Selection(config.min_keypoints, config.min_area),
            cache=inputs.index_cache,
            wait_s=INDEX_WAIT_S if card.local_rank else 0.0,
        )
        index = leave_out(index, inputs.missing, str(inputs.pictures), config.missing_pictures_max)
        if inputs.streamed is None:
            index = keep_present(index, inputs.pictures, config.missing_pictures_max)
        phase.files, phase.size_bytes = len(index), index.nbytes
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
    await_picture = inputs.streamed.wait_for if inputs.streamed is not None else None
    return SampleMaker(index, inputs.pictures, settings, inputs.masks, await_picture)


def _next_names(maker: SampleMaker, config: Config, card: Card, done: int, steps_per_epoch: int) -> list[str]:
    """This card's pictures in order, from the next step to the end of the epoch."""
    epoch, step = divmod(done, steps_per_epoch)
    order = epoch_order(len(maker), config.seed, epoch, card.rank, card.rank_size)
    return [str(maker.index.names[row]) for row in order[step * config.batch_size :]]


def _load_starting_weights(network: PictureNet, inputs: TrainingInputs) -> None:
    """VGG weights, then pretrained ones over them; each with its report in the log."""
    if inputs.vgg is not None:
        parameters, _ = read_checkpoint(inputs.vgg)
        load_weights(network, vgg_backbone_weights(parameters), f"vgg_path {inputs.vgg}")
    if inputs.pretrained is not None:
        parameters, _ = read_checkpoint(inputs.pretrained)
        load_weights(network, network_weights(parameters), f"pretrained {inputs.pretrained}")


def _take_steps(run: Run, loader: Any, record: LossRecord, done: int, stop: StopRequest, resumed: bool = False) -> None:
    """From step `done` + 1 to the last; after each step all ranks agree whether one of them was told to stop.

    Raises UnusableCheckpoint when the first step after a checkpoint gives a loss that is not finite on any rank.
    """
    config, recipe = run.config, run.recipe
    remedy = wait_remedy(run.workers, os.cpu_count() or 1, config.stage)
    watch = StepWatch(recipe, config.batch_size * run.card.rank_size, config.log_interval, done, remedy)
    logger.info("the first step compiles the network, which takes a while")
    run.alive("compiling the network", done)
    for global_step, (batch, waited_s) in enumerate(_batches(run, loader, done), start=done + 1):
        if global_step > done + 1:
            run.alive(TRAINING, global_step - 1)
        started = time.perf_counter()
        loss = float(run.step(*batch).asnumpy())
        step_s = time.perf_counter() - started
        if global_step == done + 1:
            if resumed and run.together.any(not math.isfinite(loss)):
                raise UnusableCheckpoint(f"its next step gives a loss of {loss}")
            _report_startup(run, record, batch, waited_s, step_s)
        watch.after_step(global_step, loss, waited_s)
        epoch, step_in_epoch = recipe.moment(global_step)
        record.add(
            global_step=global_step,
            epoch=epoch,
            step=step_in_epoch,
            loss=loss,
            lr=rate_at(recipe.rates, global_step - 1),
            data_wait_s=round(waited_s, 4),
            data_wait_share=round(waited_s / max(waited_s + step_s, 1e-9), 4),
            step_s=round(step_s, 4),
        )
        stopping = run.together.any(bool(stop))
        if stopping or _checkpoint_is_due(config, recipe, global_step):
            _save(run, record, epoch, step_in_epoch, global_step)
        if stopping:
            raise StoppedError(f"stopped by a signal after epoch {epoch}, step {step_in_epoch}, which is saved")
        run.alive(WAITING, global_step)


def _report_startup(run: Run, record: LossRecord, batch: list[ms.Tensor], waited_s: float, step_s: float) -> None:
    """Where the time until the end of the first step went: a table in the log, and JSON beside the checkpoints."""
    run.startup.add("first batch", waited_s, sum(part.nbytes for part in batch), "of one batch")
    run.startup.add("compile, first step", step_s, resident_bytes(), "of memory in use at most")
    if run.card.rank == 0:
        logger.info("%s", run.startup.table())
    run.storage.publish_made(partial(run.startup.write, record.path.parent))


def _save(run: Run, record: LossRecord, epoch: int, step_in_epoch: int, global_step: int) -> None:
    """Copy the parameters, and have them written and published in the background together with the loss record."""
    config, card = run.config, run.card
    meta = network_meta(
        config.network,
        config.stages,
        settings=config.settings(),
        epoch=epoch,
        step=step_in_epoch,
        global_step=global_step,
        steps_per_epoch=run.recipe.steps_per_epoch,
    )
    snapshot = take_snapshot(run.step, meta)
    write = partial(write_snapshot, snapshot, rank=card.rank, rank_size=card.rank_size, identity=run.identity)
    run.storage.save(write, str(CheckpointName(card.rank, epoch, step_in_epoch)))
    record.flush()
    run.storage.publish_made(lambda: record.path)
    if card.rank == 0:
        run.storage.publish_made(partial(plot_record, record.path))
        run.storage.publish_made(partial(write_scalars, record.path, run.recipe.total_steps))


def _batches(run: Run, loader: Any, done: int) -> Iterator[tuple[list[ms.Tensor], float]]:
    """The batches of all steps still to do, each with the seconds it was waited for.

    A worker's data error comes out as itself.
    """
    rows = loader.create_tuple_iterator(num_epochs=run.recipe.epochs)
    for _ in range(done // run.recipe.steps_per_epoch, run.recipe.epochs):
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
