"""`best` as a checkpoint's file name: the one that best.json beside the checkpoints names."""

from __future__ import annotations

from pathlib import Path

import obs_sync
from src.errors import CheckpointError
from src.train.validation.best import BEST, BEST_FILE, best_name


def checkpoint_in(folder: str, filename: str) -> str:
    """The file name of a checkpoint in a folder or below a URL; CheckpointError when `best` cannot be resolved."""
    if filename != BEST:
        return filename
    is_url = obs_sync.is_url(folder)
    place = obs_sync.join(folder, BEST_FILE) if is_url else str(Path(folder) / BEST_FILE)
    if not obs_sync.exists(place):
        raise CheckpointError(
            f"{place}: no such file, so the best checkpoint is not known; training writes it after its first "
            "validation. Name a checkpoint file instead of best"
        )
    return best_name(obs_sync.filesystem().cat_file(place) if is_url else Path(place).read_bytes(), place)
