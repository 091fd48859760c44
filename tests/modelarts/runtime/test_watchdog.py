"""Ranks that watch each other: whatever happens to one, the others end soon and say which one and why."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelarts.runtime.supervision import rank_status as peers
from modelarts.runtime.supervision.rank_status import FAILED, FINISHED, STOPPED, Peers, RankStatus
from src.processes import started_at
from src.train.inputs import JOINING, TRAINING, WAITING

MEET_S = 3.0
#: Notes when it is ready; gives the other rank `join_s` seconds to come.
RANK = f"""
import ctypes, logging, sys, time
from pathlib import Path
from modelarts.runtime.logs import set_up_logging
from modelarts.runtime.supervision.watchdog import Watchdog
rank, what, held, join_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[4]), float(sys.argv[5])
set_up_logging(str(rank))
with Watchdog(Path(sys.argv[3]), rank, range(2), 2, join_s) as watch:
    watch.alive("staging", 0)
    print("ready", flush=True)
    if what == "fail":
        raise OSError("the disk is gone")
    watch.alive("{JOINING}", 0)
    ctypes.PyDLL(None).sleep(int(held))  # without letting go of the interpreter, as MindSpore does
    time.sleep(100 - held)
"""


@pytest.fixture
def living() -> Iterator[int]:
    """The number of a process that lives."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def trouble(
    folder: Path,
    living: int,
    *others: RankStatus | None,
    own: RankStatus | None = None,
    started: float = 0.0,
    rank_size: int = 0,
) -> str:
    """What rank 0, which lives, thinks of ranks 1, 2, …"""
    now = time.time()
    own = own or RankStatus(living, 0.0, phase=TRAINING, moved=now)
    for rank, said in enumerate((own, *others)):
        if said is not None:
            peers.write(folder, rank, replace(said, at=said.at or now))
    ranks = range(len(others) + 1)
    return Peers(folder, 0, ranks, rank_size or len(ranks), started, MEET_S).problem()


def test_all_is_well(tmp_path: Path, living: int, dead: int) -> None:
    now = time.time()
    fine = RankStatus(living, started_at(living), phase=TRAINING, moved=now - 5, step_limit_s=10)
    over = (RankStatus(dead, 0.0, state=FINISHED), RankStatus(dead, 0.0, state=STOPPED))
    assert trouble(tmp_path, living, fine, *over) == ""


def test_a_dead_and_a_failed_rank_are_named(tmp_path: Path, living: int, dead: int) -> None:
    assert (
        trouble(tmp_path, living, RankStatus(dead, 0.0, phase=TRAINING, global_step=7))
        == "rank 1 died during: training, step 7"
    )
    failed = RankStatus(dead, 0.0, state=FAILED, reason="no room")
    assert trouble(tmp_path, living, RankStatus(living, 0.0), failed) == "rank 2 failed: no room"
    impostor = RankStatus(living, started_at(living) - 60, phase="staging")  # another process has its number now
    assert trouble(tmp_path, living, impostor) == "rank 1 died during: staging"


def test_the_rank_that_holds_up_the_others_is_named(tmp_path: Path, living: int) -> None:
    now = time.time()
    ready, slow = (
        RankStatus(living, 0.0, phase=p, global_step=7, moved=now - 11, step_limit_s=10) for p in (TRAINING, WAITING)
    )
    earlier = replace(ready, moved=now - 12)
    assert trouble(tmp_path, living, earlier, slow).startswith(
        "rank 2 hangs: no progress for 10 s after waiting for data"
    )
    assert trouble(tmp_path, living, ready, earlier).startswith("rank 2 hangs")
    assert trouble(tmp_path, living, replace(ready, step_limit_s=0)) == ""  # compiling
    stopped = replace(ready, moved=now - 10.5, at=now - 10)
    assert trouble(tmp_path, living, stopped, earlier).startswith("rank 1 hangs"), "its process writes no status"
    mute = replace(ready, moved=now, at=now - 16)
    assert "rank 1 has not updated its status for 15 s" in trouble(tmp_path, living, mute)


def test_what_hangs_may_wait_for_another_node(tmp_path: Path, living: int) -> None:
    stuck = RankStatus(living, 0.0, phase=TRAINING, global_step=7, moved=time.time() - 11, step_limit_s=10)
    assert "another node" not in trouble(tmp_path, living, stuck)
    assert "rank 1 hangs" in trouble(tmp_path, living, stuck, rank_size=4)
    assert "another node" in trouble(tmp_path, living, stuck, rank_size=4)
    assert "another node" not in trouble(tmp_path, living, replace(stuck, phase=WAITING), rank_size=4)


def test_words_of_an_earlier_start_do_not_count(tmp_path: Path, living: int, dead: int) -> None:
    now = time.time()
    old = RankStatus(dead, 0.0, state=FAILED, reason="long ago", at=now - 100)
    assert trouble(tmp_path, living, old, started=now - 1) == ""


@pytest.mark.parametrize("there", [True, False])
def test_a_rank_that_never_comes_is_missed_while_the_others_wait(
    tmp_path: Path, living: int, dead: int, there: bool
) -> None:
    now = time.time()
    old = RankStatus(dead, 0.0, at=now - 100) if there else None
    for waited, missed in ((MEET_S - 1, False), (MEET_S + 1, True)):
        own = RankStatus(living, 0.0, phase=JOINING, moved=now - waited)
        assert (
            "rank 1 has not joined within 3 s" in trouble(tmp_path, living, old, own=own, started=now - 9)
        ) == missed
    met = RankStatus(living, 0.0, phase="building the network", moved=now - 99)
    assert trouble(tmp_path, living, old, own=met, started=now - 9) == ""


def start(
    folder: Path, root: Path, rank: int, what: str, held: float = 0.0, join_s: float = MEET_S
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RANK, str(rank), what, str(folder), str(held), str(join_s)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("held", [0.0, 100.0])
def test_a_rank_ends_the_other_even_where_it_stands_still(tmp_path: Path, root: Path, held: float) -> None:
    waiting = start(tmp_path, root, 0, "wait", held, join_s=60.0)
    failing = start(tmp_path, root, 1, "fail", join_s=60.0)
    _, told = waiting.communicate(timeout=90)
    assert failing.wait(90) == 1
    assert waiting.returncode == (-9 if held else 4)
    assert "because rank 1 failed: the disk is gone" in told.strip().splitlines()[-1]


def test_a_rank_that_waits_for_one_that_never_came_is_ended_by_its_guard(tmp_path: Path, root: Path) -> None:
    gone = start(tmp_path, root, 1, "wait")
    gone.kill()
    gone.wait()
    waiting = start(tmp_path, root, 0, "wait", 100)
    _, told = waiting.communicate(timeout=90)
    assert waiting.returncode == -9
    assert "rank 1 has not joined" in told.strip().splitlines()[-1]
