"""Going on from published checkpoints: exactly, past damaged ones, and never into a different run by accident."""

from __future__ import annotations

import _thread
import json
import re
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

import obs_sync
from modelarts.runtime import training
from obs_sync.transfer import uploader as uploader_module
from src.files import file_sha256
from src.net.weights import read_checkpoint
from src.train.checkpoints import checkpoint
from src.train.checkpoints.checkpoint import write_tensors
from src.train.checkpoints.manifest import Manifest, manifest_name
from src.train.monitoring.loss_record import SCALARS_FILE
from tests.jobs.conftest import TWO_EPOCHS, Job
from tests.jobs.test_training_job import errors
from tests.train.monitoring.test_loss_record import scalars

pytestmark = pytest.mark.mindspore

EVERY_STEP = "--ckpt_interval=1"


def name(epoch: int, step: int, rank: int = 0) -> str:
    return f"openpose-train-rank{rank}-{epoch}_{step}.ckpt"


def state(folder: Path, epoch: int, step: int) -> dict[str, np.ndarray]:
    parameters, _ = read_checkpoint(folder / "ckpt_0" / name(epoch, step))
    return {key: value.asnumpy() for key, value in parameters.items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def forget_after(folder: Path, kept: set[tuple[int, int]]) -> None:
    """Remove all checkpoints but some, as if the job had been killed before it took them."""
    names = {name(*moment) for moment in kept}
    for path in (folder / "ckpt_0").iterdir():
        if path.name.removesuffix(".manifest.json") not in names:
            path.unlink()


def explode(folder: Path, file_name: str) -> None:
    """Make a checkpoint's weights so large, though finite, that the next loss is not; its manifest fits."""
    path, stated = folder / file_name, folder / manifest_name(file_name)
    parameters, meta = read_checkpoint(path)
    arrays = {key: value.asnumpy() for key, value in parameters.items()}
    huge = {key: a * a.dtype.type(1e30) if key.startswith("stage_") else a for key, a in arrays.items()}
    write_tensors({key: ms.Tensor(array) for key, array in huge.items()}, path, meta)
    manifest = Manifest.from_json(stated.read_bytes(), stated.name)
    stated.write_text(replace(manifest, size=path.stat().st_size, sha256=file_sha256(path)).to_json())


def test_momentum_ends_with_the_very_same_parameters(train: Job, bucket: Path) -> None:
    settings = ["--optimizer=Momentum", *TWO_EPOCHS]
    assert train(*settings) == 0
    straight = state(bucket / "out", 2, 3)
    assert any(key.startswith("moment") for key in straight)
    forget_after(bucket / "out", {(1, 2)})  # in the middle of an epoch
    assert train(*settings) == 0
    assert same(state(bucket / "out", 2, 3), straight)


def test_damaged_and_exploded_checkpoints_are_skipped_and_adam_ends_with_the_very_same_parameters(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(straight, bucket / "out")
    folder = bucket / "out" / "ckpt_0"
    flipped = bytearray((folder / name(2, 3)).read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (folder / name(2, 3)).write_bytes(flipped)
    (folder / name(2, 2)).write_bytes((folder / name(2, 2)).read_bytes()[:-100])
    (folder / manifest_name(name(2, 1))).unlink()
    (folder / manifest_name(name(1, 3))).write_text("{")
    explode(folder, name(1, 2))
    assert train(*TWO_EPOCHS) == 0
    for reason in (
        rf"{name(2, 3)}: damaged: its content",
        rf"{name(2, 2)}: damaged: \d+ bytes instead of the \d+",
        "epoch 2 step 1: no manifest",
        rf"{name(1, 3)}.manifest.json: not a valid checkpoint manifest",
        "resumed from .* epoch 1 step 2: 2 of 6 steps are done",
        "skipping checkpoint: .* epoch 1 step 2: its next step gives a loss of (inf|nan)",
        "resumed from .* epoch 1 step 1: 1 of 6 steps are done",
    ):
        assert re.search(reason, caplog.text)
    ends = state(straight, 2, 3)
    assert any(key.startswith("moment2") for key in ends)
    assert same(state(bucket / "out", 2, 3), ends)


def test_more_epochs_simply_continue_and_the_loss_record_has_every_step_once(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train("--max_epoch_train=1", "--resume=never") == 0
    assert train("--max_epoch_train=2", "--scratch_path=fresh_container") == 0
    assert "3 of 6 steps are done" in caplog.text
    assert same(state(bucket / "out", 2, 3), state(straight, 2, 3))
    lines = [json.loads(line) for line in (bucket / "out/ckpt_0/loss-rank0.jsonl").read_text().splitlines()]
    assert [line["global_step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [(line["epoch"], line["step"]) for line in lines] == [(e, s) for e in (1, 2) for s in (1, 2, 3)]
    assert all(line["loss"] > 0 and line["step_s"] > 0 and line["lr"] > 0 for line in lines)
    assert (bucket / "out/ckpt_0/loss.png").read_bytes().startswith(b"\x89PNG")
    assert [step for step, _ in scalars(bucket / "out/ckpt_0" / SCALARS_FILE)] == [1, 2, 3, 4, 5, 6]
    caplog.clear()
    assert train("--max_epoch_train=2") == 0
    assert "nothing left to train" in caplog.text


def test_never_does_not_mix_runs(train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(straight, bucket / "out")
    assert train("--max_epoch_train=3", "--resume=never") == 2
    assert "train_url" in errors(caplog)[-1]
    assert not (bucket / "out/ckpt_0" / name(3, 3)).exists()


def test_a_named_checkpoint_or_run(train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(straight, bucket / "first")
    checkpoint = f"--resume=obs://bucket/first/ckpt_0/{name(2, 1)}"
    assert train("--max_epoch_train=2", "--train_url=obs://bucket/second", checkpoint) == 0
    assert "4 of 6 steps are done" in caplog.text
    assert same(state(straight, 2, 3), state(bucket / "second", 2, 3))
    assert train("--max_epoch_train=2", "--train_url=obs://bucket/third", "--resume=obs://bucket/first") == 0
    assert "6 of 6 steps are done" in caplog.text
    assert train("--train_url=obs://bucket/fourth", "--resume=obs://bucket/nothing-here") == 2
    assert "obs://bucket/nothing-here" in errors(caplog)[-1]


def test_a_changed_run_is_refused_unless_told_to_go_on(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(straight, bucket / "out")
    forget_after(bucket / "out", {(1, 3)})
    assert train("--max_epoch_train=2", "--batch_size=3") == 2
    assert "batch_size was 2, is 3" in errors(caplog)[-1]
    assert "--resume_changed=True" in errors(caplog)[-1]
    assert train("--max_epoch_train=2", "--batch_size=3", "--resume_changed=True") == 0
    assert int(state(bucket / "out", 2, 2)["global_step"][0]) == 4  # one epoch of two new steps done, one more made


def test_another_data_set_is_refused(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(straight, bucket / "out")
    annotations = bucket / "data" / "annotations" / "person_keypoints.json"
    annotations.write_text(annotations.read_text() + "\n")
    assert train("--max_epoch_train=3") == 2
    assert "the annotation file has changed" in errors(caplog)[-1]


def test_resuming_comes_before_pretrained(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(straight, bucket / "first")
    pretrained = [
        "--load_pretrain=True",
        "--pretrained_model_folder_path_relative=obs_root/bucket/first/ckpt_0",
        f"--pretrained_model_filename={name(1, 3)}",
    ]
    shutil.copytree(straight, bucket / "out")
    assert train("--max_epoch_train=2", *pretrained) == 0
    assert "6 of 6 steps are done" in caplog.text
    assert "ignoring load_pretrain" in caplog.text
    assert "parameters loaded" not in caplog.text


def test_a_full_disk_and_a_store_that_never_comes_back_are_told_and_the_next_start_publishes(
    train: Job, bucket: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(source: str, target: str, **_: object) -> object:
        raise obs_sync.Transient("the store does not answer", url=target, operation="upload")

    write, failures = checkpoint.write_entries, iter(range(1))

    def no_room_at_first(*arguments: object, **options: object) -> object:
        if next(failures, None) is not None:
            raise OSError(28, "No space left on device")
        return write(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write_entries", no_room_at_first)
    with monkeypatch.context() as patch:
        patch.setattr(uploader_module, "copy", never)
        assert train("--max_epoch_train=1", "--publish_wait=5", EVERY_STEP) == 3
    told = [line for line in errors(caplog) if line.startswith("not published")]
    assert re.search(rf"{name(1, 1)}: not written: .*No space left", told[0])
    assert len([line for line in told if ".manifest.json" in line]) == 2
    for line in told[1:]:
        for path in re.search(r"still at (.*)", line)[1].split(", "):  # type: ignore[index]
            assert (tmp_path / path).is_file()
    # The next start publishes them and finds nothing left to train.
    assert train("--max_epoch_train=1", EVERY_STEP) == 0
    written = {path.name for path in (bucket / "out/ckpt_0").glob("openpose*")}
    assert written == {file for step in (2, 3) for file in (name(1, step), manifest_name(name(1, step)))}
    assert "nothing left to train" in caplog.text


def test_ctrl_c_leaves_in_its_time_and_what_did_not_arrive_goes_with_the_next_start(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_an_epoch() -> None:
        while sum(record.getMessage().startswith("epoch ") for record in list(caplog.records)) < 2:
            time.sleep(0.01)
        _thread.interrupt_main()

    def never(source: str, target: str, **_: object) -> object:
        raise obs_sync.Transient("the store does not answer", url=target, operation="upload")

    monkeypatch.setattr(training, "DRAIN_WHEN_STOPPED_S", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(uploader_module, "copy", never)
        threading.Thread(target=stop_after_an_epoch, daemon=True).start()
        assert train("--max_epoch_train=500", "--ckpt_epoch_interval=0") == 130
    saved = re.search(
        r"stopped by Ctrl-C after epoch (\d+), step (\d+), which is saved; the same command continues", caplog.text
    )
    assert saved is not None
    file_name = name(int(saved[1]), int(saved[2]))
    assert re.search(rf"not published: .*{file_name}.*still at", caplog.text)
    assert train("--max_epoch_train=1") == 0
    assert f"{(int(saved[1]) - 1) * 3 + int(saved[2])} of 3 steps are done" in caplog.text
    assert (bucket / "out" / "ckpt_0" / manifest_name(file_name)).is_file()
