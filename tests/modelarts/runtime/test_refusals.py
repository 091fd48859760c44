"""A job that ended because of a wrong input is not tried again by the platform's restarts."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from modelarts.runtime import entry
from modelarts.runtime.entry import inference_job, training_job
from src.errors import DataError, JobError
from src.model_utils.config import Config

ARGUMENTS = ["--storage_mode=local", "--data_url=obs://bucket/data", "--train_url=obs://bucket/out"]


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The starts of a job whose input is wrong; each begins in the same working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOB_ID", "modelarts-job-7")
    caplog.set_level(logging.INFO)
    (tmp_path / "obs_root" / "bucket").mkdir(parents=True)
    made: list[str] = []

    def work(config: Config) -> None:
        made.append(config.train_url)
        raise DataError(f"start {len(made)}: the input is wrong")

    monkeypatch.setattr(entry, "_train", work)
    monkeypatch.setattr(entry, "val", work)
    return made


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("fresh_container", [False, True])
def test_a_restart_ends_at_once_with_the_same_line(
    starts: list[str], caplog: pytest.LogCaptureFixture, tmp_path: Path, fresh_container: bool
) -> None:
    for _ in range(3):
        assert training_job(ARGUMENTS) == 2
        if fresh_container:
            shutil.rmtree(tmp_path / "work", ignore_errors=True)
    assert len(starts) == 1
    assert errors(caplog).count("start 1: the input is wrong") == 3
    assert "submit a new job" in caplog.text


def test_another_job_and_a_laptop_try_again(starts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for job in ("modelarts-job-7", "modelarts-job-8", "../7", ""):
        monkeypatch.setenv("JOB_ID", job)
        assert training_job(ARGUMENTS) == 2
        assert training_job(ARGUMENTS) == 2
    assert len(starts) == 3 + 2


def test_inference_leaves_its_marker_with_the_results(starts: list[str], tmp_path: Path) -> None:
    arguments = ["--storage_mode=local", "--is_model_arts=True", "--output_path_root_obs=obs://bucket/job"]
    assert inference_job(arguments) == 2
    shutil.rmtree(tmp_path / "work", ignore_errors=True)
    assert inference_job(arguments) == 2
    assert len(starts) == 1
    assert [path.name for path in (tmp_path / "obs_root/bucket/job").iterdir()] == [".refused-modelarts-job-7.json"]


def test_ctrl_c_before_the_work_has_begun_ends_in_one_line(
    starts: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupt(_config: Config) -> None:
        raise KeyboardInterrupt

    for name, job in (("_train", training_job), ("val", inference_job)):
        monkeypatch.setattr(entry, name, interrupt)
        assert job(["--storage_mode=local"]) == 130
    assert errors(caplog) == ["interrupted; the same command continues"] * 2


@pytest.mark.parametrize(
    "content", ["", "{", "[" * 100_000, '{"job": "modelarts-job-7"}', '{"message": 7, "job": "modelarts-job-7"}']
)
def test_a_broken_marker_stops_nobody(starts: list[str], tmp_path: Path, content: str) -> None:
    folder = tmp_path / "work" / "refused"
    folder.mkdir(parents=True)
    (folder / ".refused-modelarts-job-7.json").write_text(content)
    assert training_job(ARGUMENTS) == 2
    assert len(starts) == 1


def test_other_failures_are_tried_again(starts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_config: Config) -> None:
        starts.append("failed")
        raise JobError("the loss is nan")

    monkeypatch.setattr(entry, "_train", fail)
    assert training_job(ARGUMENTS) == training_job(ARGUMENTS) == 1
    assert len(starts) == 2
