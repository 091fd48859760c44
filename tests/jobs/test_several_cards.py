"""Several cards on one machine: killed, hung and stopped at any moment, a run ends as if nothing had happened.

KILLS sets how often the run with random kills is interrupted (3 by default, 20 for a thorough night).
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modelarts.launching import cluster_variables, launch_ranks
from src.net.weights import read_checkpoint
from src.train.manifest import Manifest, complete_moments, manifest_name
from tests.jobs.conftest import DATA, SMALL
from tests.jobs.test_resume import name

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "3"))
COMMAND = [
    *SMALL,
    *DATA,
    "--data_url=obs://bucket/data",
    "--storage_mode=local",
    "--scratch_path=work",
    "--keep_checkpoint_max=0",
]


def command(root: Path, train_url: str, *more: str) -> list[str]:
    return [sys.executable, str(root / "train_start.py"), *COMMAND, f"--train_url={train_url}", *more]


@dataclass
class Ranks:
    """The processes of one start, and their log files."""

    processes: dict[int | None, subprocess.Popen[bytes]]
    folder: Path

    def log(self, rank: int) -> str:
        return (self.folder / f"rank_{rank}.log").read_text(errors="replace")

    def ended(self, within_s: float) -> list[int | None]:
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


def start(arguments: list[str], ranks: int, folder: Path) -> Ranks:
    """Start the ranks without anything that watches over them."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = {}
    for rank, variables in cluster_variables(ranks):
        with (folder / f"rank_{rank}.log").open("wb") as log:
            processes[rank] = subprocess.Popen(
                arguments, env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT
            )
    return Ranks(processes, folder)


@pytest.fixture
def started(bucket: Path) -> Iterator[list[Ranks]]:
    """Starts to be ended after the test, whatever happens."""
    starts: list[Ranks] = []
    yield starts
    for ranks in starts:
        ranks.end()


def parameters(bucket: Path, run: str, rank: int, epoch: int, step: int) -> dict[str, np.ndarray]:
    found, _ = read_checkpoint(bucket / run / f"ckpt_{rank}" / name(epoch, step, rank))
    return {key: value.asnumpy() for key, value in found.items()}


def same(bucket: Path, one: str, other: str, epoch: int, step: int) -> bool:
    for rank in (0, 1):
        first, second = (parameters(bucket, run, rank, epoch, step) for run in (one, other))
        if first.keys() != second.keys() or any(not np.array_equal(first[key], second[key]) for key in first):
            return False
    return True


class StoreWatch(threading.Thread):
    """Looks at the bucket all the time: whatever stands under a final name must be whole."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.halves: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for stated in self.folder.glob("ckpt_*/*.manifest.json"):
                checkpoint = stated.with_name(stated.name.removesuffix(".manifest.json"))
                manifest = Manifest.from_json(stated.read_bytes(), stated.name)
                if checkpoint.stat().st_size != manifest.size:
                    self.halves.append(str(checkpoint))


@pytest.mark.parametrize("optimizer", ["Adam", "Momentum"])
def test_two_cards_share_their_weights_and_resume_exactly(root: Path, bucket: Path, optimizer: str) -> None:
    settings = [f"--optimizer_NP={optimizer}", "--max_epoch_train_NP=2", "--ckpt_interval=1", "--batch_size=1"]
    run = command(root, "obs://bucket/out", *settings)
    assert launch_ranks(run, 2, {}, "logs", timeout_s=300) == 0
    (bucket / "out").rename(bucket / "straight")
    for rank in (0, 1):
        kept = bucket / "out" / f"ckpt_{rank}"
        kept.mkdir(parents=True)
        for file_name in (name(1, 1, rank), manifest_name(name(1, 1, rank))):
            (kept / file_name).write_bytes((bucket / "straight" / f"ckpt_{rank}" / file_name).read_bytes())
    assert launch_ranks(run, 2, {}, "logs", timeout_s=300) == 0
    last = max((bucket / "out" / "ckpt_0").glob("*-2_*.ckpt")).name
    epoch, step = map(int, re.findall(r"-(\d+)_(\d+)\.", last)[0])
    assert same(bucket, "out", "straight", epoch, step)
    weights = [
        Manifest.from_json((bucket / "out" / f"ckpt_{rank}" / manifest_name(name(epoch, step, rank))).read_bytes(), "")
        for rank in (0, 1)
    ]
    assert weights[0].weights_sha256 == weights[1].weights_sha256


def test_one_ranks_missing_checkpoint_sends_all_to_an_older_one(root: Path, bucket: Path) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=3", "--ckpt_interval=1")
    assert launch_ranks(run, 2, {}, "logs", timeout_s=300) == 0
    moments = complete_moments([p.name for p in (bucket / "out").glob("ckpt_*/*")], 2)
    (bucket / "out/ckpt_1" / manifest_name(name(*moments[0], rank=1))).unlink()
    damaged = bucket / "out/ckpt_1" / name(*moments[1], rank=1)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    assert launch_ranks(run, 2, {}, "again", timeout_s=300) == 0
    logs = [Path(f"again/worker_{rank}.log").read_text(errors="replace") for rank in (0, 1)]
    assert "no manifest of rank 1" in logs[0]
    assert "damaged" in logs[1]
    assert "another rank cannot use its copy" in logs[0]
    for log in logs:
        assert re.search(rf"resumed from .*epoch {moments[2].epoch} step {moments[2].step}:", log)


def test_a_dead_rank_ends_the_others_with_its_name(root: Path, bucket: Path, started: list[Ranks]) -> None:
    ranks = start(command(root, "obs://bucket/out", "--max_epoch_train_NP=500"), 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch \d+/500 step")
    ranks.processes[1].kill()
    assert ranks.ended(within_s=60) == [4, -signal.SIGKILL]
    assert "rank 1 died" in ranks.log(0).strip().splitlines()[-1]


def test_a_hung_rank_ends_all_with_its_name(root: Path, bucket: Path, started: list[Ranks]) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--hang_timeout=20")
    ranks = start(run, 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch [2-9]\d*/500 step")
    ranks.processes[1].send_signal(signal.SIGSTOP)
    try:
        assert ranks.ended(within_s=60)[0] == 4
    finally:
        ranks.processes[1].send_signal(signal.SIGCONT)
    assert re.search("rank 1 (has not shown life|hangs)", ranks.log(0).strip().splitlines()[-1])
    assert ranks.ended(within_s=60)[1] != 0


def test_a_signal_to_one_rank_stops_both_after_the_same_step(root: Path, bucket: Path, started: list[Ranks]) -> None:
    ranks = start(
        command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--ckpt_epoch_interval=0"), 2, Path("logs")
    )
    started.append(ranks)
    ranks.wait_for(0, r"epoch \d+/500 step")
    ranks.processes[1].terminate()
    assert ranks.ended(within_s=60) == [143, 143]
    moments = complete_moments([p.name for p in (bucket / "out").glob("ckpt_*/*")], 2)
    assert len(moments) == 1


def test_a_run_killed_at_random_moments_ends_like_an_undisturbed_one(
    root: Path, bucket: Path, started: list[Ranks]
) -> None:
    settings = ["--max_epoch_train_NP=30", "--ckpt_interval=1", "--optimizer_NP=Adam"]
    assert launch_ranks(command(root, "obs://bucket/straight", *settings), 2, {}, "logs", timeout_s=500) == 0
    last = complete_moments([p.name for p in (bucket / "straight").glob("ckpt_*/*")], 2)[0]
    watch = StoreWatch(bucket / "out")
    watch.start()
    rng = random.Random(4)
    longest_s = 20.0
    for kill in range(KILLS):
        before = complete_moments([p.name for p in (bucket / "out").glob("ckpt_*/*")], 2)
        ranks = start(command(root, "obs://bucket/out", *settings), 2, Path(f"kill{kill}"))
        started.append(ranks)
        ranks.ended(within_s=rng.uniform(0.5, longest_s))
        victim = rng.choice([0, 1])
        ranks.processes[victim].kill()
        codes = ranks.ended(within_s=200)  # ranks that have not met yet wait for MindSpore's own deadline
        ranks.end()
        assert None not in codes, ranks.log(1 - victim)[-2000:]
        resumed = re.search(r"resumed from .*, epoch (\d+) step (\d+):", ranks.log(0))
        if resumed:  # nothing that was complete is done again
            assert (int(resumed[1]), int(resumed[2])) >= tuple(before[0])
    assert launch_ranks(command(root, "obs://bucket/out", *settings), 2, {}, "last", timeout_s=500) == 0
    watch.over.set()
    watch.join()
    assert watch.halves == []
    assert same(bucket, "out", "straight", *last)
