"""Going on from a published checkpoint: the newest that all ranks can verify, or an older one with the reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mindspore as ms

from src.errors import CheckpointError, ConfigError
from src.train.checkpoints.checkpoint import restore
from src.train.checkpoints.identity import differences
from src.train.checkpoints.storage import Candidate
from src.train.distributed import Communicator
from src.train.recipe import Recipe
from src.train.step import TrainStep

logger = logging.getLogger(__name__)


def resume_training(
    candidates: Sequence[Candidate],
    step: TrainStep,
    communicator: Communicator,
    recipe: Recipe,
    identity: Mapping[str, Any],
    accept_changes: bool,
) -> int:
    """Restore the newest usable checkpoint into `step`; returns the number of steps already done, 0 for a fresh start.

    A candidate that one rank cannot verify is passed over by all, with the reason. Raises ConfigError when the newest
    complete checkpoint belongs to a run that differs, unless `accept_changes`: weights and optimizer are then kept,
    and the epoch it was taken in starts over.
    """
    for candidate in candidates:
        changed = differences(candidate.manifest.identity, identity)
        if changed and not accept_changes:
            raise ConfigError(
                f"{candidate.where}: is of a run that differs: {'; '.join(changed)}; to go on all the same pass "
                "--resume_changed=True, to start afresh name another train_url"
            )
        path = _fetch(candidate)
        if not communicator.all(path is not None):
            if path is not None:
                logger.warning("%s: passed over, another rank cannot use its copy", candidate.where)
            continue
        assert path is not None
        restore(step, path, partly=bool(changed))
        path.unlink()
        done = _steps_done(candidate, recipe, bool(changed))
        if changed:
            step.optimizer.global_step.set_data(ms.Tensor([done], ms.int32))
            logger.warning("going on although the run differs: %s", "; ".join(changed))
        logger.info("resumed from %s: %d of %d steps are done", candidate.where, done, recipe.total_steps)
        return done
    return 0


def _fetch(candidate: Candidate) -> Path | None:
    try:
        return candidate.fetch()
    except CheckpointError as error:
        logger.warning("%s; trying an older checkpoint", error)
        return None


def _steps_done(candidate: Candidate, recipe: Recipe, changed: bool) -> int:
    manifest = candidate.manifest
    if not changed:
        return manifest.global_step
    whole_epochs = manifest.epoch if manifest.step == manifest.steps_per_epoch else manifest.epoch - 1
    return whole_epochs * recipe.steps_per_epoch
