"""The training log: progress, rate, waiting for data and loss every few steps, the mean loss of every epoch."""

from __future__ import annotations

import logging
import math
import time

from src.errors import JobError
from src.progress import clock
from src.train.recipe import Recipe

logger = logging.getLogger(__name__)

LOG_AT_LEAST_EVERY_S = 30.0
#: Share of the time spent waiting for data above which the log suggests a remedy.
WAIT_SHARE_MAX = 0.1
#: Empty maps have the share 1; a network that has learned nothing yet stays above this.
NOTHING_SHARE = 0.95
#: Steps after which a network trained from scratch should be below it.
NOTHING_STEPS = 200


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


class _Window:
    """Sums over the steps since the last line."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.steps = 0
        self.loss = self.nothing = self.waited_s = 0.0

    def add(self, loss: float, nothing: float, waited_s: float) -> None:
        self.steps += 1
        self.loss += loss
        self.nothing += nothing
        self.waited_s += waited_s

    @property
    def mean_loss(self) -> float:
        return self.loss / max(self.steps, 1)

    @property
    def share(self) -> float:
        """The loss as a share of the loss of predicting nothing."""
        return self.loss / max(self.nothing, 1e-12)

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self.since, 1e-9)


class StepLog:
    """Logs every `log_interval` steps, or every 30 s if steps are slow, and at the end of every epoch.

    The first step compiles the network and waits for the data pipeline to fill: no rate is given before the second,
    and neither rates nor the epoch's duration count it. Warns once an epoch, with `remedy`, when more than
    WAIT_SHARE_MAX of the time is spent waiting for data, and, each time after twice as many steps as before, when the
    loss of an epoch is hardly below that of predicting nothing.
    """

    def __init__(
        self, recipe: Recipe, pictures_per_step: int, log_interval: int, first_step: int = 0, remedy: str = ""
    ) -> None:
        self._recipe, self._pictures_per_step, self._log_interval = recipe, pictures_per_step, log_interval
        self._first_step, self._remedy = first_step, remedy
        self._warned_epoch = 0
        self._doubted_steps = NOTHING_STEPS
        self._lines, self._epoch, self._pace = _Window(), _Window(), _Window()

    def after_step(self, global_step: int, loss: float, nothing: float, waited_s: float) -> None:
        """Count a finished step (`global_step` from 1); JobError when its loss is not finite."""
        epoch, step = self._recipe.moment(global_step)
        if not math.isfinite(loss):
            raise JobError(f"the loss is {loss} at epoch {epoch}, step {step}: training has diverged; lower lr")
        for window in (self._lines, self._epoch, self._pace):
            window.add(loss, nothing, waited_s)
        first = global_step == self._first_step + 1
        due = global_step % self._log_interval == 0 or self._lines.seconds >= LOG_AT_LEAST_EVERY_S
        ends_epoch = step == self._recipe.steps_per_epoch
        rates, shown_with_epoch = "", False
        if first or due or global_step == self._recipe.total_steps:
            rates = self._rates(global_step) if not first else ""
            shown_with_epoch = ends_epoch and self._lines.steps >= self._epoch.steps
            if not shown_with_epoch:
                self._log(epoch, step, rates)
            self._warn_of_waiting(epoch, first)
            self._lines = _Window()
        if first:
            self._pace = _Window()
            self._epoch.since = self._pace.since
        if ends_epoch:
            self._end_epoch(epoch, global_step, rates if shown_with_epoch else "")

    def paused(self, seconds: float) -> None:
        """Leave out time that was spent on something else (validation) since the last step."""
        for window in (self._lines, self._epoch, self._pace):
            window.since += seconds

    def _log(self, epoch: int, step: int, rates: str) -> None:
        logger.info(
            "epoch %d/%d step %d/%d: loss %.5f (%.2f× predicting nothing)%s",
            *(epoch, self._recipe.epochs, step, self._recipe.steps_per_epoch),
            *(self._lines.mean_loss, self._lines.share, rates),
        )

    def _rates(self, global_step: int) -> str:
        lines, pace = self._lines, self._pace
        left = clock(pace.seconds / max(pace.steps, 1) * (self._recipe.total_steps - global_step))
        return (
            f", {lines.steps * self._pictures_per_step / lines.seconds:.1f} pictures/s, "
            f"{100 * lines.waited_s / lines.seconds:.0f} % waiting for data, {left} left"
        )

    def _warn_of_waiting(self, epoch: int, first: bool) -> None:
        share = self._lines.waited_s / self._lines.seconds
        if share > WAIT_SHARE_MAX and epoch > self._warned_epoch and not first:
            self._warned_epoch = epoch
            logger.warning("training waits for data %.0f %% of the time: %s", 100 * share, self._remedy)

    def _end_epoch(self, epoch: int, global_step: int, rates: str) -> None:
        window, self._epoch = self._epoch, _Window()
        logger.info(
            "epoch %d/%d finished: mean loss %.5f (%.2f× predicting nothing), in %s%s",
            *(epoch, self._recipe.epochs, window.mean_loss, window.share, clock(window.seconds), rates),
        )
        if window.share > NOTHING_SHARE and global_step >= self._doubted_steps:
            self._doubted_steps = 2 * global_step
            logger.warning(
                "after %d steps the loss is still %.2f× that of predicting nothing: the network finds nobody "
                "yet; check the annotations, try another lr, or start from pretrained weights",
                *(global_step, window.share),
            )
