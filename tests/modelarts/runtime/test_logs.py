"""One process of a node writes the lines that are the same in all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelarts.runtime.logs import SAME_IN_ALL_PROCESSES

PROGRAM = """
import logging
from modelarts.runtime.logs import set_up_logging
set_up_logging("3", writes_for_all={first})
for name in ("src.train.loop", "src.train.monitoring.step_log"):
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, name.rpartition(".")[2])
"""


@pytest.mark.parametrize(("first", "lines"), [(True, 6), (False, 4)])
def test_lines_of_all_processes_are_written_once(root: Path, first: bool, lines: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)], cwd=root, capture_output=True, text=True, timeout=60
    )
    found = [line.split(" ", 2)[2] for line in done.stderr.splitlines()]
    assert len(found) == lines
    assert ("INFO rank 3: loop" in found) is first
    assert {"ERROR rank 3: loop", "INFO rank 3: step_log", "WARNING rank 3: step_log"} <= set(found)


def test_the_loggers_exist(root: Path) -> None:
    files = {
        str(path.relative_to(root))[:-3].replace("/", ".")
        for part in ("src", "modelarts", "obs_sync")
        for path in (root / part).rglob("*.py")
    }
    assert files >= SAME_IN_ALL_PROCESSES
