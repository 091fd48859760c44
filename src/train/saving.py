"""Saving: checkpoint, loss record, plots, the best checkpoint's name and the training page, all in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from src.model_utils.config import Config, build_config
from src.train.checkpoints.checkpoint import SnapshotBuffers, network_meta, take_snapshot, write_snapshot
from src.train.checkpoints.manifest import CheckpointName
from src.train.checkpoints.storage import CheckpointStorage
from src.train.distributed import Communicator
from src.train.inputs import Card
from src.train.monitoring.loss_record import LossRecord, write_scalars
from src.train.monitoring.plot import plot_record
from src.train.monitoring.record_view import record_view
from src.train.monitoring.startup import Startup
from src.train.page.page import RunFacts, write_page
from src.train.page.pictures import FoundPeople, compare
from src.train.recipe import Recipe
from src.train.step import TrainStep
from src.train.validation.best import best_document, write_best
from src.train.validation.build import TRAINING_SET
from src.train.validation.history import ValidationHistory
from src.train.validation.validator import Validator


@dataclass(frozen=True)
class Run:
    """State shared by all steps of one start of the training."""

    config: Config
    recipe: Recipe
    communicator: Communicator
    step: TrainStep
    identity: Mapping[str, object]
    storage: CheckpointStorage
    alive: Callable[[str, int], None]
    startup: Startup
    workers: int
    validator: Validator | None
    history: ValidationHistory
    found_people: FoundPeople | None
    buffers: SnapshotBuffers = field(default_factory=SnapshotBuffers)

    @property
    def card(self) -> Card:
        return self.communicator.card


def save(run: Run, record: LossRecord, global_step: int, is_best: bool) -> None:
    """Copy the parameters, then write and publish them in the background with the loss record and plots."""
    config, card = run.config, run.card
    epoch, step_in_epoch = run.recipe.moment(global_step)
    meta = network_meta(
        config.network,
        config.stages,
        settings=config.settings(),
        epoch=epoch,
        step=step_in_epoch,
        global_step=global_step,
        steps_per_epoch=run.recipe.steps_per_epoch,
    )
    snapshot = take_snapshot(run.step, meta, run.buffers)
    write = partial(write_snapshot, snapshot, rank=card.rank, rank_size=card.rank_size, identity=run.identity)
    name = checkpoint_name(run, global_step)
    run.storage.save(write, name)
    if is_best:
        publish_best(run, record, global_step)
    record.flush()
    run.storage.publish_record(record.path)
    if card.rank == 0:
        run.storage.publish_made(partial(plot_record, record.path))
        run.storage.publish_made(partial(write_scalars, record.path, run.recipe.total_steps))
        publish_page(run, record)


def publish_best(run: Run, record: LossRecord, global_step: int) -> None:
    """Have rank 0 name the checkpoint of this step, which has the best validation so far, in best.json."""
    best = run.history.best
    if best is not None and run.validator is not None and run.card.rank == 0:
        moment = run.recipe.moment(global_step)
        document = best_document(checkpoint_name(run, global_step), run.validator.name, *moment, best)
        run.storage.publish_made(partial(write_best, record.path.parent, document))


def checkpoint_name(run: Run, global_step: int) -> str:
    """The file name of this rank's checkpoint after so many steps."""
    epoch, step_in_epoch = run.recipe.moment(global_step)
    return str(CheckpointName(run.card.rank, epoch, step_in_epoch))


def publish_page(run: Run, record: LossRecord) -> None:
    """Have rank 0 update the training page in the background."""
    if run.card.rank == 0:
        record.flush()
        run.storage.publish_page(partial(_make_page, run, record.path, run.history.best_step))
        if run.found_people is not None:
            run.storage.publish_made(lambda: run.found_people.path if run.found_people else None)


def _make_page(run: Run, record: Path, best_step: int) -> Path:
    """In the background: read the record, draw the pictures, write the page."""
    facts = RunFacts(
        settings=run.config.settings(),
        defaults=build_config({}).settings(),
        data=run.startup.data,
        epochs=run.recipe.epochs,
        total_steps=run.recipe.total_steps,
        best_step=best_step,
        validates_on_training=run.validator is not None and run.validator.name == TRAINING_SET,
    )
    pictures = []
    if run.found_people is not None and run.validator is not None:
        pictures = compare(run.found_people, run.validator.maker.pictures.read)
    return write_page(record.parent, facts, record_view(record).lines(), pictures)
