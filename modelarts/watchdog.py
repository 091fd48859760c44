"""Seeing from each rank whether the others of its node are alive, and ending this process when one is not.

A rank that waits in MindSpore's communication for a dead one cannot be interrupted, so a thread watches. Every rank
writes a small file each second; what it says of another start of the job is told apart by its time.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from src.errors import PeerError, StoppedError
from src.train.inputs import Card

logger = logging.getLogger(__name__)

BEAT_S = 1.0
SILENT_S = 15.0  # a process that lives but cannot write its beat for so long is as good as dead
SLOW_STEPS = 10  # a step may take this many times as long as the slowest so far
LAST_UPLOADS_S = 5.0

RUNNING, FAILED, STOPPED, FINISHED = "running", "failed", "stopped", "finished"


class Watch:
    """As a context around a rank's work: tells the node's other ranks how it goes, and ends the process when one fails.

    `alive(phase, global_step)` is called by the work at every step. A rank that has made its first step and then none
    for `hang_timeout_s` (or ten times its slowest step) hangs. On a single card it does nothing.
    """

    def __init__(
        self, folder: Path, card: Card, hang_timeout_s: float, drain: Callable[[float], Sequence[str]]
    ) -> None:
        self._folder = folder
        self._card = card
        self._hang_timeout_s = hang_timeout_s
        self._drain = drain
        self._started = time.time()
        self._said: dict[str, Any] = {"state": RUNNING, "phase": "starting", "global_step": 0}
        self._moved = time.time()
        self._slowest_s = 0.0
        self._steps_made = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watch:
        if self._card.rank_size > 1:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._beat()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._card.rank_size > 1:
            if error is None:
                self._said["state"] = FINISHED
            self._beat()

    def alive(self, phase: str, global_step: int) -> None:
        """This rank is doing `phase` and has finished `global_step` steps."""
        now = time.time()
        if phase == self._said["phase"] and global_step != self._said["global_step"]:
            self._slowest_s = max(self._slowest_s, now - self._moved)
            self._steps_made += 1
        self._said = {**self._said, "phase": phase, "global_step": global_step}
        self._moved = now

    def failed(self, error: BaseException) -> None:
        """This rank ends with an error, and the others will name it; or it was told to stop, as all ranks agreed."""
        state = STOPPED if isinstance(error, StoppedError) else FAILED
        self._said = {**self._said, "state": state, "reason": str(error) or type(error).__name__}
        if self._card.rank_size > 1:
            self._beat()

    def _watch(self) -> None:
        while not self._over.wait(BEAT_S):
            self._beat()
            trouble = self._trouble()
            if trouble and not self._over.is_set() and self._said["state"] == RUNNING:
                self._end(trouble)

    def _trouble(self) -> str:
        """What is wrong with another rank, or with this one if it hangs; empty when all is well."""
        slowest: tuple[float, int, str] | None = None
        for rank in range(self._card.rank_size):
            said = self._read(rank)
            if said is None or said["state"] in (FINISHED, STOPPED):
                continue
            if rank != self._card.rank:
                if said["state"] == FAILED:
                    return f"rank {rank} failed: {said['reason']}"
                if not _is_running(said["pid"]):
                    return f"rank {rank} died during: {said['phase']}, step {said['global_step']}"
                if time.time() - said["beat"] > SILENT_S:
                    return f"rank {rank} has not shown life for {SILENT_S:.0f} s, during: {said['phase']}"
            if said["may_hang"] and (slowest is None or said["moved"] < slowest[0]):
                slowest = (said["moved"], rank, f"{said['phase']}, step {said['global_step']}")
        if slowest is not None:
            patience_s = max(self._hang_timeout_s, SLOW_STEPS * self._slowest_s)
            if time.time() - slowest[0] > patience_s:
                return f"rank {slowest[1]} hangs: nothing for {patience_s:.0f} s after {slowest[2]}"
        return ""

    def _end(self, trouble: str) -> None:
        self.failed(PeerError(trouble))
        logger.error("%s", trouble)
        for line in self._drain(LAST_UPLOADS_S):
            logger.error("not published: %s", line)
        logger.error("this process ends because %s", trouble)
        logging.shutdown()
        os._exit(PeerError.exit_code)

    def _beat(self) -> None:
        said = {
            **self._said,
            "pid": os.getpid(),
            "beat": time.time(),
            "moved": self._moved,
            "may_hang": self._steps_made > 0 and self._said["phase"] == "training",
        }
        path = self._path(self._card.rank)
        aside = path.with_suffix(".part")
        try:
            aside.write_text(json.dumps(said), encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            logger.warning("%s: cannot be written: %s", path, error)

    def _read(self, rank: int) -> dict[str, Any] | None:
        """What a rank said last in this start of the job; None when it has said nothing, or runs on another node."""
        try:
            said = json.loads(self._path(rank).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return said if said["beat"] >= self._started else None

    def _path(self, rank: int) -> Path:
        return self._folder / f"rank_{rank}.json"


def _is_running(pid: int) -> bool:
    """Whether a process of this machine lives; a zombie does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] != "Z"
