"""How several processes divide the pictures, and how the first of them waits for the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from src.errors import IncompleteError
from src.infer.output.journal import Lines, journal_name

logger = logging.getLogger(__name__)

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Shard:
    """This process is number `rank` of `rank_size`.

    `stall_timeout_s`: how long the first process waits without any news from the others before it gives up.
    """

    rank: int = 0
    rank_size: int = 1
    stall_timeout_s: float = 600.0

    @property
    def journal(self) -> str:
        return journal_name(self.rank, self.rank_size)

    def of(self, names: Sequence[str]) -> list[str]:
        """Every rank_size-th name: equal parts without a word between the processes."""
        return list(names[self.rank :: self.rank_size])


def gather(names: Sequence[str], collect: Callable[[], Lines], shard: Shard, look_every_s: float) -> Lines:
    """Lines of all `names`, as soon as the other processes have delivered theirs.

    Raises IncompleteError when nothing new has come for `stall_timeout_s`; what is finished stays for the next start.
    """
    before, news = -1, time.monotonic()
    while True:
        lines = collect()
        missing = [name for name in names if name not in lines]
        if not missing:
            return lines
        if len(lines) != before:
            before, news = len(lines), time.monotonic()
            logger.info("waiting for other cards: %d of %d pictures are done", len(names) - len(missing), len(names))
        if time.monotonic() - news > shard.stall_timeout_s:
            raise IncompleteError(_lost(missing, len(names), shard.stall_timeout_s))
        time.sleep(look_every_s)


def _lost(missing: Sequence[str], count: int, stall_timeout_s: float) -> str:
    shown = ", ".join(missing[:NAMES_SHOWN]) + (", …" if len(missing) > NAMES_SHOWN else "")
    return (
        f"{len(missing)} of {count} pictures have no result ({shown}) and nothing came from other cards for "
        f"{stall_timeout_s:.0f} s; see their logs, then start the same job again, finished pictures are kept "
        "(all cards must see the same output folder)"
    )
