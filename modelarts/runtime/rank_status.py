"""What the ranks of a node say of themselves in small files, and what follows about one that is in trouble.

Needs the standard library only: the guard reads it while a rank's own Python stands still.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from src.files import write_atomically
from src.json_text import parse_dataclass
from src.processes import is_running
from src.train.inputs import JOINING, STEPPING, WAITING

RUNNING, FAILED, STOPPED, FINISHED = "running", "failed", "stopped", "finished"
SILENT_S = 15.0  # a process that trains but cannot say so for so long is as good as dead
#: What may hold up a rank that is in a step, where there are other nodes.
ELSEWHERE = " (or it waits for a rank of another node that died or hangs: the logs of that node say so)"


@dataclass(frozen=True)
class RankStatus:
    """A rank's last words: what it does, since when (`moved`), and when it said so (`at`), as `time.time()` gives it.

    `born` tells its process from another one of the same number. `step_limit_s` is how long it may stay in a step;
    0 while it may take any time.
    """

    pid: int
    born: float
    state: str = RUNNING
    phase: str = "starting"
    global_step: int = 0
    moved: float = 0.0
    at: float = 0.0
    step_limit_s: float = 0.0
    reason: str = ""

    @property
    def doing(self) -> str:
        return f"{self.phase}, step {self.global_step}" if self.phase in STEPPING else self.phase


def path_of(folder: Path, rank: int) -> Path:
    """The file of a rank's words."""
    return folder / f"rank_{rank}.json"


def write(folder: Path, rank: int, said: RankStatus) -> None:
    """Say it; raises OSError. The file is whole at any time."""
    path = path_of(folder, rank)
    write_atomically(path, json.dumps(asdict(said)))


def read(folder: Path, rank: int) -> RankStatus | None:
    """What a rank said last, in this start of the job or an earlier one; None when it never said anything."""
    try:
        return parse_dataclass(RankStatus, path_of(folder, rank).read_bytes())
    except (OSError, ValueError):
        return None


class Peers:
    """Judges the ranks of this node, `ranks` of `rank_size` in all, from one rank's point of view.

    Words from before `started` count only when their process lives, or was seen alive: others may be of an earlier
    start of the job. A rank that has not been heard of is missed once this one has waited for the others `meet_s` long.
    """

    def __init__(
        self, folder: Path, rank: int, ranks: Sequence[int], rank_size: int, started: float, meet_s: float
    ) -> None:
        self._folder = folder
        self._rank = rank
        self._ranks = ranks
        self._more_elsewhere = rank_size > len(ranks)
        self._started = started
        self._meet_s = meet_s
        self._seen: set[int] = set()

    def trouble(self) -> str:
        """What is wrong with another rank, or with this one if it hangs; empty when all is well."""
        now = time.time()
        said = {rank: words for rank in self._ranks if (words := self._current(rank)) is not None}
        for rank, words in said.items():
            problem = self._problem(words, now) if rank != self._rank else ""
            if problem:
                return f"rank {rank} {problem}"
        return self._hanging(said, now) or self._missed(said, now)

    def is_ending(self) -> bool:
        """Whether the rank itself has said that it ends."""
        own = read(self._folder, self._rank)
        return own is not None and own.state != RUNNING

    def _current(self, rank: int) -> RankStatus | None:
        words = read(self._folder, rank)
        if words is None:
            return None
        if words.at >= self._started or is_running(words.pid, words.born):
            self._seen.add(rank)
        return words if rank in self._seen else None

    @staticmethod
    def _problem(words: RankStatus, now: float) -> str:
        if words.state == FAILED:
            return f"failed: {words.reason}"
        if words.state != RUNNING:
            return ""
        if not is_running(words.pid, words.born):
            return f"died during: {words.doing}"
        if words.step_limit_s and now - words.at > SILENT_S:
            return f"has not shown life for {SILENT_S:.0f} s, during: {words.doing}"
        return ""

    def _missed(self, said: dict[int, RankStatus], now: float) -> str:
        own = said.get(self._rank)
        missed = [rank for rank in self._ranks if rank not in said]
        if own is None or own.phase != JOINING or not missed or now - own.moved < self._meet_s:
            return ""
        return f"rank {missed[0]} has not come within {self._meet_s:.0f} s: it ended at its start, or was never started"

    def _hanging(self, said: dict[int, RankStatus], now: float) -> str:
        """The rank that moved longest ago, once its timeout is over; first among them one that waits for data."""
        slow = [
            (w.phase != WAITING, w.moved, rank) for rank, w in said.items() if w.state == RUNNING and w.step_limit_s
        ]
        overdue = [rank for _, moved, rank in slow if now - moved > said[rank].step_limit_s]
        if not overdue:
            return ""
        culprit = min(slow)[2]
        words = said[culprit]
        hint = ELSEWHERE if self._more_elsewhere and words.phase != WAITING else ""
        return f"rank {culprit} hangs: nothing for {words.step_limit_s:.0f} s after {words.doing}{hint}"
