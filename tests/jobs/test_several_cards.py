"""Several cards on one machine: killed, hung and stopped at any moment, a run ends as if nothing had happened.

KILLS sets how often the run with random kills is interrupted (5 by default, 20 for a thorough night).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import obs_sync
from modelarts.dryrun.launcher import cluster_variables, launch_ranks
from src.data.drawn.dataset import draw_dataset
from src.errors import CheckpointError
from src.net.weights import read_checkpoint
from src.train.checkpoints.checkpoint import BATCH_STATISTICS
from src.train.checkpoints.manifest import Manifest, Moment, complete_moments, manifest_name
from src.train.monitoring.loss_record import read_record, record_name
from tests.jobs.conftest import DATA, SMALL
from tests.jobs.test_resume import name

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "5"))
#: When a rank is killed, in turns.
KILL_AT = ("save", "upload", "compute", "staging", "meeting")
INTERVAL = 3  # steps between checkpoints
COMMAND = [
    *SMALL,
    *DATA,
    *("--data_url=obs://bucket/data", "--storage_mode=local", "--scratch_path=work"),
    *("--batch_size=1", f"--ckpt_interval={INTERVAL}", "--ckpt_epoch_interval=0", "--keep_checkpoint_max=0"),
]
UNDISTURBED = ["--optimizer_NP=Adam", f"--max_epoch_train_NP={8 + 3 * KILLS}", "--log_interval=1"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven drawn pictures, which two cards cannot share evenly."""
    folder = tmp_path_factory.mktemp("drawn7")
    draw_dataset(folder, pictures=7, seed=7, sizes=[(200, 160), (160, 200)])
    return folder


@pytest.fixture(scope="module")
def undisturbed(root: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The train_url of a run on two cards that nothing disturbed; not to be changed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(drawn, folder / "obs_root" / "bucket" / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert launch_ranks(command(root, "obs://bucket/out", *UNDISTURBED), 2, {}, "logs", timeout_s=500) == 0
    return folder / "obs_root" / "bucket" / "out"


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


@pytest.fixture
def started(bucket: Path) -> Iterator[list[Ranks]]:
    """Starts to be ended after the test, whatever happens."""
    starts: list[Ranks] = []
    yield starts
    for ranks in starts:
        ranks.end()


def parameters(run: Path, rank: int, moment: Moment) -> dict[str, np.ndarray]:
    found, _ = read_checkpoint(run / f"ckpt_{rank}" / name(*moment, rank))
    return {key: value.asnumpy() for key, value in found.items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def moments_of(*folders: Path) -> list[Moment]:
    """The moments for which both ranks' manifests are somewhere in the folders, newest first."""
    return complete_moments([path.name for folder in folders for path in folder.rglob("openpose-*")], 2)


class StoreWatch(threading.Thread):
    """Looks at a run's folder in the store all the time: whatever can be seen there must be whole."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._folder = Path("obs_root") / url.split("://")[1]
        self._digests: dict[tuple[str, int, int], str] = {}
        self._sizes: dict[tuple[str, int], int] = {}
        self.halves: set[str] = set()
        self.looks = 0
        self.over = threading.Event()

    def run(self) -> None:
        fs = obs_sync.ObsFileSystem(storage_mode="local")
        while not self.over.wait(0.02):
            shown = [Path(path).name for path in fs.find(self._url)] if self._folder.is_dir() else []
            self.halves.update(file for file in shown if "part" in file or file.startswith("."))
            for path in self._folder.glob("ckpt_*/openpose*"):
                self._look(path)
            self.looks += 1

    def _look(self, path: Path) -> None:
        now = path.stat()
        if self._sizes.setdefault((str(path), now.st_ino), now.st_size) != now.st_size:
            self.halves.add(f"{path} has grown")
        if path.name.endswith(".json"):
            try:
                manifest = Manifest.from_json(path.read_bytes(), path.name)
                fits = self._sha256(path.with_name(manifest.file)) == manifest.sha256
            except (CheckpointError, FileNotFoundError):
                fits = False
            if not fits:
                self.halves.add(f"{path} does not fit its checkpoint")

    def _sha256(self, path: Path) -> str:
        now = path.stat()
        key = (str(path), now.st_ino, now.st_size)
        if key not in self._digests:
            self._digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[key]


def test_one_ranks_missing_checkpoint_sends_all_to_an_older_one_and_adam_ends_the_same(
    root: Path, bucket: Path, undisturbed: Path
) -> None:
    out = bucket / "out"
    shutil.copytree(undisturbed, out)
    moments = moments_of(out)
    (out / "ckpt_1" / manifest_name(name(*moments[0], rank=1))).unlink()
    damaged = out / "ckpt_1" / name(*moments[1], rank=1)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    assert launch_ranks(command(root, "obs://bucket/out", *UNDISTURBED), 2, {}, "logs", timeout_s=300) == 0
    logs = [Path(f"logs/worker_{rank}.log").read_text(errors="replace") for rank in (0, 1)]
    assert "no manifest of rank 1" in logs[0]
    assert "damaged" in logs[1]
    assert "another rank cannot use its copy" in logs[0]
    for rank, log in enumerate(logs):
        assert re.search(rf"resumed from .*epoch {moments[2].epoch} step {moments[2].step}:", log)
        assert same(parameters(out, rank, moments[0]), parameters(undisturbed, rank, moments[0]))


def test_momentum_ends_the_same_from_rank_0s_files_alone(root: Path, bucket: Path) -> None:
    """publish=verify: the other rank's digest arrives, its file does not; only its batch statistics are rank 0's."""
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=3", "--publish=verify")
    assert launch_ranks(run, 2, {}, "logs", timeout_s=300) == 0
    straight = bucket / "straight"
    (bucket / "out").rename(straight)
    last, middle, *_ = moments_of(straight)
    for rank in (0, 1):
        files = {path.name for path in (straight / f"ckpt_{rank}").glob("openpose*")}
        stated = {manifest_name(name(*moment, rank)) for moment in moments_of(straight)}
        assert files == stated | ({name(*moment) for moment in moments_of(straight)} if rank == 0 else set())
        (bucket / "out" / f"ckpt_{rank}").mkdir(parents=True)
        for file_name in {name(*middle, rank), manifest_name(name(*middle, rank))} & files:
            shutil.copy(straight / f"ckpt_{rank}" / file_name, bucket / "out" / f"ckpt_{rank}")
    assert middle.step % 4  # in the middle of an epoch
    assert launch_ranks(run, 2, {}, "logs", timeout_s=300) == 0
    assert same(parameters(straight, 0, last), parameters(bucket / "out", 0, last))
    digests = {
        Manifest.from_json((run / f"ckpt_{rank}" / manifest_name(name(*last, rank))).read_bytes(), "").weights_sha256
        for run in (straight, bucket / "out")
        for rank in (0, 1)
    }
    assert len(digests) == 1
    assert any(key.endswith(BATCH_STATISTICS) for key in parameters(straight, 0, last))


def test_a_rank_that_dies_before_the_ranks_meet_ends_the_others_with_its_name(
    root: Path, bucket: Path, started: list[Ranks]
) -> None:
    ranks = start(command(root, "obs://bucket/out", "--hang_timeout=5"), 2, Path("logs"))
    started.append(ranks)
    time.sleep(0.5)  # it is not even configured
    ranks.processes[1].kill()
    assert ranks.ended(within_s=60)[0] in (4, -signal.SIGKILL)
    assert re.search("because rank 1 (has not come|died)", ranks.log(0).strip().splitlines()[-1])


def test_a_dead_rank_ends_the_others_with_its_name(root: Path, bucket: Path, started: list[Ranks]) -> None:
    ranks = start(command(root, "obs://bucket/out", "--max_epoch_train_NP=500"), 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch \d+/500 step")
    ranks.processes[1].kill()
    assert ranks.ended(within_s=60) == [4, -signal.SIGKILL]
    assert "rank 1 died" in ranks.log(0).strip().splitlines()[-1]


def test_a_dead_rank_ends_those_of_other_nodes(root: Path, bucket: Path, started: list[Ranks]) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--hang_timeout=10")
    ranks = start(run, 2, Path("logs"), nodes=2)
    started.append(ranks)
    ranks.wait_for(0, r"epoch [2-9]\d*/500 step")
    ranks.processes[1].kill()
    assert ranks.ended(within_s=60)[0] in (4, -signal.SIGKILL)
    assert re.search("because rank 0 hangs.*a rank of another node", ranks.log(0).strip().splitlines()[-1])


def test_a_hung_rank_ends_all_with_its_name(root: Path, bucket: Path, started: list[Ranks]) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--hang_timeout=10")
    ranks = start(run, 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch [2-9]\d*/500 step")
    ranks.processes[1].send_signal(signal.SIGSTOP)
    assert ranks.ended(within_s=60) == [4, -signal.SIGKILL]
    assert re.search("rank 1 (has not shown life|hangs)", ranks.log(0).strip().splitlines()[-1])


def test_a_signal_to_one_rank_stops_both_after_the_same_step(root: Path, bucket: Path, started: list[Ranks]) -> None:
    run = command(root, "obs://bucket/out", "--max_epoch_train_NP=500", "--ckpt_interval=0")
    ranks = start(run, 2, Path("logs"))
    started.append(ranks)
    ranks.wait_for(0, r"epoch \d+/500 step")
    ranks.processes[1].terminate()
    assert ranks.ended(within_s=60) == [143, 143]
    assert len(moments_of(bucket / "out")) == 1


def wait_to_kill(ranks: Ranks, victim: int, when: str, rng: random.Random) -> bool:
    """Return at a random instant of the wanted kind; False when the run ended before."""
    checkpoints = Path("work/checkpoints")
    awaited = {
        "staging": lambda: "storage mode" in ranks.log(victim),
        "meeting": lambda: "ckpt_" in ranks.log(victim),
        "compute": lambda: re.search(r"epoch \d+/\d+ step", ranks.log(victim)),
        "save": lambda: list(checkpoints.glob(f"*/ckpt_{victim}/.*.part.ckpt")),
        "upload": lambda: list(checkpoints.glob(f"*/ckpt_{victim}/*.manifest.json")),
    }[when]
    pause_s = {"staging": 0.2, "meeting": 6.0, "compute": 1.0, "save": 0.01, "upload": 0.01}[when]
    while not awaited():
        if ranks.processes[victim].poll() is not None:
            return False
        time.sleep(0.002)
    time.sleep(rng.uniform(0, pause_s))
    return ranks.processes[victim].poll() is None


def last_step(log: str, per_epoch: int) -> int:
    """The last step that a rank logged, counted over all epochs; 0 for none."""
    found = re.findall(r"epoch (\d+)/\d+ step (\d+)/", log)
    return (int(found[-1][0]) - 1) * per_epoch + int(found[-1][1]) if found else 0


def test_a_run_killed_at_random_moments_ends_like_an_undisturbed_one(
    root: Path, bucket: Path, started: list[Ranks], undisturbed: Path
) -> None:
    run, out = command(root, "obs://bucket/out", *UNDISTURBED), bucket / "out"
    out.mkdir()
    watch = StoreWatch("obs://bucket/out")
    watch.start()
    rng = random.Random(4)
    per_epoch = max(moment.step for moment in moments_of(undisturbed))
    whole, done = Moment(1, 0), 0
    again: list[int] = []
    killed: list[str] = []
    for kill in range(KILLS):
        ranks = start(run, 2, Path(f"kill{kill}"))
        started.append(ranks)
        victim, when = rng.choice([0, 1]), KILL_AT[kill % len(KILL_AT)]
        early = wait_to_kill(ranks, victim, when, rng)
        ranks.processes[victim].kill()
        codes = ranks.ended(within_s=60)
        ranks.end()
        assert None not in codes, ranks.log(1 - victim)[-2000:]
        assert early or codes == [0, 0], ranks.log(0)[-2000:]
        killed += [when] * early
        _check_resumed(ranks.log(0), whole, done, per_epoch, again)
        whole = max([whole, *moments_of(out, Path("work/checkpoints"))])
        done = max(done, last_step(ranks.log(0), per_epoch))
    assert launch_ranks(run, 2, {}, "last", timeout_s=500) == 0
    _check_resumed(Path("last/worker_0.log").read_text(errors="replace"), whole, done, per_epoch, again)
    watch.over.set()
    watch.join()
    print(f"killed during {', '.join(killed)}; steps done again: {again}, median {statistics.median(again or [0])}")  # noqa: T201
    assert len(killed) >= min(KILLS, len(KILL_AT))
    assert watch.looks > 100
    assert watch.halves == set()
    last = moments_of(undisturbed)[0]
    for rank in (0, 1):
        assert same(parameters(out, rank, last), parameters(undisturbed, rank, last))


def _check_resumed(log: str, whole: Moment, done: int, per_epoch: int, again: list[int]) -> None:
    """It goes on from the newest checkpoint that both ranks had written: at most the one in the making is lost.

    So what is done again is one interval, and the steps taken while that checkpoint was being written.
    """
    found = re.search(r"resumed from .*, epoch (\d+) step (\d+):", log)
    if found is None:  # killed before it looked, or nothing was there
        assert whole.step == 0 or "joined" not in log or "training mobilenet" not in log
        return
    moment = Moment(int(found[1]), int(found[2]))
    assert moment >= whole
    step = (moment.epoch - 1) * per_epoch + moment.step
    assert step >= ((done - 1) // INTERVAL - 1) * INTERVAL
    again.append(max(done - step, 0))


def test_cards_share_the_validation_and_agree_on_it(root: Path, bucket: Path, drawn: Path) -> None:
    shutil.rmtree(bucket / "data")
    shutil.copytree(drawn, bucket / "data")
    validating = ["--val_pictures=5", "--max_epoch_train_NP=1"]  # one card has three of the pictures, the other two
    assert launch_ranks(command(root, "obs://bucket/out", *validating), 2, {}, "logs", timeout_s=500) == 0
    records = [read_record(bucket / "out" / f"ckpt_{rank}" / record_name(rank)) for rank in range(2)]
    found = [[{k: v for k, v in line.items() if k.startswith("val_")} for line in record] for record in records]
    for one, other in zip(*found):
        assert {**one, "val_s": 0} == {**other, "val_s": 0}
    assert [line["val_pictures"] for line in found[0] if line] == [5, 5]
    best = json.loads((bucket / "out" / "ckpt_0" / "best.json").read_text())
    assert (bucket / "out" / "ckpt_0" / best["checkpoint"]).is_file()
    assert (bucket / "out" / "index.html").is_file()
