"""What training needs of the storage around it; `modelarts.runtime` implements it, and so may tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from src.train.checkpoints.manifest import Manifest


@dataclass(frozen=True)
class Candidate:
    """A complete checkpoint that training can resume from.

    `where` names it in log lines, `url` is the `train_url` it belongs to. `fetch` brings this rank's file to this
    machine and verifies it; CheckpointError says why it cannot be used. Call `chosen` once it has been restored: with
    True when training goes on exactly from there, with False when settings, cards or data differ.
    """

    manifest: Manifest
    where: str
    url: str
    fetch: Callable[[], Path]
    chosen: Callable[[bool], None] = lambda _exactly: None


class CheckpointStorage(Protocol):
    """Source and destination of checkpoints. A failed upload never stops training."""

    def candidates(self) -> Sequence[Candidate]:
        """Complete checkpoints to resume from, in order of preference."""

    def save(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        """Have `write` write a checkpoint file into a local folder, and publish it; both in the background."""

    def publish_made(self, make: Callable[[], Path | None]) -> None:
        """Create and publish a small file (a plot, a report) beside the checkpoints in the background.

        Failures are only logged.
        """

    def publish_record(self, record: Path) -> None:
        """Publish the loss record; only changed parts are read and uploaded."""

    def publish_page(self, make: Callable[[], Path | None]) -> None:
        """Publish the training page in the parent folder of the ranks' folders."""

    def drain(self, deadline_s: float) -> Sequence[str]:
        """Wait for pending uploads; returns one line for each file that was not published."""
