"""A small drawn data set in a local bucket, and the jobs called as the platform calls them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modelarts.runtime.entry import inference_job, training_job

SMALL = [
    *("--network=mobilenet_v2", "--stages=1", "--insize=64", "--batch_size=2", "--device_target=CPU"),
    "--export_format=none",  # another compilation; what it gives is seen where it is asked for
    "--val_pictures=0",  # likewise
]
DATA = ["--imgpath_train=images", "--jsonpath_train=annotations/person_keypoints.json"]
URLS = ["--data_url=obs://bucket/data", "--train_url=obs://bucket/out", "--storage_mode=local"]
TWO_EPOCHS = ["--max_epoch_train=2", "--ckpt_interval=1", "--keep_checkpoint_max=0"]

Job = Callable[..., int]


@pytest.fixture
def bucket(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The local bucket obs://bucket/ of a fresh working folder, with the drawn data set under data/."""
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "obs_root" / "bucket"
    shutil.copytree(drawn, target / "data")
    return target


@pytest.fixture(scope="session")
def straight(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The train_url of an undisturbed run of two epochs of three steps, with every checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("straight")
    shutil.copytree(drawn, folder / "obs_root" / "bucket" / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert training_job([*SMALL, *DATA, *URLS, *TWO_EPOCHS]) == 0
    return folder / "obs_root" / "bucket" / "out"


@pytest.fixture(autouse=True)
def _see_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def train(bucket: Path) -> Job:
    """Run a small training job on obs://bucket/data; further arguments override; returns the exit code."""

    def run(*arguments: str) -> int:
        return training_job([*SMALL, *DATA, *URLS, *arguments])

    return run


@pytest.fixture
def infer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Run the inference job with the small network's settings; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        settings = ["--network=mobilenet_v2", "--stages=1", "--infer_insize=64", "--device_target=CPU"]
        return inference_job([*settings, "--storage_mode=local", *arguments])

    return run
