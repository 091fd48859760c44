"""The container's documented variables, in every way the platform starts a job, and in ways it never should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelarts.runtime.topology import MSRUN, RANK_TABLE, SCHEDULER, SINGLE, WORKER, Location, job_id_of, locate
from src.errors import ConfigError
from src.model_utils.config import Config

ASCEND_CARD_5_OF_8 = {"RANK_ID": "5", "RANK_SIZE": "8", "ASCEND_DEVICE_ID": "5", "DEVICE_ID": "5", "MA_NUM_HOSTS": "1"}
SECOND_NODE = {"RANK_ID": "11", "RANK_SIZE": "16", "ASCEND_DEVICE_ID": "3", "MA_NUM_HOSTS": "2", "VC_TASK_INDEX": "1"}
MSRUN_WORKER = {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "4", "MS_NODE_ID": "2", "RANK_ID": "2", "DEVICE_ID": "2"}

#: environment -> rank, rank_size, device_id, local_rank, node, nodes, launch
STARTS = {
    "nothing set": ({}, (0, 1, 0, 0, 0, 1, SINGLE)),
    "console without cards": (
        {"MA_NUM_GPUS": "0", "MA_NUM_HOSTS": "1", "VC_TASK_INDEX": "0"},
        (0, 1, 0, 0, 0, 1, SINGLE),
    ),
    "another card of a workstation": ({"DEVICE_ID": "3"}, (0, 1, 3, 0, 0, 1, SINGLE)),
    "one card of one": ({"RANK_ID": "0", "RANK_SIZE": "1", "DEVICE_ID": "7"}, (0, 1, 7, 0, 0, 1, RANK_TABLE)),
    "one card of eight": (ASCEND_CARD_5_OF_8, (5, 8, 5, 5, 0, 1, RANK_TABLE)),
    "a card of the second node": (SECOND_NODE, (11, 16, 3, 3, 1, 2, RANK_TABLE)),
    "older node variables": (
        {"RANK_ID": "1", "RANK_SIZE": "2", "DEVICE_ID": "0", "VC_WORKER_NUM": "2", "DLS_TASK_INDEX": "1"},
        (1, 2, 0, 0, 1, 2, RANK_TABLE),
    ),
    "the logical card wins": (
        {"RANK_ID": "0", "RANK_SIZE": "1", "ASCEND_DEVICE_ID": "2", "DEVICE_ID": "6"},
        (0, 1, 2, 0, 0, 1, RANK_TABLE),
    ),
    "msrun worker": (MSRUN_WORKER, (2, 4, 2, 2, 0, 1, MSRUN)),
    "msrun worker without RANK_ID": (
        {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "2", "MS_NODE_ID": "1"},
        (1, 2, 1, 1, 0, 1, MSRUN),
    ),
    "msrun on two nodes": (
        {**MSRUN_WORKER, "MA_NUM_HOSTS": "2", "VC_TASK_INDEX": "1", "DEVICE_ID": "0"},
        (2, 4, 0, 0, 1, 2, MSRUN),
    ),
    "empty values are no values": ({"RANK_ID": "", "RANK_SIZE": " ", "DEVICE_ID": ""}, (0, 1, 0, 0, 0, 1, SINGLE)),
}

NONSENSE = {
    "rank beyond the last": ({"RANK_ID": "8", "RANK_SIZE": "8"}, "RANK_ID=8 does not fit RANK_SIZE=8"),
    "no ranks": ({"RANK_ID": "0", "RANK_SIZE": "0"}, "RANK_SIZE=0"),
    "a word": ({"RANK_ID": "one", "RANK_SIZE": "8"}, "RANK_ID=one is not a whole number"),
    "negative": ({"RANK_ID": "-1", "RANK_SIZE": "8"}, "RANK_ID=-1"),
    "a digit that is none": ({"RANK_ID": "²", "RANK_SIZE": "8"}, "RANK_ID=² is not a whole number"),
    "size without rank": ({"RANK_SIZE": "8"}, "8 processes, but RANK_ID is not set"),
    "rank without size": ({"RANK_ID": "3"}, "RANK_ID=3 does not fit RANK_SIZE=1"),
    "card is a word": ({"ASCEND_DEVICE_ID": "npu0"}, "ASCEND_DEVICE_ID=npu0"),
    "nodes do not divide": ({"RANK_ID": "0", "RANK_SIZE": "8", "MA_NUM_HOSTS": "3"}, "MA_NUM_HOSTS"),
    "two nodes that know nothing of each other": ({"MA_NUM_HOSTS": "2", "VC_TASK_INDEX": "1"}, "2 nodes"),
    "no nodes": ({"MA_NUM_HOSTS": "0"}, "0 nodes"),
    "node beyond the last": ({"VC_TASK_INDEX": "1", "MA_NUM_HOSTS": "1"}, "VC_TASK_INDEX=1"),
    "unknown role": ({"MS_ROLE": "MS_PSERVER", "MS_WORKER_NUM": "2"}, "MS_ROLE=MS_PSERVER"),
    "msrun without number": ({"MS_ROLE": "MS_WORKER", "RANK_ID": "0"}, "MS_WORKER_NUM"),
    "msrun without rank": ({"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "2"}, "RANK_ID nor MS_NODE_ID"),
    "msrun against rank table": ({**MSRUN_WORKER, "RANK_SIZE": "8"}, "RANK_SIZE=8 contradicts MS_WORKER_NUM=4"),
    "counter is a word": ({"MA_PROC_START_CNT": "twice"}, "MA_PROC_START_CNT=twice"),
    "table is not there": ({"RANK_TABLE_FILE": "/nowhere/hccl.json"}, "RANK_TABLE_FILE=/nowhere/hccl.json"),
}


@pytest.mark.parametrize("name", STARTS)
def test_every_way_of_starting(name: str) -> None:
    environment, expected = STARTS[name]
    place = locate(environment)
    found = (place.rank, place.rank_size, place.device_id, place.local_rank, place.node, place.nodes, place.launch)
    assert found == expected
    assert place.role == WORKER


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_named(name: str) -> None:
    environment, message = NONSENSE[name]
    with pytest.raises(ConfigError) as caught:
        locate(environment)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scheduler_drives_no_card() -> None:
    place = locate({"MS_ROLE": "MS_SCHED", "MS_WORKER_NUM": "4", "RANK_ID": "0"})
    assert (place.role, place.rank_size) == (SCHEDULER, 4)


def _table(folder: Path, servers: list[list[tuple[int, int]]]) -> str:
    """A rank table of servers with (device id, rank) pairs; all values are text, as the platform writes them."""
    server_list = [
        {
            "server_id": f"10.0.0.{number}",
            "device": [
                {"device_id": str(device), "device_ip": "192.1.1.6", "rank_id": str(rank)} for device, rank in devices
            ],
            "host_nic_ip": "reserve",
        }
        for number, devices in enumerate(servers)
    ]
    path = folder / "jobstart_hccl.json"
    document = {"version": "1.0", "server_count": str(len(servers)), "server_list": server_list, "status": "completed"}
    path.write_text(json.dumps(document))
    return str(path)


def test_rank_table_places_renumbered_ranks(tmp_path: Path) -> None:
    table = _table(tmp_path, [[(0, 2), (1, 3)], [(0, 0), (1, 1)]])
    place = locate({"RANK_TABLE_FILE": table, "RANK_ID": "3", "ASCEND_DEVICE_ID": "1", "RANK_SIZE": "4"})
    assert (place.node, place.nodes, place.local_rank, place.rank_size) == (0, 2, 1, 4)
    assert locate({"RANK_TABLE_FILE": table, "RANK_ID": "0"}).rank_size == 4


def test_rank_table_that_does_not_hold_this_rank(tmp_path: Path) -> None:
    table = _table(tmp_path, [[(0, 0)]])
    with pytest.raises(ConfigError, match="no rank 1"):
        locate({"RANK_TABLE_FILE": table, "RANK_ID": "1", "RANK_SIZE": "2"})


@pytest.mark.parametrize("content", ["", "[]", '{"server_list": [{"device": [{}]}]}', '{"server_list": 3}', "\x00"])
def test_damaged_rank_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="not a rank table"):
        locate({"RANK_TABLE_FILE": str(path), "RANK_ID": "0", "RANK_SIZE": "1"})


@pytest.mark.parametrize(
    ("counters", "restarts"),
    [
        ({}, 0),
        ({"MA_SCHEDULE_CNT": "1", "MA_PROC_START_CNT": "1"}, 0),
        ({"MA_PROC_START_CNT": "3"}, 2),
        ({"MA_SCHEDULE_CNT": "2", "MA_PROC_START_CNT": "2"}, 2),
        ({"MA_SCHEDULE_CNT": "0"}, 0),
    ],
)
def test_restarts_are_counted(counters: dict[str, str], restarts: int) -> None:
    assert locate(counters).restarts == restarts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/home/ma-user/modelarts/inputs/data_url_0", Location("/home/ma-user/modelarts/inputs/data_url_0", False)),
        ("obs://bucket/coco/", Location("obs://bucket/coco/", True)),
        ("s3://bucket/coco/", Location("obs://bucket/coco/", True)),
        ("./coco", Location("./coco", False)),
    ],
)
def test_inputs_are_local_or_remote_by_prefix(given: str, expected: Location) -> None:
    assert locate({}, arguments={"data_url": given}).locations == {"data_url": expected}


def test_channel_obtained_from_the_environment() -> None:
    place = locate({"data_url": "/inputs/data_url_0"}, arguments={"data_url": "", "train_url": ""})
    assert place.locations == {"data_url": Location("/inputs/data_url_0", False)}


@pytest.mark.parametrize("path", ["obs:/bucket/x", "http://bucket/x", "obs://", "s3:///", "obs:bucket"])
def test_nonsensical_paths_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="train_url"):
        locate({}, arguments={"train_url": path})


def test_scratch_is_what_was_asked_for(tmp_path: Path) -> None:
    assert locate({}, str(tmp_path)).scratch == tmp_path


@pytest.mark.parametrize(
    ("variables", "argv", "expected"),
    [
        ({}, [], ("", "./output")),
        ({}, ["--data_url=s3://b/coco", "--train_url=/out/train_url_0"], ("obs://b/coco", "/out/train_url_0")),
        ({"data_url": "/in/data_url_0", "train_url": "/out/train_url_0"}, [], ("/in/data_url_0", "/out/train_url_0")),
        ({"train_url": "/out/train_url_0"}, ["--train_url=obs://b/out"], ("", "obs://b/out")),
        ({"train_url": "/out/train_url_0"}, ["--train_url=./output"], ("", "./output")),  # explicit, though the default
    ],
)
def test_the_training_job_takes_its_folders_from_either_place(
    variables: dict[str, str], argv: list[str], expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else checkpoints of a job whose output is "obtained from: environment variable" would stay in the container."""
    from modelarts.runtime import entry as job
    from modelarts.runtime import training

    seen: list[Config] = []

    def stop_there(config: Config, *_: object) -> None:
        seen.append(config)
        raise ConfigError("far enough")

    monkeypatch.setattr(training, "stage_training", stop_there)
    for name in ("data_url", "train_url"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert job.training_job(argv) == 2
    assert (seen[0].data_url, seen[0].train_url) == expected


@pytest.mark.parametrize("argv", [["--train_url=obs:/b/out"], ["--data_url=http://b/coco"]])
def test_the_training_job_refuses_nonsensical_places(argv: list[str]) -> None:
    from modelarts.runtime.entry import training_job

    assert training_job(argv) == 2


@pytest.mark.parametrize(
    "environment",
    [
        {"JOB_ID": "modelarts-job-7f3c"},
        {"BATCH_JOB_ID": " modelarts-job-7f3c "},
        {"JOB_ID": "", "MA_CURRENT_INSTANCE_NAME": "modelarts-job-7f3c-worker-0"},
        {"MA_CURRENT_INSTANCE_NAME": "modelarts-job-7f3c-worker-11"},
    ],
)
def test_the_jobs_id_is_found_without_the_launchers_variables(environment: dict[str, str]) -> None:
    assert job_id_of(environment) == "modelarts-job-7f3c"


def test_elsewhere_there_is_no_job_id() -> None:
    for name in ("", "notebook-7f3c-worker-0", "modelarts-job-7f3c"):
        assert job_id_of({"HOSTNAME": "laptop-worker-0", "MA_CURRENT_INSTANCE_NAME": name}) == ""
