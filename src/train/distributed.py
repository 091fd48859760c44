"""Several cards as one: start MindSpore's communication, and let all ranks decide alike."""

from __future__ import annotations

import logging

import mindspore as ms
from mindspore import Tensor, communication, nn, ops

from src.errors import ConfigError, PeerError
from src.net.weights import first_line
from src.train.inputs import Card

logger = logging.getLogger(__name__)


class Together:
    """This process among the cards that train together; on a single card every question is its own answer."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._sum = _Sum() if card.rank_size > 1 else None

    def count(self, vote: bool) -> int:
        """How many ranks vote yes; all ranks must ask at the same point."""
        if self._sum is None:
            return int(vote)
        return round(float(self._sum(Tensor([float(vote)], ms.float32)).asnumpy()[0]))

    def any(self, vote: bool) -> bool:
        """Whether at least one rank votes yes."""
        return self.count(vote) > 0

    def all(self, vote: bool) -> bool:
        """Whether every rank votes yes."""
        return self.count(vote) == self.card.rank_size


def join_cards(card: Card, device: str) -> Together:
    """Start communication when there are several cards (HCCL on Ascend, MindSpore's own on CPU), data parallel.

    Raises PeerError when they do not come together in MindSpore's time, ConfigError when those that did are not those
    the environment announced.
    """
    if card.rank_size > 1:
        _meet(device)
        found = communication.get_rank(), communication.get_group_size()
        if found != (card.rank, card.rank_size):
            raise ConfigError(
                f"environment: says rank {card.rank} of {card.rank_size}, MindSpore joined as rank {found[0]} "
                f"of {found[1]}"
            )
        ms.set_auto_parallel_context(parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True)
        logger.info("joined %d cards as rank %d", card.rank_size, card.rank)
    return Together(card)


def serve_as_scheduler(device: str) -> None:
    """Be the process through which the ranks find each other; ends when they have left. It drives no card."""
    _meet(device)


def _meet(device: str) -> None:
    try:
        communication.init("mccl" if device == "CPU" else "hccl")
    except RuntimeError as error:
        raise PeerError(f"the cards have not come together: {first_line(error)}") from None


class _Sum(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.all_reduce = ops.AllReduce()

    def construct(self, x: Tensor) -> Tensor:
        return self.all_reduce(x)
