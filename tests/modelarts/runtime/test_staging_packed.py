"""A packed data set in OBS: a few large objects are staged, and training runs on them as on a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.runtime.staging import stage_training
from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.listing import list_folder
from src.data.packed import SHARD_INDEX
from src.data.sample import SampleMaker
from src.errors import DataError
from src.model_utils.config import Config, build_config
from src.tools import coco2labelme, gen_ignore_mask, labelme2coco, pack_dataset
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """obs_root/bucket/packed, from pictures that were labelled with labelme; obs_root/bucket/plain holds the files."""
    base = tmp_path_factory.mktemp("packed")
    annotations = draw_dataset(base / "drawn", 8, seed=4)
    plain = base / "obs_root" / "bucket" / "plain"
    shutil.copytree(base / "drawn" / "images", plain)
    assert coco2labelme.main([f"--json_path={annotations}", f"--result_path={plain}"]) == 0
    assert labelme2coco.main([f"--train_path={plain}"]) == 0
    assert gen_ignore_mask.main([f"--jsonpath_train={plain / 'train.json'}", f"--maskpath_train={plain}"]) == 0
    source = [f"--jsonpath_train={plain / 'train.json'}", f"--imgpath_train={plain}", f"--maskpath_train={plain}"]
    assert pack_dataset.main([*source, f"--result_path={plain.with_name('packed')}", "--shard_mb=1"]) == 0
    return base / "obs_root"


@pytest.fixture(autouse=True)
def _storage(packed: Path) -> None:
    obs_sync.configure(storage_mode="local", obs_local_root=str(packed))


def settings(name: str, **more: Any) -> Config:
    where = {"data_url": f"obs://bucket/{name}", "imgpath_train": ".", "jsonpath_train": "train.json"}
    return build_config({**where, "maskpath_train": ".", **more})


def test_shards_are_staged_and_give_the_samples_of_the_folder(packed: Path, tmp_path: Path) -> None:
    makers = []
    for name in ("plain", "packed"):
        inputs = stage_training(settings(name, stage="stream" if name == "packed" else "full"), tmp_path / name).sets[0]
        assert inputs.streamed is None
        index = index_annotations(inputs.annotations, SELECTION)
        makers.append(SampleMaker(index, inputs.pictures, sample_settings(insize=64), inputs.masks))
        staged = list_folder(inputs.pictures, recursive=True).names
        assert bool(staged) == (name == "plain"), "no single picture is copied beside the shards"
    for row in range(len(makers[0])):
        for a, b in zip(makers[0].make(row, 0), makers[1].make(row, 0)):
            assert (a == b).all()


def test_a_missing_shard_is_said_before_training(packed: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(packed, root)
    (root / "bucket" / "packed" / "shard-00000.tar").unlink()
    obs_sync.configure(storage_mode="local", obs_local_root=str(root))
    with pytest.raises(DataError, match="1 of its shards are missing, such as shard-00000"):
        stage_training(settings("packed"), tmp_path / "scratch")
    (root / "bucket" / "packed" / SHARD_INDEX).unlink()
    with pytest.raises(DataError):
        stage_training(settings("packed"), tmp_path / "scratch")


@pytest.mark.mindspore
def test_training_is_the_same_on_shards_as_on_the_labelled_folder(packed: Path, tmp_path: Path, root: Path) -> None:
    """The boot file trains on what labelme2coco made, then on its shards: the same losses, to the last bit."""
    losses = {name: train(root, packed, name, tmp_path / name) for name in ("plain", "packed")}
    assert len(losses["plain"]) == 4
    assert losses["plain"] == losses["packed"]


def train(root: Path, obs_root: Path, name: str, folder: Path) -> list[float]:
    """Run the boot file for two epochs on obs://bucket/<name>; returns the loss of every step."""
    arguments = {
        **{"data_url": f"obs://bucket/{name}", "imgpath_train": ".", "jsonpath_train": "train.json"},
        **{"maskpath_train": ".", "train_url": folder / "output", "scratch_path": folder / "scratch"},
        **{"storage_mode": "local", "obs_local_root": obs_root, "device_target": "CPU", "network": "mobilenet_v2"},
        **{"stages": 1, "insize": 64, "batch_size": 4, "max_epoch_train": 2, "min_area": 100, "val_pictures": 0},
        "export_format": "none",
    }
    folder.mkdir()
    command = [sys.executable, str(root / "tests/fakes/tiny_network.py"), *(f"--{k}={v}" for k, v in arguments.items())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "output" / "ckpt_0" / "openpose-train-rank0-2_2.ckpt").is_file()
    lines = (folder / "output" / "ckpt_0" / "loss-rank0.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]
