"""Staging in the training job: pictures that arrive while it trains make no difference; the start-up is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.conftest import Job
from tests.jobs.test_training_job import losses


def test_a_stream_trains_as_all_at_once_and_its_start_is_reported(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = ["--max_epoch_train=2", "--log_interval=1", "--ckpt_epoch_interval=0", "--keep_checkpoint_max=2"]
    (bucket / "data" / "images" / "not-annotated.jpg").write_bytes(b"never read")
    assert train(*short, "--stage=stream", "--scratch_path=one") == 0
    first, messages = losses(caplog), caplog.text
    caplog.clear()
    assert train(*short, "--stage=full", "--scratch_path=two", "--train_url=obs://bucket/other") == 0
    assert losses(caplog) == first
    assert len(first) == 6
    staged = [sorted(path.name for path in Path(scratch).glob("staged/**/*.jpg")) for scratch in ("one", "two")]
    assert staged[0] == staged[1]
    assert len(staged[0]) == 6
    report = json.loads((bucket / "out" / "ckpt_0" / "startup.json").read_text())
    seconds = {phase["name"]: phase["seconds"] for phase in report["phases"]}
    for phase in ("staging annotations", "staging pictures", "indexing", "building the network", "first batch"):
        assert phase in seconds
        assert phase in messages
    assert seconds["compile, first step"] > 0
    assert sum(seconds.values()) <= report["total_s"] + 0.01
    record = (bucket / "out" / "ckpt_0" / "loss-rank0.jsonl").read_text().splitlines()
    assert all(0 <= json.loads(line)["data_wait_share"] <= 1 for line in record)
