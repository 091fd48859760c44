"""Each rank watches the other ranks of its node, and ends when one of them has failed.

A rank that waits for a dead one in MindSpore's communication cannot be interrupted, so a thread watches; and because
MindSpore sometimes blocks all of Python's threads, a guard process watches the rank as well.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from modelarts.runtime.supervision import rank_status as peers
from modelarts.runtime.supervision.guard import start_guard
from modelarts.runtime.supervision.rank_status import FAILED, FINISHED, RUNNING, STOPPED, Peers, RankStatus
from src.errors import PeerError, StoppedError
from src.processes import started_at
from src.train.inputs import STEPPING

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
SLOW_STEPS = 10  # a step may take this many times as long as the slowest one so far
LAST_UPLOADS_S = 5.0

Drain = Callable[[float], Sequence[str]]


class Watchdog:
    """As a context around a rank's work: reports its status to the node's other ranks, and ends when one of them fails.

    `ranks` are those of this node, of `rank_size` in all. The work calls `alive(phase, global_step)` at every step. A
    rank hangs when it finishes no step for `hang_timeout_s` (or ten times its slowest step) after its first one; it is
    missing when it has not joined after this rank has waited that long for the others. A rank that died on another
    node appears as a hang here. With a single card this does nothing.
    """

    def __init__(self, folder: Path, rank: int, ranks: Sequence[int], rank_size: int, hang_timeout_s: float) -> None:
        self._folder = folder
        self._rank = rank
        self._ranks = ranks
        self._rank_size = rank_size
        self._hang_timeout_s = self._join_s = hang_timeout_s
        self._drain: Drain = lambda _seconds: ()
        self._started = time.time()
        self._status = RankStatus(os.getpid(), started_at(os.getpid()), moved=self._started)
        self._peers = Peers(folder, rank, ranks, rank_size, self._started, self._join_s)
        self._slowest_s = 0.0
        self._stepped = self._started
        self._steps_made = 0
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Watchdog:
        if self._rank_size > 1:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write_status()
            facts = (self._folder, self._rank, self._ranks, self._rank_size, self._started, self._join_s)
            self._guard = start_guard(*facts)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if error is not None:
            self.failed(error)
        else:
            self._status = replace(self._status, state=FINISHED)
            self._write_status()
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()

    def drain_with(self, drain: Drain, more_time_s: float = 0.0) -> None:
        """Set the function that drains uploads before this process is ended; steps may take `more_time_s` longer."""
        self._drain = drain
        self._hang_timeout_s += more_time_s

    def alive(self, phase: str, global_step: int) -> None:
        """Report that this rank is in `phase` and has finished `global_step` steps."""
        now, before = time.time(), self._status
        if global_step != before.global_step:
            if before.phase in STEPPING:  # not the first step, which compiles
                self._slowest_s = max(self._slowest_s, now - self._stepped)
                self._steps_made += 1
            self._stepped = now
        may_hang = self._steps_made > 0 and phase in STEPPING
        step_limit_s = max(self._hang_timeout_s, SLOW_STEPS * self._slowest_s) if may_hang else 0.0
        self._status = replace(before, phase=phase, global_step=global_step, moved=now, step_limit_s=step_limit_s)
        if not may_hang:  # what follows may block the reporting thread
            self._write_status()

    def failed(self, error: BaseException) -> None:
        """Report that this rank ends: with an error, which the other ranks will log, or because all agreed to stop."""
        state = STOPPED if isinstance(error, StoppedError) else FAILED
        reason = next((line for line in str(error).splitlines() if line), type(error).__name__)
        self._status = replace(self._status, state=state, reason=reason)
        self._write_status()

    def _watch(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            self._write_status()
            problem = self._peers.problem()
            if problem and not self._over.is_set() and self._status.state == RUNNING:
                self._end(problem)

    def _end(self, problem: str) -> None:
        self.failed(PeerError(problem))
        logger.error("%s", problem)
        for line in self._drain(LAST_UPLOADS_S):
            logger.error("not published: %s", line)
        logger.error("ending this process because %s", problem)
        logging.shutdown()
        os._exit(PeerError.exit_code)

    def _write_status(self) -> None:
        if self._rank_size < 2:
            return
        try:
            with self._writing:
                peers.write(self._folder, self._rank, replace(self._status, at=time.time()))
        except OSError as error:
            logger.warning("%s: cannot be written: %s", peers.path_of(self._folder, self._rank), error)
