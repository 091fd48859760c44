"""Per-rank status files of a node, and failure detection.

Does not import MindSpore: the guard process uses it while a rank's own interpreter is blocked.
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
SILENT_S = 15.0  # a training process that has not written its status for this long counts as dead
OLD_S = 5.0  # a living process writes its status every second
#: Another possible cause of a blocked step when there are other nodes.
OTHER_NODES = " (or it waits for a rank on another node that died or hangs: see that node's logs)"


@dataclass(frozen=True)
class RankStatus:
    """A rank's last status: its phase, since when (`moved`), and when it was written (`at`), as of `time.time()`.

    `born` distinguishes its process from another one with the same number. `step_limit_s` is the longest that a step
    may take; 0: no limit.
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
    """The status file of a rank."""
    return folder / f"rank_{rank}.json"


def write(folder: Path, rank: int, status: RankStatus) -> None:
    """Write a rank's status atomically; raises OSError."""
    path = path_of(folder, rank)
    write_atomically(path, json.dumps(asdict(status)))


def read(folder: Path, rank: int) -> RankStatus | None:
    """A rank's last status, of this start of the job or an earlier one; None without a valid one."""
    try:
        return parse_dataclass(RankStatus, path_of(folder, rank).read_bytes())
    except (OSError, ValueError):
        return None


class Peers:
    """Watches the other ranks of this node (`ranks`, of `rank_size` in all) on behalf of one rank.

    A status written before `started` counts only if its process is or has been seen alive: it may stem from an earlier
    start of the job. A rank without a status is missing once this rank has waited `join_s` seconds for the others.
    """

    def __init__(
        self, folder: Path, rank: int, ranks: Sequence[int], rank_size: int, started: float, join_s: float
    ) -> None:
        self._folder = folder
        self._rank = rank
        self._ranks = ranks
        self._more_elsewhere = rank_size > len(ranks)
        self._started = started
        self._join_s = join_s
        self._seen: set[int] = set()

    def problem(self) -> str:
        """The problem of another rank, or of this one if it hangs; empty if there is none."""
        now = time.time()
        statuses = {rank: status for rank in self._ranks if (status := self._current(rank)) is not None}
        for rank, status in statuses.items():
            problem = self._problem_of(status, now) if rank != self._rank else ""
            if problem:
                return f"rank {rank} {problem}"
        return self._hanging(statuses, now) or self._missing(statuses, now)

    def is_ending(self) -> bool:
        """Whether this rank is already ending by itself."""
        own = read(self._folder, self._rank)
        return own is not None and own.state != RUNNING

    def _current(self, rank: int) -> RankStatus | None:
        status = read(self._folder, rank)
        if status is None:
            return None
        if status.at >= self._started or is_running(status.pid, status.born):
            self._seen.add(rank)
        return status if rank in self._seen else None

    @staticmethod
    def _problem_of(status: RankStatus, now: float) -> str:
        if status.state == FAILED:
            return f"failed: {status.reason}"
        if status.state != RUNNING:
            return ""
        if not is_running(status.pid, status.born):
            return f"died during: {status.doing}"
        if status.step_limit_s and now - status.at > SILENT_S:
            return f"has not updated its status for {SILENT_S:.0f} s, during: {status.doing}"
        return ""

    def _missing(self, statuses: dict[int, RankStatus], now: float) -> str:
        own = statuses.get(self._rank)
        missing = [rank for rank in self._ranks if rank not in statuses]
        if own is None or own.phase != JOINING or not missing or now - own.moved < self._join_s:
            return ""
        return f"rank {missing[0]} has not joined within {self._join_s:.0f} s: it exited at startup or never started"

    def _hanging(self, statuses: dict[int, RankStatus], now: float) -> str:
        """The rank that holds up the others, once one of them is past its limit.

        A rank whose status is old comes first, as its process is stopped or blocked; then one that waits for data; then
        the one without progress for longest.
        """
        slow = {rank: w for rank, w in statuses.items() if w.state == RUNNING and w.step_limit_s}
        if not any(now - w.moved > w.step_limit_s for w in slow.values()):
            return ""
        culprit = min(
            slow, key=lambda rank: (now - slow[rank].at <= OLD_S, slow[rank].phase != WAITING, slow[rank].moved)
        )
        status = statuses[culprit]
        hint = OTHER_NODES if self._more_elsewhere and status.phase != WAITING else ""
        return f"rank {culprit} hangs: no progress for {status.step_limit_s:.0f} s after {status.doing}{hint}"
