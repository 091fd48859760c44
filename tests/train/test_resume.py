"""Trying checkpoints one after the other: what is skipped, with which reason, and where it ends."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, nn

from src.errors import CheckpointError, ConfigError, JobError, OutputError
from src.train.checkpoints.checkpoint import SnapshotBuffers, take_snapshot, write_snapshot
from src.train.checkpoints.manifest import CheckpointName
from src.train.checkpoints.storage import Candidate
from src.train.resume import Resume

pytestmark = pytest.mark.usefixtures("on_cpu")
STEPS_PER_EPOCH, TOTAL = 3, 9
IDENTITY = {"lr": 0.1}


class Step(nn.Cell):
    """A training step's parameters, without the training."""

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__(auto_prefix=False)
        self.weight = Parameter(ms.Tensor(np.full(3, weight, np.float32)), name="weight")
        self.global_step = Parameter(ms.Tensor([0], ms.int32), name="global_step")
        self.optimizer = SimpleNamespace(global_step=self.global_step)


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[..., Candidate]:
    """A checkpoint after so many steps whose weights are that number; `break_it` changes the file or the array."""

    def make(done: int, value: float | None = None, identity: Any = IDENTITY, damage: str = "") -> Candidate:
        epoch, step = (done - 1) // STEPS_PER_EPOCH + 1, (done - 1) % STEPS_PER_EPOCH + 1
        where = {"epoch": epoch, "step": step, "global_step": done, "steps_per_epoch": STEPS_PER_EPOCH}
        snapshot = take_snapshot(Step(float(done)), where)
        if value is not None:
            snapshot.arrays["weight"][1] = value
        path = tmp_path / str(CheckpointName(0, epoch, step))
        manifest = write_snapshot(snapshot, path, 0, 1, identity)
        assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

        def fetch() -> Path:
            if damage:
                raise CheckpointError(f"{path}: damaged: {damage}")
            return path

        return Candidate(manifest, f"step {done}", "obs://b/out", fetch, lambda exactly: chosen.append((done, exactly)))

    chosen: list[tuple[int, bool]] = []
    make.chosen = chosen  # type: ignore[attr-defined]
    return make


def resume(step: Step, *candidates: Candidate, accept: bool = False, others_can: bool = True) -> Resume:
    together = SimpleNamespace(all=lambda vote: vote and others_can)
    recipe = SimpleNamespace(steps_per_epoch=STEPS_PER_EPOCH, total_steps=TOTAL)
    return Resume(list(candidates), step, together, recipe, IDENTITY, accept)  # type: ignore[arg-type]


def test_nothing_there_is_a_fresh_start() -> None:
    assert resume(Step()).restore_next() is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_damaged_and_diverged_ones_are_skipped_with_the_reason(
    candidate: Callable[..., Candidate], caplog: pytest.LogCaptureFixture, value: float
) -> None:
    step = Step()
    ones = [candidate(7, damage="bits"), candidate(6, value=value), candidate(5)]
    assert resume(step, *ones).restore_next() == 5
    assert step.weight.asnumpy().tolist() == [5, 5, 5]
    assert "damaged: bits" in caplog.text
    assert "weight is not finite" in caplog.text
    assert candidate.chosen == [(5, True)]  # type: ignore[attr-defined]


def test_one_that_does_not_train_is_followed_by_an_older_one(
    candidate: Callable[..., Candidate], caplog: pytest.LogCaptureFixture
) -> None:
    step = Step()
    tried = resume(step, candidate(7), candidate(5))
    assert tried.restore_next() == 7
    assert tried.skip_last("its next step gives a loss of nan") == 5
    assert "skipping checkpoint: step 7: its next step gives a loss of nan" in caplog.text
    assert step.weight.asnumpy().tolist() == [5, 5, 5]
    with pytest.raises(JobError, match="none of the 2 complete checkpoints can be used"):
        tried.skip_last("its next step gives a loss of inf")


def test_all_damaged_is_no_reason_to_start_from_the_beginning(candidate: Callable[..., Candidate]) -> None:
    with pytest.raises(JobError, match="none of the 1 complete checkpoints can be used") as raised:
        resume(Step(), candidate(5, damage="bits")).restore_next()
    assert raised.value.exit_code == 1


def test_what_another_rank_cannot_use_is_skipped_by_all(
    candidate: Callable[..., Candidate], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError):
        resume(Step(), candidate(5), others_can=False).restore_next()
    assert "skipping checkpoint: step 5: another rank cannot use its copy" in caplog.text


def test_a_changed_run_needs_consent_and_starts_the_epoch_over(candidate: Callable[..., Candidate]) -> None:
    changed = {"lr": 0.2}
    with pytest.raises(ConfigError, match=r"lr was 0.2, is 0.1.*--resume_changed=True"):
        resume(Step(), candidate(5, identity=changed)).restore_next()
    step = Step()
    assert resume(step, candidate(2, identity=changed), accept=True).restore_next() == 0
    assert step.weight.asnumpy().tolist() == [2, 2, 2]  # restored, although no step of the new run is done
    assert candidate.chosen == [(2, False)]  # type: ignore[attr-defined]


def test_weights_that_are_not_finite_are_not_taken_for_a_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    step = Step(float("nan"))
    with pytest.raises(JobError, match=r"not finite after epoch 2, step 1 \(weight\).*lower lr"):
        take_snapshot(step, {"epoch": 2, "step": 1})


def test_snapshots_share_memory_only_when_the_earlier_one_is_written(tmp_path: Path) -> None:
    buffers, where = SnapshotBuffers(), {"epoch": 1, "step": 1, "global_step": 1, "steps_per_epoch": 5}
    first, second = (take_snapshot(Step(value), where, buffers) for value in (1.0, 2.0))
    written = first.arrays["weight"]
    assert not np.shares_memory(written, second.arrays["weight"])
    manifest = write_snapshot(first, tmp_path / "first.ckpt", 0, 1, {})
    third = take_snapshot(Step(3.0), where, buffers)
    assert third.arrays["weight"] is written
    assert [one.arrays["weight"].tolist() for one in (second, third)] == [[2.0] * 3, [3.0] * 3]
    assert ms.load_checkpoint(str(tmp_path / "first.ckpt"))["weight"].asnumpy().tolist() == [1.0] * 3
    assert manifest.weights_norm == pytest.approx(3**0.5)
    with pytest.raises(OutputError):
        write_snapshot(second, tmp_path / "first.ckpt" / "below", 0, 1, {})
    assert len(buffers._free) == 1, "given back also when writing fails"
