"""How long training stands still for a 600 MB checkpoint: published in the background, and saved and uploaded at once.

    python -m tests.bench.checkpoint_stall [--repeat 3] [--store_mb_s 60]

Real training steps of VGG19 with Adam (52 million parameters, two moments each) and the job's own publisher, to a Ceph
object gateway that takes a limited number of bytes a second. Loops of the same number of steps take turns in one run:
without saving, with one checkpoint published in the background, with one saved, uploaded and confirmed before the next
step. Two stalls are told: the time in which no step is made, and by how much the whole loop takes longer, which adds
what publishing takes from the steps beside it (here they share the processors; an NPU's steps do not need them).
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GLOG_v", "3")

import mindspore as ms
import numpy as np

import obs_sync
from modelarts.runtime.checkpoints.publisher import PUBLISH_ALL, Publisher
from modelarts.runtime.checkpoints.store import CheckpointStore
from src.model_utils.config import build_config
from src.net.build import build_network, choose_device
from src.net.loss import PoseLoss
from src.train.checkpoints.checkpoint import SnapshotBuffers, network_meta, take_snapshot, write_snapshot
from src.train.checkpoints.manifest import CheckpointName
from src.train.recipe import choose_recipe
from src.train.step import TrainStep, build_step
from tests.bench.transfer_clients import AK, SK
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.object_store import has_ceph, running_store

BUCKET, STAGES, SIDE = "bench", 6, 64
SAVE_EVERY_S = 230.0
BUFFERS = SnapshotBuffers()
NEVER, BACKGROUND, AT_ONCE = "never", "in the background", "at once"
UPLOAD_WAIT_S = 600.0


class Turn(NamedTuple):
    """Seconds of one loop: the whole, the save call in it, the median step; and the process's processor time."""

    loop_s: float
    save_s: float
    step_s: float
    cpu_s: float


def _throttle(upstream: int, bytes_per_s: float, told: Connection) -> None:
    """A process of its own: what the store's line takes must not be taken from the training."""
    with FaultProxy(upstream) as proxy:
        proxy.add("slow_send", match="^(PUT|POST) ", times=None, arg=bytes_per_s)
        told.send(proxy.port)
        told.recv()


@contextmanager
def throttled_store(mb_s: float, state: Path) -> Iterator[obs_sync.ObsFileSystem]:
    """This process's obs:// is a real store behind a line of that width."""
    with running_store() as store:
        assert store is not None
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        context = multiprocessing.get_context("spawn")
        line = context.Process(target=_throttle, args=(store.upstream, mb_s * 1e6, theirs), daemon=True)
        line.start()
        reach = {"endpoint": f"http://127.0.0.1:{ours.recv()}", "signature": "v2", "path_style": True}
        credentials = obs_sync.Credentials(AK, SK)
        obs_sync.configure(storage_mode="obs", credentials=credentials, state_dir=str(state), **reach)
        obs_sync.filesystem().mkdir(BUCKET)
        yield obs_sync.filesystem()
        ours.send("over")
        line.join(5)


def make_step() -> tuple[TrainStep, Callable[[], float]]:
    """The full network's training step, and a function that makes one step on a fixed batch; returns its loss."""
    ms.set_seed(1)
    config = build_config({"network": "vgg19", "stages": str(STAGES)})
    recipe = choose_recipe(config, 1, 1000)
    step = build_step(PoseLoss(build_network("vgg19", STAGES)), recipe.rates, recipe.step)
    rng, cells = np.random.default_rng(1), SIDE // 8
    batch = [
        ms.Tensor(rng.integers(0, 255, (1, 3, SIDE, SIDE), np.uint8)),
        ms.Tensor(rng.random((1, 19, cells, cells), np.float32)),
        ms.Tensor(rng.random((1, 38, cells, cells), np.float32)),
        ms.Tensor(np.ones((1, 1, cells, cells), np.float32)),
    ]
    return step, lambda: float(step(*batch)[0].asnumpy())


def save(step: TrainStep, publisher: Publisher, number: int) -> None:
    """What the training line does at a checkpoint."""
    where = {"epoch": 1, "step": number, "global_step": number, "steps_per_epoch": 1000}
    snapshot = take_snapshot(step, network_meta("vgg19", STAGES, **where), BUFFERS)
    write = partial(write_snapshot, snapshot, rank=0, rank_size=1, identity={})
    publisher.save(write, str(CheckpointName(0, 1, number)))


def one_turn(how: str, number: int, steps: int, step: TrainStep, advance: Callable[[], float], work: Path) -> Turn:
    """Make `steps` steps and after the first of them one checkpoint, or none."""
    store = CheckpointStore(f"obs://{BUCKET}/run", 0, 1)
    publisher = Publisher(store, work / "local", 2, PUBLISH_ALL, [store])
    taken, save_s = [], 0.0
    began, cpu = time.perf_counter(), time.process_time()
    for at in range(steps):
        started = time.perf_counter()
        advance()
        taken.append(time.perf_counter() - started)
        if at == 0 and how != NEVER:
            started = time.perf_counter()
            save(step, publisher, number)
            if how == AT_ONCE:
                _must_arrive(publisher)
            save_s = time.perf_counter() - started
    loop_s = time.perf_counter() - began
    _must_arrive(publisher)
    publisher.close()
    return Turn(loop_s, save_s, statistics.median(taken), time.process_time() - cpu)


def _must_arrive(publisher: Publisher) -> None:
    missing = publisher.drain(UPLOAD_WAIT_S)
    if missing:
        raise SystemExit(f"not published: {missing}")


def show(turns: dict[str, list[Turn]]) -> None:
    """Medians of all turns, the two stalls, and their ratios."""
    loop = {how: statistics.median(turn.loop_s for turn in each) for how, each in turns.items()}
    cpu = {how: statistics.median(turn.cpu_s for turn in each) for how, each in turns.items()}
    stalls = {
        "no step is made": {how: statistics.median(turn.save_s for turn in each) for how, each in turns.items()},
        "the loop takes longer": {how: max(seconds - loop[NEVER], 0.0) for how, seconds in loop.items()},
        "processor time": {how: max(seconds - cpu[NEVER], 0.0) for how, seconds in cpu.items()},
    }
    print(f"{'saving':<18} {'loop':>8} {'step':>7}   all loops")
    for how, each in turns.items():
        step_s = statistics.median(turn.step_s for turn in each)
        print(f"{how:<18} {loop[how]:7.2f}s {step_s:6.3f}s   {' '.join(f'{turn.loop_s:.2f}' for turn in each)}")
    for what, stall in stalls.items():
        ratio = f"1/{stall[AT_ONCE] / stall[BACKGROUND]:.0f}" if stall[BACKGROUND] > 0 else "none in the background"
        share = 100 * stall[BACKGROUND] / SAVE_EVERY_S
        print(
            f"{what:<21} {stall[BACKGROUND]:.2f} s in the background, {stall[AT_ONCE]:.2f} s at once: {ratio}; "
            f"{share:.2f} % of training with one checkpoint in {SAVE_EVERY_S:.0f} s"
        )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--store_mb_s", type=float, default=60.0)
    given = parser.parse_args()
    if not has_ceph():
        raise SystemExit("the store is missing: bash tests/fakes/install_store.sh (Debian, as root)")
    logging.disable(logging.INFO)
    choose_device("CPU")
    step, advance = make_step()
    size_mb = sum(parameter.nbytes for parameter in step.get_parameters()) / 1e6
    advance()
    started = time.perf_counter()
    for _ in range(5):
        advance()
    step_s = (time.perf_counter() - started) / 5
    steps = int((size_mb / given.store_mb_s + 10) / step_s) + 1  # the loop outlasts the upload
    print(
        f"{size_mb:.0f} MB of parameters and moments; loops of {steps} steps; the store takes {given.store_mb_s:g} MB/s"
    )
    turns: dict[str, list[Turn]] = {how: [] for how in (NEVER, BACKGROUND, AT_ONCE)}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, throttled_store(given.store_mb_s, Path(folder)):
        for number in range(given.repeat * len(turns)):
            how = list(turns)[number % len(turns)]
            turns[how].append(one_turn(how, number + 1, steps, step, advance, Path(folder)))
            shutil.rmtree(Path(folder) / "local", ignore_errors=True)
    show(turns)


if __name__ == "__main__":
    main()
