"""`best` stands for the checkpoint that best.json names, in a folder and in a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import obs_sync
from modelarts.job_inputs import INFERENCE, job_inputs
from modelarts.runtime.best_checkpoint import checkpoint_in
from modelarts.runtime.staging import stage_checkpoint
from src.errors import CheckpointError
from src.model_utils.config import build_config

NAME = "openpose-train-rank0-2_100.ckpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    obs_sync.configure(storage_mode="local", obs_local_root=str(tmp_path))
    folder = tmp_path / "bucket" / "out" / "ckpt_0"
    folder.mkdir(parents=True)
    (folder / "best.json").write_text(json.dumps({"checkpoint": NAME, "val_ap": 0.4}))
    (folder / NAME).write_bytes(b"weights")
    return folder


def test_best_is_the_file_that_best_json_names(folder: Path, tmp_path: Path) -> None:
    assert checkpoint_in(str(folder), "best") == checkpoint_in("obs://bucket/out/ckpt_0", "best") == NAME
    assert checkpoint_in(str(folder), "other.ckpt") == "other.ckpt"
    staged = stage_checkpoint("obs://bucket/out/ckpt_0", str(tmp_path / "models"), "best")
    assert (staged.name, staged.read_bytes()) == (NAME, b"weights")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"epoch": 1}'])
def test_where_best_is_not_known_one_line_says_so(folder: Path, content: str | None) -> None:
    (folder / "best.json").unlink()
    if content is not None:
        (folder / "best.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"best\.json: .*[Nn]ame a (checkpoint )?file instead"):
        checkpoint_in(str(folder), "best")


def test_checks_look_for_the_file_that_says_which_is_the_best() -> None:
    config = build_config({"checkpoint_filename": "best", "checkpoint_folder_path_relative": "models"})
    assert job_inputs(INFERENCE, config)["checkpoint_filename"] == "models/best.json"
