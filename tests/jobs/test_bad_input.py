"""Bad input to either job: one clear line that names the file or key, a non-zero exit, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.conftest import Job
from tests.jobs.test_training_job import errors, leave_pictures


@pytest.fixture
def refused(train: Job, bucket: Path, caplog: pytest.LogCaptureFixture) -> Job:
    """Train with arguments that must be refused; returns the one error line."""

    def run(*arguments: str) -> str:
        assert train(*arguments) == 2
        (message,) = errors(caplog)
        assert "\n" not in message
        assert not list((bucket / "out").rglob("*.ckpt*"))
        return message

    return run  # type: ignore[return-value]


def annotations(bucket: Path) -> Path:
    return bucket / "data" / "annotations" / "person_keypoints.json"


def first_picture(bucket: Path) -> Path:
    return sorted((bucket / "data" / "images").iterdir())[0]


def test_missing_data_folder(train: Job, caplog: pytest.LogCaptureFixture) -> None:
    assert train("--data_url=obs://bucket/absent") != 0
    (message,) = errors(caplog)
    assert "obs://bucket/absent" in message


@pytest.mark.parametrize("key", ["imgpath_train", "jsonpath_train", "maskpath_train", "vgg_path"])
def test_missing_local_path(refused: Job, bucket: Path, key: str) -> None:
    message = refused(f"--data_url={bucket / 'data'}", "--network=vgg19", f"--{key}=/absent/file")
    assert key in message
    assert "/absent/file" in message


def test_empty_picture_folder(refused: Job, bucket: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    message = refused(f"--imgpath_train={tmp_path / 'empty'}")
    assert "empty" in message
    assert "6 of 6" in message


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"images": [], "annotations": [], "categories": []}', '{"images": 3}']
)
def test_not_coco_keypoints(refused: Job, bucket: Path, content: str) -> None:
    annotations(bucket).write_text(content)
    assert "person_keypoints.json" in refused()


def test_coco_without_keypoints(refused: Job, bucket: Path) -> None:
    document = json.loads(annotations(bucket).read_text())
    for annotation in document["annotations"]:
        annotation.pop("keypoints", None)
        annotation.pop("num_keypoints", None)
    annotations(bucket).write_text(json.dumps(document))
    message = refused()
    assert "person_keypoints.json" in message
    assert "keypoints" in message


def test_few_missing_pictures_are_counted_and_training_goes_on(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = first_picture(bucket)
    missing.unlink()
    assert train("--max_epoch_train=1", "--missing_pictures_max=0.5") == 0
    assert "1 of 6" in caplog.text
    assert missing.name in caplog.text


def test_many_missing_pictures_stop(refused: Job, bucket: Path) -> None:
    leave_pictures(bucket, 1)
    assert "5 of 6" in refused()


def test_broken_pictures_are_named_and_few_do_not_stop_training(
    train: Job, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = sorted((bucket / "data" / "images").iterdir())[:3]
    whole = broken[0].read_bytes()
    for picture, content in zip(broken, (whole[: len(whole) // 2], b"", b"hello")):
        picture.write_bytes(content)
    assert train("--max_epoch_train=1", "--missing_pictures_max=0.5", "--batch_size=6") == 0
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    for picture in broken:
        assert len([line for line in told if picture.name in line]) == 1


def test_only_broken_pictures_stop_training(refused: Job, bucket: Path) -> None:
    for picture in (bucket / "data" / "images").iterdir():
        picture.write_bytes(b"hello")
    assert ".jpg" in refused()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 5000])
def test_a_pretrained_file_that_is_no_checkpoint(refused: Job, bucket: Path, content: bytes) -> None:
    (bucket / "models").mkdir()
    (bucket / "models" / "model.ckpt").write_bytes(content)
    message = refused("--load_pretrain=True", "--pretrained_model_folder_path_obs=obs://bucket/models")
    assert "model.ckpt" in message


def test_a_pretrained_file_that_is_not_there(train: Job, caplog: pytest.LogCaptureFixture) -> None:
    assert train("--load_pretrain=True", "--pretrained_model_folder_path_obs=obs://bucket/models") != 0
    (message,) = errors(caplog)
    assert "obs://bucket/models/model.ckpt" in message


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--batch_size=-2"], "batch_size"),
        (["--batch_size=100"], "batch_size"),
        (["--insize=100"], "insize"),
        (["--max_epoch_trian=3"], "max_epoch_train"),
        (["--scale_min=3"], "scale_min"),
        (["--device_target=Ascend"], "device_target"),
        (["--target_action_type=fly"], "fly"),
        (["--network=mobilenet_v2", "--vgg_path=x.ckpt"], "vgg_path"),
        (["--freeze=backbone"], "load_pretrain=True or vgg_path"),
    ],
)
def test_bad_settings(refused: Job, arguments: list[str], word: str) -> None:
    assert word in refused(*arguments)


def test_train_url_that_cannot_be_written(train: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    assert train("--train_url=./taken", "--max_epoch_train=1") != 0
    (message,) = errors(caplog)
    assert "taken" in message
    assert "epoch 1/1" not in caplog.text  # found out before training
    assert (tmp_path / "taken").read_text() == "a file where the folder should be"
