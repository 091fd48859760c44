"""The validations of a run so far: the best one, and warnings when the network stops improving."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from src.train.monitoring.record_view import RecordLine
from src.train.validation.result import Validation

logger = logging.getLogger(__name__)

#: Number of validations without a new best after which the log warns.
PATIENCE = 5


class ValidationHistory:
    """Restored from the loss record, so that a resumed run decides like an uninterrupted one.

    `start` is the validation before the first step, `best` that of the best checkpoint so far, after `best_step` steps;
    the last validation was after `last_step` steps.
    """

    def __init__(self, lines: Iterable[RecordLine] = ()) -> None:
        self.start: Validation | None = None
        self.best: Validation | None = None
        self.best_step = 0
        self.last_step = -1
        self._since_best = 0
        for line in lines:
            if "val_loss" in line:
                self._add(int(line["global_step"]), Validation.from_record(line))

    def add(self, global_step: int, validation: Validation) -> bool:
        """Take a validation after so many steps; returns whether it is the best so far, and warns about decline."""
        is_best = self._add(global_step, validation)
        if self.start is not None and global_step and validation.rank < self.start.rank and self.best is not None:
            self._warn_below_start(validation)
        elif self._since_best and self._since_best % PATIENCE == 0 and self.best is not None:
            logger.warning(
                "validation has not improved for %d validations: AP %.3f, PCK %.3f, the best (step %d) had AP %.3f, "
                "PCK %.3f; lower lr, or stop here: the best checkpoint is kept",
                *(self._since_best, validation.ap, validation.pck, self.best_step, self.best.ap, self.best.pck),
            )
        return is_best

    def _add(self, global_step: int, validation: Validation) -> bool:
        self.last_step = global_step
        if global_step == 0:
            self.start = validation
            return False
        if self.best is not None and validation.rank <= self.best.rank:
            self._since_best += 1
            return False
        self.best, self.best_step, self._since_best = validation, global_step, 0
        return True

    def _warn_below_start(self, now: Validation) -> None:
        start = self.start
        assert start is not None
        if start.ap > 0 or start.recall > 0:  # weights from scratch have nothing to lose
            logger.warning(
                "validation is worse than before the first step: AP %.3f (was %.3f), PCK %.3f (was %.3f), loss %.5f "
                "(was %.5f); lower lr, or check batch_norm and the annotations",
                *(now.ap, start.ap, now.pck, start.pck, now.loss, start.loss),
            )
