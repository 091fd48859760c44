"""Resolves the checkpoint file name `best`, through best.json beside the checkpoints."""

from __future__ import annotations

import obs_sync
from modelarts.runtime.storage import read_bytes
from obs_sync import under
from src.errors import CheckpointError
from src.train.validation.best import BEST, BEST_FILE, best_name


def checkpoint_in(folder: str, filename: str) -> str:
    """The file name of a checkpoint in a folder or below a URL; CheckpointError when `best` cannot be resolved."""
    if filename != BEST:
        return filename
    best_file = under(folder, BEST_FILE)
    if not obs_sync.exists(best_file):
        raise CheckpointError(
            f"{best_file}: no such file, so the best checkpoint is unknown; training writes it after its first "
            "validation. Name a checkpoint file instead of best"
        )
    return best_name(read_bytes(best_file), best_file)
