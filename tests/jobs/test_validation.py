"""Validation while training: what it records, what it leaves alone, which checkpoint is the best."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from src.net.weights import read_checkpoint
from src.train.monitoring.loss_record import read_record
from tests.jobs.conftest import Job

VALIDATE = ["--val_pictures=4", "--jsonpath_val=val/person_keypoints.json", "--imgpath_val=images", "--ckpt_interval=1"]
LAST = "openpose-train-rank0-2_3.ckpt"


@pytest.fixture
def validation_set(bucket: Path) -> Path:
    """The training annotations under another name, in the bucket."""
    target = bucket / "data" / "val" / "person_keypoints.json"
    target.parent.mkdir()
    shutil.copyfile(bucket / "data" / "annotations" / "person_keypoints.json", target)
    return target


def test_validation_changes_nothing_and_a_resumed_run_goes_on_with_it(
    train: Job, bucket: Path, validation_set: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    everything = ["--keep_checkpoint_max=0"]
    assert train(*VALIDATE, *everything, "--max_epoch_train=1") == 0
    assert "4 of 4 validation pictures are training pictures, too" in caplog.text
    assert train(*VALIDATE, *everything, "--max_epoch_train=2", "--scratch_path=fresh_container") == 0
    folder = bucket / "out" / "ckpt_0"
    with_it, without = (read_checkpoint(each / LAST)[0] for each in (folder, straight / "ckpt_0"))
    assert set(with_it) == set(without)
    assert all(np.array_equal(with_it[name].asnumpy(), without[name].asnumpy()) for name in without)

    lines = read_record(folder / "loss-rank0.jsonl")
    validated = [line for line in lines if "val_loss" in line]
    assert [line["global_step"] for line in lines] == [0, 1, 2, 3, 4, 5, 6]
    assert [line["global_step"] for line in validated] == [0, 3, 6]
    assert all(line["val_pictures"] == 4 and line["val_share"] > 0 for line in validated)
    assert len({line["val_loss"] for line in validated}) == 3
    best = json.loads((folder / "best.json").read_text())
    expected = max(validated[1:], key=lambda line: (line["val_ap"], line["val_pck"], -line["val_loss"]))
    assert (best["epoch"], best["step"]) == (expected["epoch"], expected["step"])
    assert (folder / best["checkpoint"]).is_file()
    assert best["validated_on"] == "validation pictures"
    page = (bucket / "out" / "index.html").read_text(encoding="utf-8")
    assert LAST in page
    assert page.count("data:image/jpeg;base64,") == 8
    assert len(json.loads((folder / "validation_poses.json").read_text())) == 2
    startup = json.loads((folder / "startup.json").read_text())
    assert startup["data"]["pictures"] == 6
    assert startup["data"]["labels"]["Nose"] > 0
    assert 0.5 < startup["data"]["counted_share"] <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jsonpath_val=val/person_keypoints.json"], ["imgpath_val", "is empty"]),
        (["--jsonpath_val=val/none.json", "--imgpath_val=images"], ["none.json"]),
        (["--jsonpath_val=val/unlabelled.json", "--imgpath_val=images"], ["unlabelled.json", "keypoints"]),
    ],
)
def test_a_validation_set_that_cannot_work_is_said_before_training(
    train: Job,
    bucket: Path,
    validation_set: Path,
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    words: list[str],
) -> None:
    content = json.loads(validation_set.read_text())
    for annotation in content["annotations"]:
        annotation["keypoints"], annotation["num_keypoints"] = [0] * 51, 0
    (validation_set.parent / "unlabelled.json").write_text(json.dumps(content))
    assert train("--val_pictures=4", *arguments) == 2
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert all(word in message for word in words), message
    assert not (bucket / "out").exists()
