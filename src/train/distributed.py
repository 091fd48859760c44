"""Communication between the cards of a run: joining, and decisions that all ranks take alike."""

from __future__ import annotations

import logging

import mindspore as ms
import numpy as np
from mindspore import Tensor, communication, nn, ops
from numpy.typing import NDArray

from src.errors import ConfigError, PeerError
from src.net.versions import start_data_parallel
from src.net.weights import first_line
from src.train.inputs import Card

logger = logging.getLogger(__name__)


class Communicator:
    """This rank among the cards that train together; all ranks must make the same calls at the same points."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._sum = _Sum() if card.rank_size > 1 else None

    def count(self, vote: bool) -> int:
        """How many ranks vote yes."""
        return round(float(self.sum(np.array([vote], np.float32))[0]))

    def sum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sum over all ranks of arrays of one shape."""
        if self._sum is None:
            return values
        return np.asarray(self._sum(Tensor(values, ms.float32)).asnumpy())

    def any(self, vote: bool) -> bool:
        """Whether at least one rank votes yes."""
        return self.count(vote) > 0

    def all(self, vote: bool) -> bool:
        """Whether every rank votes yes."""
        return self.count(vote) == self.card.rank_size


def join_cards(card: Card, device: str) -> Communicator:
    """Start data-parallel communication between several cards: HCCL on Ascend, MindSpore's own on CPU.

    Raises PeerError when the ranks fail to rendezvous within MindSpore's timeout, ConfigError when MindSpore's ranks
    are not those that the environment announced.
    """
    if card.rank_size > 1:
        _meet(device)
        found = communication.get_rank(), communication.get_group_size()
        if found != (card.rank, card.rank_size):
            raise ConfigError(
                f"environment: says rank {card.rank} of {card.rank_size}, MindSpore joined as rank {found[0]} "
                f"of {found[1]}"
            )
        start_data_parallel()
        logger.info("joined %d cards as rank %d", card.rank_size, card.rank)
    return Communicator(card)


def serve_as_scheduler(device: str) -> None:
    """Run as the scheduler process through which the ranks rendezvous; returns when they have left."""
    _meet(device)


def _meet(device: str) -> None:
    try:
        communication.init("mccl" if device == "CPU" else "hccl")
    except RuntimeError as error:
        raise PeerError(f"the ranks failed to rendezvous: {first_line(error)}") from None


class _Sum(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.all_reduce = ops.AllReduce()

    def construct(self, x: Tensor) -> Tensor:
        return self.all_reduce(x)
