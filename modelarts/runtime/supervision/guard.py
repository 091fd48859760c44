"""Guard process that kills a blocked rank.

MindSpore holds Python's global lock while the ranks rendezvous and while it compiles: a rank that waits there for a
dead one can neither notice nor log it. The guard makes the rank's own checks, gives it time to exit by itself, then
logs the reason and kills it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from modelarts.runtime.logs import set_up_logging
from modelarts.runtime.supervision.rank_status import Peers

logger = logging.getLogger(__name__)

POLL_S = 1.0
#: How long a rank may take to notice the problem by itself.
GRACE_S = 5.0
ROOT = Path(__file__).resolve().parents[3]


def start_guard(
    folder: Path, rank: int, ranks: Sequence[int], rank_size: int, started: float, join_s: float
) -> subprocess.Popen[bytes]:
    """Start a guard for this process; the arguments are those of `Peers`. End it with `kill`."""
    numbers = ",".join(map(str, ranks))
    facts = [str(os.getpid()), str(folder.absolute()), str(rank), numbers, str(rank_size)]
    facts += [repr(started), str(join_s)]
    return subprocess.Popen(
        [sys.executable, "-m", "modelarts.runtime.supervision.guard", *facts], cwd=ROOT, stdin=subprocess.DEVNULL
    )


def guard(pid: int, peers: Peers) -> None:
    """Watch process `pid`, the parent of this one, until it ends; kill it if it should exit but does not."""
    since: float | None = None
    while os.getppid() == pid:
        problem = "" if peers.is_ending() else peers.problem()
        since = (since or time.monotonic()) if problem else None
        if since is not None and time.monotonic() - since > GRACE_S:
            logger.error("killing this process because %s", problem)
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(POLL_S)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the guard process; it ignores the signals that ask the rank to stop."""
    parser = argparse.ArgumentParser(prog="guard", description=__doc__)
    parser.add_argument("pid", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rank", type=int)
    parser.add_argument("ranks", type=lambda text: [int(rank) for rank in text.split(",")])
    parser.add_argument("rank_size", type=int)
    parser.add_argument("started", type=float)
    parser.add_argument("join_s", type=float)
    given = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    set_up_logging(str(given.rank))
    peers = Peers(given.folder, given.rank, given.ranks, given.rank_size, given.started, given.join_s)
    guard(given.pid, peers)


if __name__ == "__main__":
    main()
