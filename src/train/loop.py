"""The training loop: batch → step → log and record → checkpoint, until the last step or a stop request."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import mindspore as ms
from mindspore.dataset import Dataset

from src.data.loader import first_worker_error
from src.errors import StoppedError
from src.model_utils.config import Config
from src.train.inputs import TRAINING, VALIDATING, WAITING
from src.train.monitoring.heartbeat import heartbeat
from src.train.monitoring.loss_record import LossRecord
from src.train.monitoring.record_view import SavedEntry, ValidationEntries
from src.train.monitoring.startup import resident_bytes
from src.train.monitoring.step_log import StepLog, wait_remedy
from src.train.recipe import Recipe
from src.train.resume import UnusableCheckpoint
from src.train.saving import Run, checkpoint_name, publish_best, publish_page, save
from src.train.schedule import rate_at
from src.train.signals import StopRequest
from src.train.validation.result import Validation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepResult:
    """Loss of one batch, the loss that empty maps would have, and the seconds spent on waiting and computing."""

    loss: float
    nothing: float
    waited_s: float
    step_s: float


def take_steps(
    run: Run,
    loader: Dataset,
    record: LossRecord,
    done: int,
    stop: StopRequest,
    check_first: Callable[[ms.Tensor], None] = lambda _images: None,
    resumed: bool = False,
) -> None:
    """Run from step `done` + 1 to the last; after each step all ranks agree whether one of them was told to stop.

    `check_first` is given the images of the first batch. Raises UnusableCheckpoint when the first step after a
    checkpoint gives a loss that is not finite on any rank.
    """
    remedy = wait_remedy(run.workers, os.cpu_count() or 1, run.config.stage)
    log = StepLog(run.recipe, run.config.batch_size * run.card.rank_size, run.config.log_interval, done, remedy)
    for global_step, (batch, waited_s) in enumerate(_batches(run, loader, done), start=done + 1):
        if global_step == done + 1:
            check_first(batch[0])
        result = _first_step(run, record, batch, waited_s, done) if global_step == done + 1 else None
        if resumed and result is not None and run.communicator.any(not math.isfinite(result.loss)):
            raise UnusableCheckpoint(f"its next step gives a loss of {result.loss}")
        if result is None:
            run.alive(TRAINING, global_step - 1)
            result = _step(run, batch, waited_s)
        log.after_step(global_step, result.loss, result.nothing, waited_s)
        stopping = run.communicator.any(bool(stop))
        found = None
        if not stopping and validation_is_due(run.config, run.recipe, global_step):
            found = _validate(run, global_step, stop)
            log.paused(found.seconds if found else 0.0)
            stopping = run.communicator.any(bool(stop))
        is_best = found is not None and run.history.add(global_step, found)
        saving = stopping or is_best or checkpoint_is_due(run.config, run.recipe, global_step)
        _add_line(run, record, global_step, result, found, saving)
        if saving:
            save(run, record, global_step, is_best)
        if stopping:
            epoch, step = run.recipe.moment(global_step)
            said = f"stopped by {stop.cause} after epoch {epoch}, step {step}, which is saved"
            raise StoppedError(
                f"{said}; the same command continues", stop.signal_number or signal.SIGTERM, stop.since_s
            )
        run.alive(WAITING, global_step)


def _step(run: Run, batch: list[ms.Tensor], waited_s: float) -> StepResult:
    started = time.perf_counter()
    loss, nothing = (float(value.asnumpy()) for value in run.step(*batch))
    if run.step.dynamic is not None:
        run.step.dynamic.report()
    return StepResult(loss, nothing, waited_s, time.perf_counter() - started)


def _first_step(run: Run, record: LossRecord, batch: list[ms.Tensor], waited_s: float, done: int) -> StepResult:
    """Run the first step, which compiles the network and logs periodically that it is still running.

    Then the start-up report is logged as a table and published as startup.json.
    """
    run.alive("compiling the network", done)
    with heartbeat("compiling the network"):
        result = _step(run, batch, waited_s)
    run.startup.add("first batch", waited_s, sum(part.nbytes for part in batch), "of one batch")
    run.startup.add("compile, first step", result.step_s, resident_bytes(), "of memory in use at most")
    run.startup.log_table(run.card.rank)
    run.storage.publish_made(partial(run.startup.write, record.path.parent))
    return result


def validate_start(run: Run, record: LossRecord, done: int, stop: StopRequest) -> None:
    """Validate before the first step, or after step `done` if a stop request skipped that.

    The former is the baseline that later validations are compared with; the latter keeps resume exact.
    """
    if done and (not validation_is_due(run.config, run.recipe, done) or run.history.last_step == done):
        return
    found = _validate(run, done, stop)
    if found is None:
        return
    record.add(global_step=done, **found.record())
    if run.history.add(done, found):
        publish_best(run, record, done)
    publish_page(run, record)


def _validate(run: Run, global_step: int, stop: StopRequest) -> Validation | None:
    """The result; None without validation pictures or if interrupted by a stop request."""
    if run.validator is None:
        return None
    run.alive(VALIDATING, global_step)
    with heartbeat("validating", announce=False):
        found = run.validator.run(lambda: bool(stop))
    if run.communicator.any(bool(stop)):
        return None
    if run.found_people is not None:
        run.found_people.add(global_step, found.poses)
    logger.info(
        "validation after %d steps on %d %s: AP %.3f, PCK@0.2 %.3f, %.0f %% of people found, "
        "loss %.5f (%.2f× predicting nothing), in %.0f s",
        *(global_step, found.pictures, run.validator.name, found.ap, found.pck, 100 * found.recall),
        *(found.loss, found.share, found.seconds),
    )
    return found


def _add_line(
    run: Run, record: LossRecord, global_step: int, result: StepResult, found: Validation | None, saving: bool
) -> None:
    epoch, step_in_epoch = run.recipe.moment(global_step)
    validated: ValidationEntries = found.record() if found is not None else {}
    saved: SavedEntry = {"checkpoint": checkpoint_name(run, global_step)} if saving else {}
    record.add(
        global_step=global_step,
        epoch=epoch,
        step=step_in_epoch,
        loss=result.loss,
        loss_share=round(result.loss / max(result.nothing, 1e-12), 5),
        lr=rate_at(run.recipe.rates, global_step - 1),
        data_wait_s=round(result.waited_s, 4),
        data_wait_share=round(result.waited_s / max(result.waited_s + result.step_s, 1e-9), 4),
        step_s=round(result.step_s, 4),
        **validated,
        **saved,
    )


def _batches(run: Run, loader: Dataset, done: int) -> Iterator[tuple[list[ms.Tensor], float]]:
    """The batches of all remaining steps, each with the seconds spent waiting for it.

    A data error in a worker is raised as itself.
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


def validation_is_due(config: Config, recipe: Recipe, global_step: int) -> bool:
    """Every `val_step_interval` steps, at the end of every `val_interval`-th epoch, and after the last step."""
    return _is_due(config.val_step_interval, config.val_interval, recipe, global_step)


def checkpoint_is_due(config: Config, recipe: Recipe, global_step: int) -> bool:
    """Every `ckpt_interval` steps, at the end of every `ckpt_epoch_interval`-th epoch, and after the last step."""
    return _is_due(config.ckpt_interval, config.ckpt_epoch_interval, recipe, global_step)


def _is_due(steps: int, epochs: int, recipe: Recipe, global_step: int) -> bool:
    epoch, beyond = divmod(global_step, recipe.steps_per_epoch)
    by_step = steps > 0 and global_step % steps == 0
    by_epoch = epochs > 0 and beyond == 0 and epoch % epochs == 0
    return by_step or by_epoch or global_step == recipe.total_steps
