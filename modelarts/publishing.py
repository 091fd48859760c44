"""Putting checkpoints where `train_url` says, whole, and keeping only the newest of this run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import obs_sync
from modelarts.staging import ensure_local_bucket
from src.errors import OutputError

logger = logging.getLogger(__name__)

AT_LEAST_KEPT = 2


class Publisher:
    """Copies finished checkpoint files to `<train_url>/ckpt_<rank>/` and retires old ones.

    `keep` newest of this run stay (0 keeps all, never fewer than two); files of other runs are not touched.
    """

    def __init__(self, train_url: str, rank: int, keep: int) -> None:
        self._folder = _below(train_url, f"ckpt_{rank}")
        self._keep = max(keep, AT_LEAST_KEPT) if keep else 0
        self._published: list[str] = []

    def publish_settings(self, settings: Mapping[str, Any], local_folder: Path) -> None:
        """Put settings.json beside the checkpoints to come: a place that cannot be written is found out before training."""
        ensure_local_bucket(self._folder)
        local = local_folder / "settings.json"
        try:
            local_folder.mkdir(parents=True, exist_ok=True)
            local.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{local_folder}: checkpoints cannot be written there: {error.strerror}") from None
        obs_sync.copy(str(local), _below(self._folder, local.name))

    def publish(self, checkpoint: Path) -> None:
        """Copy one checkpoint; it appears under its final name only when all of it is there. The local file goes away then."""
        target = _below(self._folder, checkpoint.name)
        obs_sync.copy(str(checkpoint), target)
        checkpoint.unlink()
        self._published.append(target)
        self._retire()

    def _retire(self) -> None:
        while self._keep and len(self._published) > self._keep:
            oldest = self._published.pop(0)
            _remove(oldest)
            logger.info("removed %s: the newest %d are kept", oldest, self._keep)


def _below(folder: str, name: str) -> str:
    return obs_sync.join(folder, name) if obs_sync.is_url(folder) else str(Path(folder) / name)


def _remove(path: str) -> None:
    if obs_sync.is_url(path):
        obs_sync.filesystem().rm_file(path)
    else:
        Path(path).unlink(missing_ok=True)
