"""A small drawn data set in a local bucket, and the jobs called as the platform calls them."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modelarts.runtime.entry import training_job
from tests.fakes.tiny_network import tiny_network

SMALL = [
    *("--network=mobilenet_v2", "--stages=1", "--insize=64", "--batch_size=2", "--device_target=CPU"),
    "--export_format=none",  # another compilation; what it gives is seen where it is asked for
    "--val_pictures=0",  # likewise
]
DATA = ["--imgpath_train=images", "--jsonpath_train=annotations/person_keypoints.json"]
URLS = ["--data_url=obs://bucket/data", "--train_url=obs://bucket/out", "--storage_mode=local"]
TWO_EPOCHS = ["--max_epoch_train=2", "--ckpt_interval=1", "--keep_checkpoint_max=0"]

Job = Callable[..., int]


def run_training(*arguments: str) -> int:
    """Run a training job; returns the exit code.

    The network of an earlier job in this process is freed first: freed later, it takes from MindSpore's memory what has
    been compiled meanwhile, and the second step compiles again.
    """
    gc.collect()
    return training_job(arguments)


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
        with tiny_network():
            assert run_training(*SMALL, *DATA, *URLS, *TWO_EPOCHS) == 0
    return folder / "obs_root" / "bucket" / "out"


@pytest.fixture(autouse=True)
def _see_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def train(bucket: Path) -> Job:
    """Run a training job with the tiny network on obs://bucket/data; further arguments override; returns its code."""

    def run(*arguments: str) -> int:
        with tiny_network():
            return run_training(*SMALL, *DATA, *URLS, *arguments)

    return run


@pytest.fixture
def train_small(bucket: Path) -> Job:
    """The same with the real small network, which takes several times as long to compile."""
    return lambda *arguments: run_training(*SMALL, *DATA, *URLS, *arguments)
