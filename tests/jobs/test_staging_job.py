"""Staging in the training job: pictures that arrive while it trains make no difference; the start-up is reported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.jobs.conftest import Job
from tests.jobs.test_resume import same, state


def test_a_stream_trains_as_all_at_once_and_its_start_is_reported(
    train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bucket / "data" / "images" / "not-annotated.jpg").write_bytes(b"never read")
    assert train("--max_epoch_train=2", "--stage=stream", "--scratch_path=one", "--log_interval=1") == 0
    messages = caplog.text
    assert same(state(bucket / "out", 2, 3), state(straight, 2, 3))
    assert len(re.findall(r"epoch \d/2 step \d/3: loss", messages)) == 6
    assert len(list(Path("one").glob("staged/**/*.jpg"))) == 6
    report = json.loads((bucket / "out" / "ckpt_0" / "startup.json").read_text())
    seconds = {phase["name"]: phase["seconds"] for phase in report["phases"]}
    for phase in ("staging annotations", "staging pictures", "indexing", "building the network", "first batch"):
        assert phase in seconds
        assert phase in messages
    assert seconds["compile, first step"] > 0
    assert sum(seconds.values()) <= report["total_s"] + 0.01
    record = (bucket / "out" / "ckpt_0" / "loss-rank0.jsonl").read_text().splitlines()
    assert all(0 <= json.loads(line)["data_wait_share"] <= 1 for line in record)
