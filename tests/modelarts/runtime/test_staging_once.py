"""Three ranks of a node on a real store whose log shows every request: each object is fetched once, later none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from src.data.drawn.dataset import PERSON_CATEGORY
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.object_store import ObjectStore, running_store, variables

PICTURES, OTHERS, RANKS = 48, 9, 3
BYTES = 2000
AT = "obs://staging/coco"

Rank = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """The object store with a data set: annotated pictures, and others in the same folder."""
    with running_store() as found:
        if found is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        fs = obs_sync.filesystem("obs", **found.s3_options())
        fs.mkdir("staging")
        for number in range(PICTURES + OTHERS):
            fs.pipe_file(f"staging/coco/train/{number:03d}.jpg", os.urandom(BYTES))
        fs.pipe_file("staging/coco/persons.json", json.dumps(annotations()).encode())
        fs.pipe_file("staging/models/model.ckpt", os.urandom(5000))
        yield found


def annotations() -> dict[str, Any]:
    """One person in each picture; two pictures more than there are."""
    box = [10.0, 10.0, 200.0, 200.0]
    keypoints = [value for joint in range(17) for value in (20 + joint, 30 + joint, 2)]
    images = [{"id": n, "file_name": f"{n:03d}.jpg", "width": 640, "height": 480} for n in range(PICTURES)]
    images += [{"id": n, "file_name": f"gone{n}.jpg", "width": 640, "height": 480} for n in (900, 901)]
    persons = [
        {"id": n, "image_id": image["id"], "category_id": 1, "bbox": box, "area": 40000.0, "iscrowd": 0}
        | {"keypoints": keypoints, "num_keypoints": 17, "segmentation": []}
        for n, image in enumerate(images)
    ]
    return {"images": images, "annotations": persons, "categories": [PERSON_CATEGORY]}


@pytest.fixture
def proxy(store: ObjectStore) -> Iterator[FaultProxy]:
    with FaultProxy(store.upstream) as found:
        yield found


@pytest.fixture
def rank(store: ObjectStore, proxy: FaultProxy, tmp_path: Path) -> Iterator[Rank]:
    """Start a rank of a node, whose scratch folder is below `tmp_path`; all that still runs is killed at the end."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, **variables(store.s3_options(proxy.port), tmp_path / "state")}

    def start(*arguments: str, node: str = "node", folder: Path = tmp_path) -> subprocess.Popen[str]:
        settings = [f"--data_url={AT}", "--imgpath_train=train", "--jsonpath_train=persons.json", "--storage_mode=obs"]
        settings += ["--load_pretrain=True", "--pretrained_model_folder_path_obs=obs://staging/models"]
        command = [
            sys.executable,
            "-m",
            "tests.modelarts.runtime.staging_rank",
            str(tmp_path / node),
            *settings,
            *arguments,
        ]
        root = str(Path(__file__).resolve().parents[3])
        folder.mkdir(exist_ok=True)
        process = subprocess.Popen(
            command, env={**environment, "PYTHONPATH": root}, cwd=folder, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    return json.loads(process.communicate(timeout=120)[0].splitlines()[-1])


def fetched(proxy: FaultProxy) -> Counter[str]:
    """How often each object was fetched; listings are no objects."""
    keys = (re.match(r"GET /staging/([^?]+)", line) for line in proxy.log)
    return Counter(key[1] for key in keys if key)


def all_objects() -> dict[str, int]:
    pictures = {f"coco/train/{number:03d}.jpg": 1 for number in range(PICTURES)}
    return {**pictures, "coco/persons.json": 1, "models/model.ckpt": 1}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["full", "stream"])
def test_each_object_is_fetched_once_per_node_and_later_none(
    rank: Rank, proxy: FaultProxy, tmp_path: Path, stage: str
) -> None:
    processes = [rank(f"--stage={stage}", folder=tmp_path / f"device{number}") for number in range(RANKS)]
    for found in map(result, processes):
        assert found["pictures"] == PICTURES
        assert found["missing"] == ["gone900.jpg", "gone901.jpg"]
    assert fetched(proxy) == all_objects()
    for number in range(RANKS):
        assert (tmp_path / f"device{number}" / "ckpt_folder" / "model.ckpt").stat().st_size == 5000
    proxy.log.clear()
    second = [rank(f"--stage={stage}", folder=tmp_path / f"device{number}") for number in range(RANKS)]
    assert [result(process)["pictures"] for process in second] == [PICTURES] * RANKS
    assert fetched(proxy) == {}
    assert len(proxy.log) <= 6 * RANKS < PICTURES  # a few looks at single objects and listings, not one a picture


@pytest.mark.slow
def test_each_node_fetches_for_itself(rank: Rank, proxy: FaultProxy) -> None:
    processes = [rank(node=f"node{number // 2}") for number in range(4)]
    assert [result(process)["pictures"] for process in processes] == [PICTURES] * 4
    assert fetched(proxy) == dict.fromkeys(all_objects(), 2)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["full", "stream"])
def test_a_killed_copier_is_followed_by_another(
    rank: Rank, proxy: FaultProxy, tmp_path: Path, stage: str, store: ObjectStore
) -> None:
    proxy.add("slow", match=r"GET /staging/coco/train/\d", times=None, arg=BYTES)  # a second for each
    processes = {process.pid: process for process in (rank(f"--stage={stage}") for _ in range(3))}
    wait_until(lambda: len(fetched(proxy)) > 24)
    status = next((tmp_path / "node" / "node").glob("pictures-*.progress"))
    copier = int(re.findall(r"process (\d+)", status.read_text())[0])
    os.kill(copier, signal.SIGKILL)
    assert (copier in processes) == (stage == "full")
    for pid, process in processes.items():
        if pid != copier:
            assert result(process)["pictures"] == PICTURES
    counts = fetched(proxy)
    assert set(counts) == set(all_objects())
    again = sum(counts.values()) - len(counts)
    assert again <= 16  # only those that were on their way


@pytest.mark.slow
def test_a_late_rank_does_not_disturb_the_stream(rank: Rank, proxy: FaultProxy) -> None:
    proxy.add("slow", match=r"GET /staging/coco/train/\d", times=None, arg=BYTES / 5)  # 15 s for all of them
    first = rank("--stage=stream")
    wait_until(lambda: len(fetched(proxy)) > 16)
    late = rank("--stage=stream")
    assert [result(process)["pictures"] for process in (first, late)] == [PICTURES] * 2
    assert fetched(proxy) == all_objects()


def test_all_ranks_say_which_picture_cannot_be_had(rank: Rank, proxy: FaultProxy) -> None:
    proxy.add("status", match=r"GET /staging/coco/train/007", times=None, arg=403)
    found = [result(process) for process in [rank() for _ in range(3)]]
    assert all("007.jpg" in each["error"] for each in found)
    assert {each["exit_code"] for each in found} == {1}


def test_a_stream_that_fails_names_the_picture(rank: Rank, proxy: FaultProxy) -> None:
    proxy.add("status", match=r"GET /staging/coco/train/007", times=None, arg=403)
    (found,) = [result(rank("--stage=stream"))]
    assert "copying the pictures failed" in found["error"]
    assert "007.jpg" in found["error"]


def test_a_new_version_in_the_store_replaces_the_old_copy(
    rank: Rank, proxy: FaultProxy, store: ObjectStore, tmp_path: Path
) -> None:
    assert result(rank())["pictures"] == PICTURES
    fs = obs_sync.filesystem("obs", **store.s3_options())
    new = os.urandom(BYTES)
    fs.pipe_file("staging/coco/train/005.jpg", new)
    proxy.log.clear()
    proxy.add("slow", match=r"GET /staging/coco/train/005", times=None, arg=BYTES)  # the old one must not be taken
    assert result(rank("--stage=stream"))["pictures"] == PICTURES
    assert fetched(proxy) == {"coco/train/005.jpg": 1}
    assert (tmp_path / "node" / "staged" / "staging" / "coco" / "train" / "005.jpg").read_bytes() == new


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
