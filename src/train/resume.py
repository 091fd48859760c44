"""Resuming from the newest published checkpoint that all ranks can verify and train from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import mindspore as ms
from mindspore import Parameter

from src.errors import CheckpointError, ConfigError, JobError
from src.train.checkpoints.checkpoint import load_parameters, restore
from src.train.checkpoints.identity import differences
from src.train.checkpoints.storage import Candidate
from src.train.distributed import Communicator
from src.train.recipe import Recipe
from src.train.step import TrainStep

logger = logging.getLogger(__name__)


class UnusableCheckpoint(Exception):
    """Training cannot continue from the checkpoint that was restored last."""


class Resume:
    """Candidates for resuming, tried one after another; all ranks use the same one."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        step: TrainStep,
        communicator: Communicator,
        recipe: Recipe,
        identity: Mapping[str, object],
        accept_changes: bool,
    ) -> None:
        self._candidates = list(candidates)
        self._tried = 0
        self._step = step
        self._communicator = communicator
        self._recipe = recipe
        self._identity = identity
        self._accept_changes = accept_changes

    def restore_next(self) -> int | None:
        """Restore the next usable checkpoint; returns the number of steps already done, None when there is none at all.

        A checkpoint that one rank cannot verify, or whose values are not finite, is skipped by all, with the reason.
        Raises ConfigError when the checkpoint belongs to a run with other settings, cards or data, unless changes are
        accepted: weights and optimizer are then kept, and the epoch it was taken in starts over. Raises JobError when
        there were checkpoints but none of them can be used.
        """
        while self._tried < len(self._candidates):
            candidate = self._candidates[self._tried]
            self._tried += 1
            changed = differences(candidate.manifest.identity, self._identity)
            if changed and not self._accept_changes:
                raise ConfigError(
                    f"{candidate.where}: belongs to a run that differs: {'; '.join(changed)}; pass "
                    "--resume_changed=True to go on all the same, or use another train_url to start a new run"
                )
            parameters = _load(candidate)
            if self._communicator.all(parameters is not None):
                assert parameters is not None
                return self._restore(candidate, parameters, changed)
            if parameters is not None:
                logger.warning("skipping checkpoint: %s: another rank cannot use its copy", candidate.where)
        if self._candidates:
            raise JobError(
                f"none of the {len(self._candidates)} complete checkpoints can be used, see the lines above; to start "
                "from the beginning use another train_url"
            )
        return None

    def skip_last(self, reason: str) -> int:
        """Reject the checkpoint restored last and restore the next one, see `restore_next`."""
        logger.warning("skipping checkpoint: %s: %s", self._candidates[self._tried - 1].where, reason)
        return self.restore_next() or 0

    def _restore(self, candidate: Candidate, parameters: Mapping[str, Parameter], changed: Sequence[str]) -> int:
        restore(self._step, parameters, candidate.where, partly=bool(changed))
        candidate.chosen(not changed)
        done = _steps_done(candidate, self._recipe, bool(changed))
        if changed:
            self._step.optimizer.global_step.set_data(ms.Tensor([done], ms.int32))
            logger.warning("resuming although the run differs: %s", "; ".join(changed))
        logger.info("resumed from %s: %d of %d steps are done", candidate.where, done, self._recipe.total_steps)
        return done


def _load(candidate: Candidate) -> dict[str, Parameter] | None:
    """The checkpoint's parameters, verified; None, with the reason in the log, when it cannot be used."""
    try:
        path = candidate.fetch()
        try:
            return load_parameters(path)
        finally:
            path.unlink(missing_ok=True)
    except (CheckpointError, OSError) as error:
        logger.warning("skipping checkpoint: %s", error)
        return None


def _steps_done(candidate: Candidate, recipe: Recipe, changed: bool) -> int:
    manifest = candidate.manifest
    if not changed:
        return manifest.global_step
    whole_epochs = manifest.epoch if manifest.step == manifest.steps_per_epoch else manifest.epoch - 1
    return whole_epochs * recipe.steps_per_epoch
