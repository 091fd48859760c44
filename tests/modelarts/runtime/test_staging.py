"""What staging brings and leaves, in one process and local mode; several processes: test_staging_once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime.staging import stage_training
from modelarts.runtime.streaming import RequestQueue, in_turn
from src.data.coco import open_index
from src.errors import CheckpointError, DataError, JobError
from src.model_utils.config import build_config
from src.train.inputs import TrainingInputs, TrainingSet
from tests.data.selection import SELECTION


@pytest.fixture
def bucket(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """obs://bucket/ in local mode, with the drawn data set under data/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OBS_STATE_DIR", str(tmp_path / "state"))
    obs_sync.configure(storage_mode="local", obs_local_root=str(tmp_path / "root"))
    shutil.copytree(drawn, tmp_path / "root" / "bucket" / "data")
    return tmp_path / "root" / "bucket"


def stage(**settings: object) -> TrainingSet:
    return stage_inputs(**settings).sets[0]


def stage_inputs(**settings: object) -> TrainingInputs:
    given = {"data_url": "obs://bucket/data", "imgpath_train": "images"}
    given["jsonpath_train"] = "annotations/person_keypoints.json"
    return stage_training(build_config({**given, **settings}), Path("scratch"))


def pictures(bucket: Path) -> list[str]:
    return sorted(path.name for path in (bucket / "data" / "images").iterdir())


def test_only_annotated_pictures_are_brought(bucket: Path) -> None:
    (bucket / "data" / "images" / "stranger.jpg").write_bytes(b"x")
    (bucket / "data" / "images" / "deep").mkdir()
    (bucket / "data" / "images" / "deep" / "stranger.jpg").write_bytes(b"x")
    inputs = stage()
    assert sorted(path.name for path in inputs.pictures.rglob("*")) == [n for n in pictures(bucket) if n[0].isdigit()]
    assert inputs.missing == ()


def test_missing_pictures_are_told(bucket: Path) -> None:
    gone = pictures(bucket)[1]
    (bucket / "data" / "images" / gone).unlink()
    assert stage().missing == (gone,)


def test_a_picture_that_left_the_store_is_missing_although_a_copy_is_here(bucket: Path) -> None:
    stage()
    gone = pictures(bucket)[1]
    (bucket / "data" / "images" / gone).unlink()
    inputs = stage()
    assert (inputs.pictures / gone).exists()
    assert inputs.missing == (gone,)  # as on a node that never had it: all must train on the same pictures


def test_some_masks_are_enough_none_is_an_error(bucket: Path) -> None:
    folder = bucket / "data" / "masks"
    folder.mkdir()
    (folder / "stranger.png").write_bytes(b"x")
    with pytest.raises(DataError, match="maskpath_train"):
        stage(maskpath_train="masks")
    (folder / pictures(bucket)[0].replace(".jpg", ".png")).write_bytes(b"mask")
    masks = stage(maskpath_train="masks").masks
    assert masks is not None
    assert [path.read_bytes() for path in masks.iterdir()] == [b"mask"]


def test_the_pretrained_checkpoint_lies_where_it_is_asked_for_and_follows_the_store(bucket: Path) -> None:
    settings = {"load_pretrain": True, "pretrained_model_folder_path_obs": "obs://bucket/models"}
    (bucket / "models").mkdir()
    for content in (b"first", b"second, longer"):
        (bucket / "models" / "model.ckpt").write_bytes(content)
        pretrained = stage_inputs(**settings).pretrained
        assert pretrained == Path("ckpt_folder/model.ckpt")
        assert pretrained.read_bytes() == content


@pytest.mark.parametrize("content", [None, b""])
def test_a_local_pretrained_checkpoint_is_looked_for_before_anything_is_copied(
    bucket: Path, content: bytes | None
) -> None:
    folder = Path("pretrained")
    folder.mkdir()
    if content is not None:
        (folder / "model.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"pretrained/model\.ckpt"):
        stage_inputs(load_pretrain=True, pretrained_model_folder_path_relative="pretrained")
    assert not list(Path("scratch").rglob("*.jpg"))


def test_local_data_stay_where_they_are(bucket: Path) -> None:
    inputs = stage(data_url=str(bucket / "data"))
    assert inputs.pictures == bucket / "data" / "images"
    assert not Path("scratch/staged").exists()


def test_the_index_follows_the_annotations_and_the_selection(bucket: Path) -> None:
    inputs = stage()
    assert len(open_index(inputs.annotations, SELECTION, cache=inputs.index_cache)) == 6
    path = bucket / "data" / "annotations" / "person_keypoints.json"
    content = json.loads(path.read_text())
    content["images"].pop()
    path.write_text(json.dumps(content))
    assert len(open_index(stage().annotations, SELECTION, cache=inputs.index_cache)) == 5
    with pytest.raises(DataError, match="no person"):
        stage(min_area=1e9)


def test_an_empty_folder_of_pictures(bucket: Path) -> None:
    shutil.rmtree(bucket / "data" / "images")
    assert len(stage().missing) == 6  # training says so when it opens the index
    with pytest.raises(JobError, match="6 of 6 annotated pictures are not in obs://bucket/data/images"):
        stage(stage="stream")


def test_a_stream_waits_for_each_picture_and_ends_its_process(bucket: Path) -> None:
    inputs = stage(stage="stream")
    assert inputs.streamed is not None
    names = pictures(bucket)
    inputs.streamed.expect(names)
    for name in names:
        inputs.streamed.wait_for(name)
        assert (inputs.pictures / name).read_bytes() == (bucket / "data" / "images" / name).read_bytes()
    inputs.streamed.close()
    inputs.streamed.wait_for("never-there.jpg")  # closed: waits for nothing


def write(folder: Path, rank: str, *lists: str) -> None:
    with (folder / f"{rank}.txt").open("a") as file:
        file.writelines(json.dumps(list(each)) + "\n" for each in lists)


def test_requests_are_served_in_turn_before_the_plan(tmp_path: Path) -> None:
    write(tmp_path, "1", "abc")
    write(tmp_path, "2", "xyz")
    order = in_turn(RequestQueue(tmp_path), "pq")
    assert "".join(order) in ("axbyczpq", "xaybzcpq")


def test_a_name_that_is_waited_for_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelarts.runtime.streaming.QUEUE_POLL_S", 0.0)
    write(tmp_path, "1", "abcde")
    order = in_turn(RequestQueue(tmp_path), "pq")
    assert [next(order), next(order)] == ["a", "b"]
    write(tmp_path, "2", "w")
    with (tmp_path / "1.txt").open("a") as file:
        file.write('["half a li')  # is still being written
    assert "".join(order) == "wcdepq"


def test_without_requests_the_plan_remains(tmp_path: Path) -> None:
    assert "".join(in_turn(RequestQueue(tmp_path / "absent"), "pq")) == "pq"
