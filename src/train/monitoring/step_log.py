"""Watching training: where it stands, how fast it goes, how long it waits for data, whether the loss is a number."""

from __future__ import annotations

import logging
import math
import time

from src.errors import JobError
from src.progress import clock
from src.train.recipe import Recipe

logger = logging.getLogger(__name__)

LOG_AT_LEAST_EVERY_S = 30.0
#: Above this share of its time spent waiting for data, training deserves a remedy.
WAIT_SHARE_MAX = 0.1


def wait_remedy(workers: int, processors: int, stage: str) -> str:
    """What to change when training waits for data, most effective first."""
    if stage == "stream":
        return (
            "pictures may still be arriving (stage=stream): the next epoch will tell; pack the data set with "
            "`python -m src.tools.pack_dataset` to stage it faster"
        )
    if workers < processors:
        return f"raise workers from {workers} (there are {processors} processors)"
    return f"{workers} workers keep {processors} processors busy: take a flavour with more, or a smaller insize"


class StepWatch:
    """Collects loss and times of each step and writes a log line every `log_interval` steps, or every 30 s if slow.

    Once an epoch it warns, with `remedy`, when more than WAIT_SHARE_MAX of the time was spent waiting for data; the
    first step, which waits for the pipeline to fill, is not counted.
    """

    def __init__(
        self, recipe: Recipe, pictures_per_step: int, log_interval: int, first_step: int = 0, remedy: str = ""
    ) -> None:
        self._remedy = remedy
        self._warned_epoch = 0
        self._recipe = recipe
        self._pictures_per_step = pictures_per_step
        self._log_interval = log_interval
        self._first_step = first_step
        self._started = time.monotonic()
        self._reset()

    def after_step(self, global_step: int, loss: float, waited_s: float) -> None:
        """Take note of a finished step (`global_step` counts from 1); JobError when its loss is not finite."""
        epoch, step = self._recipe.moment(global_step)
        if not math.isfinite(loss):
            raise JobError(f"the loss is {loss} at epoch {epoch}, step {step}: training has diverged; lower lr")
        self._losses.append(loss)
        self._waited_s += waited_s
        due = global_step % self._log_interval == 0 or time.monotonic() - self._since >= LOG_AT_LEAST_EVERY_S
        if due or global_step in (self._first_step + 1, self._recipe.total_steps):
            self._log(global_step, epoch, step)
            self._warn(global_step, epoch)
            self._reset()

    def _log(self, global_step: int, epoch: int, step: int) -> None:
        now = time.monotonic()
        elapsed = max(now - self._since, 1e-9)
        pace = (now - self._started) / max(global_step - self._first_step, 1)
        logger.info(
            "epoch %d/%d step %d/%d: loss %.5f, %.1f pictures/s, %.0f %% waiting for data, %s left",
            epoch,
            self._recipe.epochs,
            step,
            self._recipe.steps_per_epoch,
            sum(self._losses) / len(self._losses),
            len(self._losses) * self._pictures_per_step / elapsed,
            100 * self._waited_s / elapsed,
            clock(pace * (self._recipe.total_steps - global_step)),
        )

    def _warn(self, global_step: int, epoch: int) -> None:
        share = self._waited_s / max(time.monotonic() - self._since, 1e-9)
        if share > WAIT_SHARE_MAX and epoch > self._warned_epoch and global_step > self._first_step + 1:
            self._warned_epoch = epoch
            logger.warning("%.0f %% of the time goes into waiting for data: %s", 100 * share, self._remedy)

    def _reset(self) -> None:
        self._losses: list[float] = []
        self._waited_s = 0.0
        self._since = time.monotonic()
