"""Several cards on one machine: with checkpoints missing, or killed at any moment, a run ends like an undisturbed one.

KILLS sets how often the run with random kills is interrupted (5 by default, 20 for a thorough night).
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import statistics
import time
from pathlib import Path

import pytest

from src.errors import PeerError
from src.train.checkpoints.checkpoint import BATCH_STATISTICS
from src.train.checkpoints.manifest import Manifest, Moment, manifest_name
from src.train.monitoring.loss_record import read_record, record_name
from tests.fakes.cluster import launch_ranks
from tests.jobs.several_cards.ranks import INTERVAL, Ranks, command, moments_of, parameters, start
from tests.jobs.several_cards.store_watch import StoreWatch
from tests.jobs.test_resume import name, same

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "5"))
#: When a rank is killed, in turns.
KILL_AT = ("save", "upload", "compute", "staging", "meeting")
ADAM = ["--optimizer_NP=Adam", f"--max_epoch_train_NP={8 + 3 * KILLS}", "--log_interval=1"]
MOMENTUM_EPOCHS = 3
MOMENTUM = [f"--max_epoch_train_NP={MOMENTUM_EPOCHS}", "--publish=verify"]


def run_undisturbed(root: Path, drawn: Path, folder: Path, *settings: str) -> Path:
    """Train on two cards in a folder of its own, to the end; returns the train_url."""
    shutil.copytree(drawn, folder / "obs_root" / "bucket" / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert launch_ranks(command(root, "obs://bucket/out", *settings), 2, {}, "logs", timeout_s=500) == 0
    return folder / "obs_root" / "bucket" / "out"


@pytest.fixture(scope="module")
def undisturbed(root: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The train_url of a run with Adam; not to be changed."""
    return run_undisturbed(root, drawn, tmp_path_factory.mktemp("undisturbed"), *ADAM)


def test_one_ranks_missing_checkpoint_sends_all_to_an_older_one_and_adam_ends_the_same(
    root: Path, bucket: Path, undisturbed: Path
) -> None:
    out = bucket / "out"
    shutil.copytree(undisturbed, out)
    moments = moments_of(out)
    (out / "ckpt_1" / manifest_name(name(*moments[0], rank=1))).unlink()
    damaged = out / "ckpt_1" / name(*moments[1], rank=1)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    assert launch_ranks(command(root, "obs://bucket/out", *ADAM), 2, {}, "logs", timeout_s=300) == 0
    logs = [Path(f"logs/worker_{rank}.log").read_text(errors="replace") for rank in (0, 1)]
    assert "no manifest of rank 1" in logs[0]
    assert "damaged" in logs[1]
    assert "another rank cannot use its copy" in logs[0]
    for rank, log in enumerate(logs):
        assert re.search(rf"resumed from .*epoch {moments[2].epoch} step {moments[2].step}:", log)
        assert same(parameters(out, rank, moments[0]), parameters(undisturbed, rank, moments[0]))


@pytest.fixture(scope="module")
def verified(root: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The train_url of a run with Momentum and publish=verify that validates while it trains; not to be changed."""
    return run_undisturbed(root, drawn, tmp_path_factory.mktemp("verified"), *MOMENTUM, "--val_pictures=5")


def test_momentum_ends_the_same_from_rank_0s_files_alone(root: Path, bucket: Path, verified: Path) -> None:
    """publish=verify: the other rank's digest arrives, its file does not; only its batch statistics are rank 0's.

    What goes on does not validate, which makes no difference either.
    """
    last, middle, *_ = moments_of(verified)
    for rank in (0, 1):
        files = {path.name for path in (verified / f"ckpt_{rank}").glob("openpose*")}
        stated = {manifest_name(name(*moment, rank)) for moment in moments_of(verified)}
        assert files == stated | ({name(*moment) for moment in moments_of(verified)} if rank == 0 else set())
        (bucket / "out" / f"ckpt_{rank}").mkdir(parents=True)
        for file_name in {name(*middle, rank), manifest_name(name(*middle, rank))} & files:
            shutil.copy(verified / f"ckpt_{rank}" / file_name, bucket / "out" / f"ckpt_{rank}")
    assert middle.step % 4  # in the middle of an epoch
    assert launch_ranks(command(root, "obs://bucket/out", *MOMENTUM), 2, {}, "logs", timeout_s=300) == 0
    assert same(parameters(verified, 0, last), parameters(bucket / "out", 0, last))
    digests = {
        Manifest.from_json((run / f"ckpt_{rank}" / manifest_name(name(*last, rank))).read_bytes(), "").weights_sha256
        for run in (verified, bucket / "out")
        for rank in (0, 1)
    }
    assert len(digests) == 1
    assert any(key.endswith(BATCH_STATISTICS) for key in parameters(verified, 0, last))


def test_cards_share_the_validation_and_agree_on_it(verified: Path) -> None:
    """Of its five pictures one card has three, the other two."""
    records = [read_record(verified / f"ckpt_{rank}" / record_name(rank)) for rank in range(2)]
    found = [[{k: v for k, v in line.items() if k.startswith("val_")} for line in record] for record in records]
    for one, other in zip(*found):
        assert {**one, "val_s": 0} == {**other, "val_s": 0}
    assert [line["val_pictures"] for line in found[0] if line] == [5] * (1 + MOMENTUM_EPOCHS)
    best = json.loads((verified / "ckpt_0" / "best.json").read_text())
    assert (verified / "ckpt_0" / best["checkpoint"]).is_file()
    assert (verified / "index.html").is_file()


def wait_to_kill(ranks: Ranks, victim: int, when: str, rng: random.Random) -> bool:
    """Return at a random instant of the wanted kind; False when the run ended before."""
    checkpoints = Path("work/checkpoints")
    awaited = {
        "staging": lambda: "storage mode" in ranks.log(0),  # it writes what all would
        "meeting": lambda: "ckpt_" in ranks.log(0),
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
    run, out = command(root, "obs://bucket/out", *ADAM), bucket / "out"
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
        codes = ranks.ended()
        ranks.end()
        assert None not in codes, ranks.log(1 - victim)[-2000:]
        assert early or codes == [0, 0], ranks.log(0)[-2000:]
        if early and when == "compute":
            assert codes[1 - victim] == PeerError.exit_code
            assert f"rank {victim} died" in ranks.last_line(1 - victim)
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
