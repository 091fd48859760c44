"""Continued training on photographs of real people ends alike, however the pictures come and where the run was cut."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from src.net.weights import read_checkpoint
from src.tools import gen_ignore_mask, import_weights, pack_dataset
from tests.jobs.conftest import SMALL, run_training

SETS = {"sports": ("lsp_extended", "keypoints_dev.json"), "everyday": ("coco_mini", "person_keypoints.json")}
PICTURES = 4
LAST = "openpose-train-rank0-2_4.ckpt"


@pytest.fixture
def real_bucket(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """obs://bucket/ with real weights and two data sets: as folders, packed, and with mask files of the second one."""
    if not (shared / "people").is_dir():
        pytest.skip("the annotated people are not there")
    monkeypatch.chdir(tmp_path)
    bucket = tmp_path / "obs_root" / "bucket"
    for name, (source, labels) in SETS.items():
        _copy_part(shared / "people" / source, labels, bucket / name)
    plain = [f"--jsonpath_train={bucket / 'everyday' / 'train.json'}", "--min_area=1024"]
    assert gen_ignore_mask.main([*plain, f"--maskpath_train={bucket / 'everyday' / 'masks'}"]) == 0
    for name in SETS:
        where = {"jsonpath_train": "train.json", "imgpath_train": "pictures", "maskpath_train": "masks"}
        given = [f"--{key}={bucket / name / path}" for key, path in where.items() if (bucket / name / path).exists()]
        assert pack_dataset.main([*given, f"--result_path={bucket / 'packed' / name}"]) == 0
    weights = shared / "weights" / "openpose_mobilenet_v2.npz"
    target = bucket / "models" / "model.ckpt"
    target.parent.mkdir()
    assert import_weights.main([f"--input={weights}", "--network=mobilenet_v2", f"--output={target}"]) == 0
    return bucket


def _copy_part(source: Path, labels: str, target: Path) -> None:
    """The first pictures with somebody large enough to train on, and their annotations."""
    content = json.loads((source / labels).read_text(encoding="utf-8"))
    large = [one["image_id"] for one in content["annotations"] if one["num_keypoints"] >= 8 and one["area"] > 5000]
    chosen = list(dict.fromkeys(large))[:PICTURES]
    content["images"] = [image for image in content["images"] if image["id"] in chosen]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in chosen]
    (target / "pictures").mkdir(parents=True)
    for image in content["images"]:
        shutil.copyfile(source / "pictures" / image["file_name"], target / "pictures" / image["file_name"])
    (target / "train.json").write_text(json.dumps(content), encoding="utf-8")


def _continue(run: str, *arguments: str) -> int:
    settings = [
        *(*SMALL, "--storage_mode=local", "--val_pictures=4", "--load_pretrain=True"),
        *("--pretrained_model_folder_path_obs=obs://bucket/models", "--ignore_unannotated=True,False"),
        *("--jsonpath_train=train.json", f"--train_url=obs://bucket/{run}", f"--scratch_path={run}"),
    ]
    return run_training(*settings, *arguments)


def test_folder_stream_with_a_stop_and_shards_with_mask_files_give_the_same_weights(real_bucket: Path) -> None:
    folders = ["--data_url=obs://bucket/sports,obs://bucket/everyday", "--imgpath_train=pictures"]
    packed = ["--data_url=obs://bucket/packed/sports,obs://bucket/packed/everyday", "--imgpath_train=."]
    assert _continue("straight", *folders) == 0
    assert _continue("stopped", *folders, "--stage=stream", "--max_epoch_train=1") == 0
    assert _continue("stopped", *folders, "--stage=stream") == 0
    assert _continue("shards", *packed, "--maskpath_train=,.") == 0
    runs = [read_checkpoint(real_bucket / run / "ckpt_0" / LAST)[0] for run in ("straight", "stopped", "shards")]
    for other in runs[1:]:
        assert set(other) == set(runs[0])
        assert all(np.array_equal(other[name].asnumpy(), runs[0][name].asnumpy()) for name in other)
