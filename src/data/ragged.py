"""Rows of different lengths in one array, which keeps an index of 120,000 pictures small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True)
class Ragged(Generic[Element]):
    """Row i is `values[start[i] : start[i + 1]]`; `start` (rows + 1,) int64."""

    values: NDArray[Element]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, row: int) -> NDArray[Element]:
        return self.values[self.start[row] : self.start[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,) length of each row."""
        return np.diff(self.start)

    def take(self, rows: NDArray[np.int64]) -> Ragged[Element]:
        """The chosen rows in the given order."""
        lengths = self.lengths[rows]
        start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.start[:-1][rows] - start[:-1], lengths) + np.arange(start[-1])
        return Ragged(self.values[source], start)


def group_rows(
    values: NDArray[Element], lengths: NDArray[np.int64], owner: NDArray[np.int64], owners: int
) -> Ragged[Element]:
    """Gather pieces by owner, in order: piece k is the next `lengths[k]` values and belongs to `owner[k]`."""
    order = np.argsort(owner, kind="stable")
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    pieces = Ragged(values, start).take(order)
    per_owner = np.bincount(owner, weights=lengths, minlength=owners).astype(np.int64)
    return Ragged(pieces.values, np.concatenate([[0], np.cumsum(per_owner)]).astype(np.int64))
