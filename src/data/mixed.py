"""The samples of one or several data sets, mixed by weight; the order is a pure function of (seed, epoch, rank)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.order import epoch_order, uses_in_epoch
from src.data.sample import Sample, SampleMaker, SampleSettings


class MixedSamples:
    """An epoch takes each picture of set i `weights[i]` times on average; one set of weight 1 is simply that set.

    A sample is named by its slot: the pictures of set i have the slots `starts[i]` + row + k · (pictures of the set),
    where k = 0, 1, … counts the uses of the same picture within an epoch. Each use is augmented differently.
    """

    def __init__(self, makers: Sequence[SampleMaker], weights: Sequence[float] = (1.0,)) -> None:
        self.makers = tuple(makers)
        self.uses = tuple(max(1, round(len(maker) * weight)) for maker, weight in zip(makers, weights))
        room = [len(maker) * (-(-uses // len(maker)) + 1) for maker, uses in zip(makers, self.uses)]
        self.starts = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)

    def __len__(self) -> int:
        """Samples per epoch."""
        return sum(self.uses)

    @property
    def pictures(self) -> int:
        """Pictures of all sets."""
        return sum(map(len, self.makers))

    @property
    def settings(self) -> SampleSettings:
        """The first set's; the others' differ in nothing that decides the shape or the order of samples."""
        return self.makers[0].settings

    def make(self, slot: int, epoch: int) -> Sample:
        """The sample of a slot in `epoch`."""
        number = int(np.searchsorted(self.starts, slot, side="right")) - 1
        return self.makers[number].make(slot - int(self.starts[number]), epoch)

    def order(self, epoch: int, rank: int = 0, rank_size: int = 1, shuffle: bool = True) -> NDArray[np.int64]:
        """The slots of one rank in one epoch."""
        seed = self.settings.seed
        used = [
            start + uses_in_epoch(len(maker), uses, (seed, number), epoch)
            for number, (maker, uses, start) in enumerate(zip(self.makers, self.uses, self.starts))
        ]
        slots = np.concatenate(used)
        if shuffle:
            return slots[epoch_order(len(slots), seed, epoch, rank, rank_size)]
        return np.resize(slots, -(-len(slots) // rank_size) * rank_size)[rank::rank_size]

    def names(self, slots: NDArray[np.int64]) -> list[list[str]]:
        """For each set the file names of its pictures among the slots, in order."""
        numbers = np.searchsorted(self.starts, slots, side="right") - 1
        rows = slots - self.starts[numbers]
        return [maker.index.names[rows[numbers == i] % len(maker)].tolist() for i, maker in enumerate(self.makers)]
