"""The order of the pictures: a pure function of (seed, epoch, rank, number of ranks)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def epoch_order(pictures: int, seed: int, epoch: int, rank: int = 0, rank_size: int = 1) -> NDArray[np.int64]:
    """The pictures of one rank in one epoch: a shuffle dealt out in turn, padded from its start to equal shares."""
    order = np.random.default_rng([seed, epoch]).permutation(pictures)
    padded = np.resize(order, -(-pictures // rank_size) * rank_size)
    return padded[rank::rank_size]


def batches_per_epoch(pictures: int, batch_size: int, rank_size: int = 1) -> int:
    """The number of full batches of each rank in an epoch; left-over pictures wait for the next epoch's shuffle."""
    return -(-pictures // rank_size) // batch_size


def uses_in_epoch(pictures: int, uses: int, seed: Sequence[int], epoch: int) -> NDArray[np.int64]:
    """Which of a set's pictures an epoch takes, `uses` in all: row + k · `pictures` for the k-th repetition, sorted.

    Epochs continue where the last one ended in an endless row of shuffles of the set, so that all pictures get equally
    many turns. `seed`: numbers of the run and the set.
    """
    first, last = epoch * uses, (epoch + 1) * uses
    taken = []
    for shuffle in range(first // pictures, -(-last // pictures)):
        start, end = shuffle * pictures, (shuffle + 1) * pictures
        rows = np.arange(pictures, dtype=np.int64)
        if first > start or last < end:
            mixed = np.random.default_rng([*seed, shuffle]).permutation(pictures)
            rows = mixed[max(first - start, 0) : last - start].astype(np.int64)
        taken.append(rows + (shuffle - first // pictures) * pictures)
    return np.sort(np.concatenate(taken))


def evenly_spread(pictures: int, chosen: int) -> NDArray[np.int64]:
    """The rows of at most `chosen` pictures, evenly spread; the same in every start and on every card."""
    return np.unique(np.linspace(0, pictures - 1, min(pictures, chosen)).round().astype(np.int64))
