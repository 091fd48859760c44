"""Ranks started without anything that watches over them, and what a run on two cards leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.net.weights import read_checkpoint
from src.train.checkpoints.manifest import Moment
from tests.fakes.cluster import cluster_variables
from tests.fakes.published import complete_moments
from tests.jobs.conftest import DATA, SMALL
from tests.jobs.test_resume import name

INTERVAL = 3  # steps between checkpoints
COMMAND = [
    *SMALL,
    *DATA,
    *("--data_url=obs://bucket/data", "--storage_mode=local", "--scratch_path=work"),
    *("--batch_size=1", f"--ckpt_interval={INTERVAL}", "--ckpt_epoch_interval=0", "--keep_checkpoint_max=0"),
]


def command(root: Path, train_url: str, *more: str) -> list[str]:
    return [sys.executable, str(root / "tests/fakes/tiny_network.py"), *COMMAND, f"--train_url={train_url}", *more]


@dataclass
class Ranks:
    """The processes of one start, and their log files."""

    processes: dict[int | None, subprocess.Popen[bytes]]
    folder: Path

    def log(self, rank: int) -> str:
        return (self.folder / f"rank_{rank}.log").read_text(errors="replace")

    def last_line(self, rank: int) -> str:
        return self.log(rank).strip().splitlines()[-1]

    def ended(self, within_s: float = 180) -> list[int | None]:
        """Exit codes of the ranks, in order; None for one that still runs after `within_s`."""
        deadline = time.monotonic() + within_s
        ranks = [process for rank, process in sorted(self.processes.items(), key=str) if rank is not None]
        while time.monotonic() < deadline and any(process.poll() is None for process in ranks):
            time.sleep(0.1)
        return [process.poll() for process in ranks]

    def wait_for(self, rank: int, pattern: str, within_s: float = 240) -> None:
        deadline = time.monotonic() + within_s
        while not re.search(pattern, self.log(rank)):
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{self.log(rank)[-3000:]}"
            assert self.processes[rank].poll() is None, self.log(rank)[-3000:]
            time.sleep(0.05)

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def start(arguments: list[str], ranks: int, folder: Path, nodes: int = 1) -> Ranks:
    """Start the ranks without anything that watches over them; on several nodes none sees another's scratch folder."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = {}
    for rank, variables in cluster_variables(ranks):
        node = (rank or 0) * nodes // ranks
        own = [f"--scratch_path=node{node}"] if nodes > 1 else []
        variables.update({"MA_NUM_HOSTS": str(nodes), "VC_TASK_INDEX": str(node)})
        with (folder / f"rank_{rank}.log").open("wb") as log:
            processes[rank] = subprocess.Popen(
                [*arguments, *own], env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT
            )
    return Ranks(processes, folder)


def parameters(run: Path, rank: int, moment: Moment) -> dict[str, np.ndarray]:
    found, _ = read_checkpoint(run / f"ckpt_{rank}" / name(*moment, rank))
    return {key: value.asnumpy() for key, value in found.items()}


def moments_of(*folders: Path) -> list[Moment]:
    """The moments for which both ranks' manifests are somewhere in the folders, newest first."""
    return complete_moments([path.name for folder in folders for path in folder.rglob("openpose-*")], 2)
