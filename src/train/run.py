"""The training pipeline: index → load → augment → encode → batch → forward, loss → step → checkpoint → publish."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mindspore as ms

from src.data.loader import build_loader, check_resumed_batch, choose_workers, start_after
from src.data.mixed import MixedSamples
from src.data.order import batches_per_epoch
from src.model_utils.config import Config
from src.net.build import PictureNet, build_network, choose_device
from src.net.compile_cache import cache_folder, use_compile_cache
from src.net.formats import OFF, check_precision
from src.net.loss import PoseLoss
from src.net.precision import use_precision
from src.plural import plural
from src.train.checkpoints.identity import run_identity
from src.train.checkpoints.manifest import Moment
from src.train.checkpoints.storage import CheckpointStorage
from src.train.data_summary import log_summary, summarise
from src.train.distributed import join_cards
from src.train.inputs import JOINING, Card, TrainingInputs
from src.train.loop import take_steps, validate_start
from src.train.monitoring.loss_record import LossRecord, read_record
from src.train.monitoring.startup import Startup
from src.train.page.pictures import FoundPeople
from src.train.recipe import choose_recipe
from src.train.resume import Resume, UnusableCheckpoint
from src.train.samples import announce_names, training_samples
from src.train.saving import Run
from src.train.signals import StopRequest
from src.train.starting import apply_batch_norm, load_starting_weights, settle_start
from src.train.step import build_step
from src.train.validation.build import ValidationPictures, build_validator, validation_samples
from src.train.validation.history import ValidationHistory

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """A trained network, the moment its training ended, its device, and whether this start ran any step."""

    network: PictureNet
    moment: Moment
    device: str
    went_on: bool


class Samples(NamedTuple):
    """What a run trains on, and what it is validated on (None: nothing)."""

    training: MixedSamples
    validation: ValidationPictures | None


def read_samples(config: Config, inputs: TrainingInputs, card: Card, startup: Startup) -> Samples:
    """Read the annotations of all sets; DataError where one cannot be used. Nothing is written to `train_url`."""
    training = training_samples(config, inputs, card, startup)
    startup.data = summarise(training)
    if card.rank == 0:
        log_summary(startup.data)
    return Samples(training, validation_samples(config, inputs, training))


def train(
    config: Config,
    inputs: TrainingInputs,
    data: Samples,
    card: Card,
    folder: Path,
    storage: CheckpointStorage,
    alive: Callable[[str, int], None] = lambda _phase, _step: None,
    startup: Startup | None = None,
) -> Trained:
    """Train to the last step, starting from scratch, pretrained weights or a published checkpoint.

    `folder` takes the loss record and the start-up report, which continues `startup`; `alive(phase, global_step)` is
    called with what this process is doing. Raises ConfigError, DataError or CheckpointError before the first step when
    something cannot work, JobError when the loss is not finite, and StoppedError after a signal, once the checkpoint of
    the last step has been handed over.
    """
    startup = startup or Startup()
    samples, validation = data
    device = choose_device(config.device_target, card.device_id)
    check_precision(config.amp, device)
    alive(JOINING, 0)
    with startup("joining the cards"):
        communicator = join_cards(card, device)
    alive("building the network", 0)
    ms.set_seed(config.seed)
    with startup("building the network") as phase:
        network = build_network(config.network, config.stages)
        if config.amp != OFF:
            use_precision(network, config.amp)
        phase.size_bytes, phase.note = sum(p.nbytes for p in network.get_parameters()), "of parameters"
    workers = choose_workers(config.workers, device, card.rank_size)
    make_loader = partial(
        build_loader,
        *(samples, config.batch_size, card.rank, card.rank_size),
        workers=workers,
        worker_processes=config.worker_processes,
    )
    loader = make_loader()
    alive("looking for a checkpoint to resume from", 0)
    with startup("resuming, loading weights"):
        candidates = storage.candidates()
        config = settle_start(config, candidates, inputs.pretrained is not None, communicator)
        steps_per_epoch = batches_per_epoch(len(samples), config.batch_size, card.rank_size)
        recipe = choose_recipe(config, card.rank_size, steps_per_epoch)
        apply_batch_norm(network, config.batch_norm, config.freeze)
        if config.compile_cache:
            facts = {**config.settings(), "pictures": samples.pictures, "cards": card.rank_size, "device": device}
            use_compile_cache(cache_folder(folder / "compiled", facts))
        step = build_step(PoseLoss(network), recipe.rates, recipe.step, card.rank_size)
        files = [one.annotations for one in inputs.sets]
        identity = run_identity(config, card.rank_size, files, samples.pictures)
        resume = Resume(candidates, step, communicator, recipe, identity, config.resume_changed)
        restored = resume.restore_next()
        if restored is None:
            load_starting_weights(network, inputs, config.batch_norm)
        elif inputs.pretrained is not None:
            logger.info("ignoring load_pretrain: resuming from this run's own checkpoint")
    done = restored or 0
    if done >= recipe.total_steps:
        logger.info(
            "nothing left to train: %s done; raise max_epoch_train to train longer", plural(recipe.epochs, "epoch")
        )
        return _trained(network, recipe.moment(done), device, config.amp, went_on=False)
    logger.info(
        "training %s on %s: %s, %s of %s, %s, lr %g",
        *(config.network, device, plural(samples.pictures, "picture")),
        *(plural(recipe.epochs, "epoch"), plural(recipe.steps_per_epoch, "step")),
        *(recipe.step.optimizer, recipe.rates.base_rate),
    )
    while True:
        start_after(loader, done)
        announce_names(samples, inputs, card, done, config.batch_size)
        with StopRequest() as stop, LossRecord(folder, card.rank, done) as record:
            history = ValidationHistory(read_record(record.path))
            validator = build_validator(config, validation, step, communicator)
            found_people = FoundPeople(folder, done) if validator is not None and card.rank == 0 else None
            run = Run(
                *(config, recipe, communicator, step, identity, storage, alive, startup, workers, validator, history),
                found_people,
            )
            if done or not inputs.streamed:  # else the first pictures may still be on their way
                validate_start(run, record, done, stop)
            try:
                take_steps(
                    run, loader, record, done, stop, partial(_check_first, samples, card, done), restored is not None
                )
                break
            except UnusableCheckpoint as error:
                done = resume.skip_last(str(error))
                loader = make_loader()
    return _trained(network, recipe.moment(recipe.total_steps), device, config.amp, went_on=True)


def _trained(network: PictureNet, moment: Moment, device: str, amp: str, went_on: bool) -> Trained:
    """The result of training, with the network back in float32 for the export."""
    if amp != OFF:
        use_precision(network, OFF)
    return Trained(network, moment, device, went_on)


def _check_first(samples: MixedSamples, card: Card, done: int, images: ms.Tensor) -> None:
    """Verify that a resumed data set continues at the right batch."""
    if done:
        check_resumed_batch(samples, images.asnumpy(), done, card.rank, card.rank_size)
