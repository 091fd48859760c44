"""A rank that dies, hangs or is told to stop: the others end with it, and say because of whom."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.jobs.several_cards.ranks import Ranks, command, moments_of, start

pytestmark = pytest.mark.slow


def test_a_rank_that_dies_before_the_ranks_meet_ends_the_others_with_its_name(
    root: Path, bucket: Path, started: list[Ranks]
) -> None:
    ranks = start(command(root, "obs://bucket/out", "--hang_timeout=5"), 2, Path("logs"))
    started.append(ranks)
    ranks.processes[1].kill()  # it is not even configured
    assert ranks.ended()[0] in (4, -signal.SIGKILL)
    assert re.search("because rank 1 (has not joined|died)", ranks.last_line(0))


def test_a_dead_rank_ends_those_of_other_nodes(root: Path, bucket: Path, started: list[Ranks]) -> None:
    ranks = training(root, started, nodes=2)
    ranks.processes[1].kill()
    assert ranks.ended()[0] in (4, -signal.SIGKILL)
    assert re.search("because rank 0 hangs.*a rank on another node", ranks.last_line(0))


def test_a_hung_rank_ends_all_with_its_name(root: Path, bucket: Path, started: list[Ranks]) -> None:
    ranks = training(root, started)
    ranks.processes[1].send_signal(signal.SIGSTOP)
    assert ranks.ended() == [4, -signal.SIGKILL]
    assert re.search("rank 1 (has not updated its status|hangs)", ranks.last_line(0))


def test_a_signal_to_one_rank_stops_both_after_the_same_step(root: Path, bucket: Path, started: list[Ranks]) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--ckpt_interval=0")
    ranks = start(run, 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch \d+/500 ")
    ranks.processes[1].terminate()
    assert ranks.ended() == [143, 143]
    assert len(moments_of(bucket / "out")) == 1


def training(root: Path, started: list[Ranks], nodes: int = 1) -> Ranks:
    """Two ranks that have finished an epoch and go on for long."""
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--hang_timeout=10")
    ranks = start(run, 2, Path("logs"), nodes=nodes)
    started.append(ranks)
    ranks.wait_for(0, r"epoch [2-9]\d*/500 ")
    return ranks
