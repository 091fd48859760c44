"""Several cards as one: start MindSpore's communication, and let all ranks decide alike."""

from __future__ import annotations

import logging

import mindspore as ms
from mindspore import Tensor, communication, nn, ops

from src.errors import ConfigError
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

    Raises ConfigError when the ranks that came together are not those the environment announced.
    """
    if card.rank_size > 1:
        communication.init("mccl" if device == "CPU" else "hccl")
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
    communication.init("mccl" if device == "CPU" else "hccl")


class _Sum(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.all_reduce = ops.AllReduce()

    def construct(self, x: Tensor) -> Tensor:
        return self.all_reduce(x)
