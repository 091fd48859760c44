"""Ctrl-C while MindSpore computes a step, when it handles the signal itself."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

from tests.jobs.several_cards.ranks import Ranks, command


def test_ctrl_c_while_a_step_is_computed(root: Path, bucket: Path) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train=500", "--ckpt_interval=0")
    with Path("rank_0.log").open("wb") as log:
        job = Ranks({0: subprocess.Popen(run, stdout=log, stderr=subprocess.STDOUT)}, Path())
    try:
        job.wait_for(0, r"epoch [2-9]\d*/500 ")
        before = job.log(0)
        job.processes[0].send_signal(signal.SIGINT)
        assert job.ended() == [130]
    finally:
        job.end()
    said = [line for line in job.log(0)[len(before) :].splitlines() if "epoch" not in line or "stopped" in line]
    assert len(said) == 1, said  # what is left are the steps that had ended before the signal came
    assert re.search("stopped by Ctrl-C after epoch .* is saved; the same command continues", job.last_line(0))
