"""Two data sets in one training job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from src.net.weights import read_checkpoint
from tests.jobs.conftest import Job

MIXED = ["--data_url=obs://bucket/data,obs://bucket/more", "--data_weights=1,0.5", "--ignore_unannotated=False,True"]
LAST = "openpose-train-rank0-2_4.ckpt"  # 6 of the first and 3 of the second set: 4 steps of 2


def test_a_mixed_run_resumes_exactly_from_streamed_pictures_and_reports_each_set(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(bucket / "data", bucket / "more")
    assert train(*MIXED, "--max_epoch_train=2") == 0
    assert "data set 2 of 2:" in caplog.text
    again = ["--train_url=obs://bucket/again", "--stage=stream"]
    assert train(*MIXED, *again, "--max_epoch_train=1") == 0
    assert train(*MIXED, *again, "--max_epoch_train=2", "--scratch_path=fresh_container") == 0
    one, two = (read_checkpoint(bucket / run / "ckpt_0" / LAST)[0] for run in ("out", "again"))
    assert all(np.array_equal(one[name].asnumpy(), two[name].asnumpy()) for name in one)
    data = json.loads((bucket / "out" / "ckpt_0" / "startup.json").read_text())["data"]
    assert (data["pictures"], data["per_epoch"]) == (12, 9)
    for counts in ("excluded", "labels"):
        first, second = (part[counts] for part in data["sets"])
        assert data[counts] == {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}
    assert [part["per_epoch"] for part in data["sets"]] == [6, 3]
    assert data["sets"][0]["counted_share"] > data["sets"][1]["counted_share"]
    assert train(*MIXED, "--max_epoch_train=3", "--data_weights=1,1") == 2
    assert "data_weights was [1.0, 0.5], is 1.0" in caplog.text


def test_a_set_that_is_not_there_is_named(train: Job, bucket: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert train("--data_url=obs://bucket/data,obs://bucket/absent") != 0
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "obs://bucket/absent" in message
    assert not list((bucket / "out").rglob("*.ckpt"))
