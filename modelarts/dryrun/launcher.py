"""Start and supervise the ranks of a job and the MindSpore scheduler; when one fails, all are ended.

Does on a CPU what msrun does, with the same environment, but returns the first non-zero exit code within seconds
instead of after a 40 s heartbeat, uses a free port, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

logger = logging.getLogger(__name__)

TIMED_OUT, STOPPED = 124, 128 + signal.SIGTERM
#: The platform's time between SIGTERM and SIGKILL.
PLATFORM_GRACE_S = 15.0
_POLL_S = 0.1
_PIPE_CLOSE_S = 5.0

OnLine = Callable[[str, bytes], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Start:
    """How one process is started; its output goes to the file `log`.

    `awaited` is False for a helper that need not end by itself but must not fail.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    folder: Path | None = None
    awaited: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code (128 + signal for a killed one), and the process that decided it.

    `killed` names the processes that did not exit in time after SIGTERM.
    """

    exit_code: int
    culprit: str = ""
    killed: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether it ended on request."""
        return self.exit_code == STOPPED and not self.culprit


def rendezvous_variables(ranks: int) -> dict[str, str]:
    """The variables for the rendezvous of a new cluster on this machine: address, port and timeouts."""
    return {
        "MS_WORKER_NUM": str(ranks),
        "MS_SCHED_HOST": "127.0.0.1",
        "MS_SCHED_PORT": str(_free_port()),
        "MS_TOPO_TIMEOUT": "120",
        "MS_NODE_TIMEOUT": "30",
        "MS_CPU_COMM_OP_TIMEOUT": "600",  # ranks may lag behind: compiling, saving, a slow disk
    }


def scheduler_variables(rendezvous: Mapping[str, str]) -> dict[str, str]:
    """The variables of a cluster's scheduler."""
    return {**rendezvous, "MS_ROLE": "MS_SCHED", "RANK_ID": "0", "RANK_SIZE": rendezvous["MS_WORKER_NUM"]}


def worker_variables(rendezvous: Mapping[str, str], rank: int) -> dict[str, str]:
    """The variables of a rank of a cluster."""
    return {**rendezvous, "MS_ROLE": "MS_WORKER", "MS_NODE_ID": str(rank), "RANK_ID": str(rank)}


def run_together(
    starts: Sequence[Start],
    timeout_s: float | None = None,
    *,
    grace_s: float = PLATFORM_GRACE_S,
    should_stop: ShouldStop | None = None,
    on_line: OnLine | None = None,
) -> Outcome:
    """Start all processes; end them when the awaited ones finish, one fails, a stop is requested or time is up.

    `on_line(name, line)` gets every line of output in addition to the log files. No process outlives this call.
    """
    running: list[_Running] = []
    try:
        for start in starts:
            running.append(_Running(start, on_line))
        outcome = _watch(running, timeout_s, should_stop)
        return replace(outcome, killed=_terminate(running, grace_s))
    finally:
        for process in running:
            process.kill()


class _Running:
    """A process in its own process group, so that its children can be ended with it."""

    def __init__(self, start: Start, on_line: OnLine | None) -> None:
        self.start = start
        start.log.parent.mkdir(parents=True, exist_ok=True)
        self._log = start.log.open("ab")
        self._process = subprocess.Popen(
            list(start.command),
            env=dict(start.environment),
            cwd=start.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log if on_line is None else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._pump: threading.Thread | None = None
        if on_line is not None:
            self._pump = threading.Thread(target=self._copy_lines, args=(on_line,), daemon=True)
            self._pump.start()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + signal when a signal ended it."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process and all its children, and close its log."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._pump is not None:
            self._pump.join(_PIPE_CLOSE_S)
        self._log.close()

    def _copy_lines(self, on_line: OnLine) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._log.write(line)
                self._log.flush()
                on_line(self.start.name, line)


def _watch(running: Sequence[_Running], timeout_s: float | None, should_stop: ShouldStop | None) -> Outcome:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    ranks_first = sorted(running, key=lambda process: not process.start.awaited)
    while True:
        for process in ranks_first:
            if process.exit_code:
                logger.error(
                    "%s ended with exit code %d; see %s", process.start.name, process.exit_code, process.start.log
                )
                return Outcome(process.exit_code, process.start.name)
        if all(process.exit_code == 0 for process in running if process.start.awaited):
            return Outcome(0)
        if should_stop is not None and should_stop():
            return Outcome(STOPPED)
        if deadline is not None and time.monotonic() > deadline:
            left = ", ".join(process.start.name for process in running if process.exit_code is None)
            logger.error("still running after %g s: %s", timeout_s, left)
            return Outcome(TIMED_OUT, left)
        time.sleep(_POLL_S)


def _terminate(running: Sequence[_Running], grace_s: float) -> tuple[str, ...]:
    """Send SIGTERM to running processes and wait; returns the names of those that did not exit in time."""
    for process in running:
        if process.exit_code is None:
            process.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(process.exit_code is None for process in running):
        time.sleep(_POLL_S)
    return tuple(process.start.name for process in running if process.exit_code is None and process.start.awaited)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
