"""What the training line reads, once everything is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class TrainingInputs(NamedTuple):
    """Local paths: folder of pictures, annotation file, folder of ignore masks, starting checkpoints (None: not
    wanted), and where this node keeps its index of the annotations."""

    pictures: Path
    annotations: Path
    masks: Path | None
    pretrained: Path | None
    vgg: Path | None
    index_cache: Path | None = None


@dataclass(frozen=True)
class Card:
    """Which of the cards that train together this process drives."""

    rank: int = 0
    rank_size: int = 1
    device_id: int = 0
    local_rank: int = 0
