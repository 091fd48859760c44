"""What training needs of the storage around it; `modelarts.runtime` implements it, and so may tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from src.train.checkpoints.manifest import Manifest


@dataclass(frozen=True)
class Candidate:
    """A complete checkpoint that training could go on from.

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
    """Where checkpoints come from and go to. None of its methods stops training for a failed upload."""

    def candidates(self) -> Sequence[Candidate]:
        """Complete checkpoints to go on from, those to be preferred first."""

    def save(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        """Have `write` write a checkpoint file into a local folder, and publish it; both in the background."""

    def publish_made(self, make: Callable[[], Path | None]) -> None:
        """Have a small file (a plot, a report) made and put beside the checkpoints, both in the background.

        Failures are only logged.
        """

    def publish_record(self, record: Path) -> None:
        """The same for the loss record, of which only what has changed is read and sent."""

    def publish_page(self, make: Callable[[], Path | None]) -> None:
        """The same for the page of the run, which is put above the folders of the ranks."""

    def drain(self, deadline_s: float) -> Sequence[str]:
        """Wait for pending uploads; returns one line for each file that was not published."""
