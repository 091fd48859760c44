"""The training job from the command line to checkpoints in the bucket."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from src.net.weights import read_checkpoint
from src.train.monitoring.loss_record import read_record
from tests.jobs.conftest import Job

pytestmark = pytest.mark.mindspore


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def losses(caplog: pytest.LogCaptureFixture) -> list[float]:
    """Of epochs of one step, which the epoch's line tells."""
    return [float(found) for found in re.findall(r"epoch \d+/\d+ finished: mean loss ([0-9.]+)", caplog.text)]


def test_checkpoints_appear_under_the_handbooks_names_and_the_network_is_exported(train: Job, bucket: Path) -> None:
    assert train("--max_epoch_train=2", "--ckpt_interval=2", "--export_format=auto") == 0
    written = sorted(path.name for path in (bucket / "out" / "ckpt_0").glob("*.ckpt"))
    assert written == [f"openpose-train-rank0-{epoch}_{step}.ckpt" for epoch, step in ((1, 2), (1, 3), (2, 1), (2, 3))]
    parameters, meta = read_checkpoint(bucket / "out" / "ckpt_0" / written[-1])
    assert (meta["network"], meta["epoch"], meta["step"], meta["global_step"]) == ("mobilenet_v2", 2, 3, 6)
    assert meta["settings"]["batch_size"] == 2
    assert int(parameters["global_step"].asnumpy()[0]) == 6
    (exported,) = (bucket / "out" / "ckpt_0").glob("*.mindir")
    assert exported.name == "openpose-train-rank0-2_3.mindir"
    held = {p.name: p.asnumpy() for p in nn.GraphCell(ms.load(str(exported))).get_parameters()}
    trained = {name: parameters[name].asnumpy() for name in held}
    assert any(name.startswith("stage_1.") for name in held)
    assert all(np.array_equal(held[name], trained[name]) for name in held)
    # started again, it finds nothing to do, and makes up for an export that was lost
    exported.unlink()
    assert train("--max_epoch_train=2", "--export_format=auto") == 0
    assert exported.is_file()


def test_only_the_newest_checkpoints_stay_and_a_failing_export_costs_nothing(
    train: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = tmp_path / "here" / "out" / "ckpt_0" / "my-notes.txt"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("keep me")
    # a plain folder as train_url
    settings = ["--train_url=here/out", "--max_epoch_train=4", "--keep_checkpoint_max=2", "--amp=fp16"]
    assert train(*settings, "--export_format=AIR") == 0
    left = {path.name for path in stranger.parent.glob("*.ckpt")}
    assert left == {"openpose-train-rank0-3_3.ckpt", "openpose-train-rank0-4_3.ckpt"}
    assert {path.name for path in stranger.parent.glob("*.manifest.json")} == {f"{name}.manifest.json" for name in left}
    assert stranger.read_text() == "keep me"
    assert "amp=fp16: convolutions compute in float16" in caplog.text
    (message,) = errors(caplog)
    assert message.startswith("not exported: ")
    assert "cannot export AIR" in message
    assert "\n" not in message


def test_continue_from_pretrained(train: Job, bucket: Path, straight: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(straight, bucket / "first")
    pretrained = [
        "--load_pretrain=True",
        "--pretrained_model_folder_path_obs=obs://bucket/first/ckpt_0",
        "--pretrained_model_folder_path_relative=./staged_model",
        "--pretrained_model_filename=openpose-train-rank0-1_3.ckpt",
    ]
    assert train("--max_epoch_train=1", "--lr=0", *pretrained) == 0
    assert re.search(r"\d+ parameters loaded, 0 missing, 0 surplus, 0 of another shape", caplog.text)
    first, second = (
        read_checkpoint(folder / "ckpt_0" / "openpose-train-rank0-1_3.ckpt")[0] for folder in (straight, bucket / "out")
    )
    weight = "stage_1.L1.0.depthwise.weight"
    assert np.array_equal(first[weight].asnumpy(), second[weight].asnumpy())
    assert int(second["global_step"].asnumpy()[0]) == 3  # the optimizer started afresh


def test_a_checkpoint_that_matches_nothing_stops_before_the_first_step(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bucket / "models").mkdir()
    stranger = ms.Parameter(ms.Tensor(np.ones(3, np.float32)), name="other.weight")
    ms.save_checkpoint([{"name": "other.weight", "data": stranger}], str(bucket / "models" / "model.ckpt"))
    code = train("--load_pretrain=True", "--pretrained_model_folder_path_obs=obs://bucket/models")
    assert code == 2
    (message,) = errors(caplog)
    for word in ("model.ckpt", "other.weight", "base.conv.conv.weight"):
        assert word in message
    assert not list((bucket / "out").rglob("*.ckpt"))


LEARN = ["--augment=False", "--log_interval=1", "--ckpt_epoch_interval=0", "--missing_pictures_max=1"]


def test_a_tiny_set_can_be_learnt_by_heart(train_small: Job, bucket: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave_pictures(bucket, 2)
    assert train_small(*LEARN, "--max_epoch_train=100", "--lr=3e-3") == 0
    seen = losses(caplog)
    assert len(seen) == 100
    assert np.mean(seen[-3:]) < np.mean(seen[:3]) / 10


@pytest.mark.slow
def test_vgg19_learns_a_tiny_set_by_heart_and_goes_on_from_there(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave_pictures(bucket, 2)
    vgg19 = [*LEARN, "--network=vgg19", "--stages=2", "--group_params=False"]
    assert train(*vgg19, "--max_epoch_train=70", "--lr=3e-4") == 0
    seen = losses(caplog)
    assert np.mean(seen[-3:]) < np.mean(seen[:3]) / 10

    pretrained = ["--load_pretrain=True", "--pretrained_model_folder_path_obs=obs://bucket/out/ckpt_0"]
    pretrained += ["--pretrained_model_filename=openpose-train-rank0-70_1.ckpt", "--train_url=obs://bucket/continued"]
    each_step = ["--val_pictures=2", "--val_step_interval=1"]
    assert train(*vgg19, *pretrained, *each_step, "--max_epoch_train=30") == 0
    record = read_record(bucket / "continued" / "ckpt_0" / "loss-rank0.jsonl")
    validated = [line["val_loss"] for line in record]
    assert len(validated) == 31
    assert max(validated) == validated[0]
    assert validated[-1] < validated[0]


@pytest.mark.slow
def test_vgg19_trains_at_its_own_input_size(train: Job, bucket: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave_pictures(bucket, 1)
    whole = ["--network=vgg19", "--stages=6", "--insize=368", "--batch_size=1", "--max_epoch_train=1"]
    assert train(*whole, "--missing_pictures_max=1") == 0
    assert len(losses(caplog)) == 1
    (checkpoint,) = (bucket / "out" / "ckpt_0").glob("*.ckpt")
    parameters, _ = read_checkpoint(checkpoint)
    weights = {name: p for name, p in parameters.items() if name.startswith(("base.", "stage_"))}
    assert sum(int(np.prod(p.shape)) for p in weights.values()) == 52_311_446


def leave_pictures(bucket: Path, count: int) -> None:
    """Remove all pictures but so many."""
    for path in sorted((bucket / "data" / "images").iterdir())[count:]:
        path.unlink()
