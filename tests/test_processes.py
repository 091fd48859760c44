"""Telling processes apart although their numbers are used again."""

from __future__ import annotations

import os
import subprocess
import sys

from src.processes import SAME_START_S, is_running, started_at


def test_a_process_is_known_by_number_and_start() -> None:
    started = started_at(os.getpid())
    assert started > 0
    assert is_running(os.getpid())
    assert is_running(os.getpid(), started)
    assert not is_running(os.getpid(), started - 2 * SAME_START_S)


def test_a_process_that_ended_does_not_run_not_even_as_a_zombie() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()  # at its end the process has exited, or is about to
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(ended.pid)
    ended.communicate()
    assert not is_running(ended.pid)
    assert started_at(ended.pid) == 0.0
