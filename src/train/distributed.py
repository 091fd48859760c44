"""Communication between the cards of a run: joining, and collective decisions."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

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
    """This rank's view of the group; all ranks must make the same calls in the same order."""

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
        if device == "CPU":
            os.environ.update(worker_variables(card, os.environ))
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


def worker_variables(card: Card, environment: Mapping[str, str]) -> dict[str, str]:
    """What a rank that was started by a rank table must add to its environment to be one of msrun's workers.

    On a processor MindSpore's ranks meet through a scheduler process only, and never read a rank table. Raises
    ConfigError when the environment does not say where the scheduler is.
    """
    if environment.get("MS_ROLE"):
        return {}
    if not (environment.get("MS_SCHED_HOST") and environment.get("MS_SCHED_PORT")):
        raise ConfigError(
            f"environment: {card.rank_size} processes on CPU without a scheduler (MS_SCHED_HOST, MS_SCHED_PORT): start "
            "them with msrun or python -m modelarts dry-run"
        )
    return {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": str(card.rank_size), "MS_NODE_ID": str(card.rank)}


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
