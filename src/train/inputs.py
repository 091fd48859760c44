"""Inputs of training (local paths, the card it drives) and the phases it reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

#: Phases that other processes of the job act on; any other text is for the log only.
JOINING = "joining the cards"
TRAINING = "training"
WAITING = "waiting for data"
VALIDATING = "validating"

#: The phases of a step, once the first one is done.
STEPPING = (TRAINING, WAITING)


class StreamedPictures(Protocol):
    """Pictures that are still being copied to this machine."""

    def expect(self, names: Sequence[str]) -> None:
        """Announce the pictures that will be needed, in order."""

    def wait_for(self, name: str) -> None:
        """Block until the picture has arrived or is known to be missing."""

    def close(self) -> None:
        """Stop waiting for pictures."""


class TrainingSet(NamedTuple):
    """One data set, as local paths: folder of pictures, annotation file, folder of ignore masks, and where this node
    keeps its index of the annotations. `missing`: annotated pictures that are not in the source folder.
    `streamed` waits for pictures that are still being copied (None: all are local)."""

    pictures: Path
    annotations: Path
    masks: Path | None = None
    index_cache: Path | None = None
    missing: tuple[str, ...] = ()
    streamed: StreamedPictures | None = None


class TrainingInputs(NamedTuple):
    """Local paths: the data sets to train on, starting checkpoints (None: not wanted), and the pictures and annotations
    of the validation set, where there is one."""

    sets: tuple[TrainingSet, ...]
    pretrained: Path | None = None
    vgg: Path | None = None
    val_pictures: Path | None = None
    val_annotations: Path | None = None

    @property
    def streamed(self) -> tuple[StreamedPictures, ...]:
        """The streamed pictures of all sets."""
        return tuple(one.streamed for one in self.sets if one.streamed is not None)


@dataclass(frozen=True)
class Card:
    """Which of the cards that train together this process drives."""

    rank: int = 0
    rank_size: int = 1
    device_id: int = 0
    local_rank: int = 0
