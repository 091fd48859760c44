"""The stand-in container has the platform's folders, arguments, variables and log names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelarts.cli.main import make_parser
from modelarts.dryrun.container import Container, Storage
from modelarts.dryrun.dryrun import DryRun, DryRunOptions
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import load_job
from tests.modelarts.conftest import MakeJob
from tests.modelarts.dryrun.conftest import INPUT, TELL, Bench

#: The container's variables in the platform's documentation that do not depend on cards of another make, on mirrors of
#: its own, or on OBS; and what its launcher sets for each card.
DOCUMENTED = {
    *("MA_HOME", "MA_JOB_DIR", "MA_MOUNT_PATH", "MA_LOG_DIR", "WORKSPACE", "PATH", "MA_CURRENT_IP", "MA_NUM_GPUS"),
    *("MA_TASK_NAME", "MA_NUM_HOSTS", "VC_WORKER_NUM", "VC_TASK_INDEX", "VC_WORKER_HOSTS", "MA_CURRENT_INSTANCE_NAME"),
    *("MA_DETECT_TRAIN_INJECT_CODE", "MA_HANG_DETECT_TIME", "MA_SCHEDULE_CNT", "MA_PROC_START_CNT"),
    *("RANK_TABLE_FILE", "RANK_ID", "RANK_SIZE", "ASCEND_DEVICE_ID", "DEVICE_ID", "JOB_ID", "HCCL_CONNECT_TIMEOUT"),
    *("ASCEND_PROCESS_LOG_PATH", "MA_INPUTS", "MA_OUTPUTS"),
}


def test_folders_arguments_and_variables_are_the_platforms(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VARIABLE_OF_THE_LAPTOP", "x")
    bench.store.pipe_file("obs://bucket/coco/images/a.jpg", b"picture")
    run = bench.prepare(TELL, inputs=INPUT, environment={"MOX_SILENT_MODE": "1"}, hyperparameters={"lr": "1e-3"})
    assert run.run() == 0
    mount = run.container.root / "home" / "ma-user" / "modelarts"
    facts = bench.facts()
    environment = facts["environment"]
    assert facts["file"] == str(mount / "user-job-dir" / "code" / "boot.py")
    assert facts["cwd"] == str(mount / "workspace" / "device0")
    assert (mount / "inputs" / "data_url_0" / "images" / "a.jpg").read_bytes() == b"picture"
    for argument in (
        "--lr=1e-3",
        f"--data_url={mount}/inputs/data_url_0",
        f"--train_url={mount}/outputs/train_url_0",
        "--storage_mode=local",
    ):
        assert argument in facts["argv"]
    assert any(argument.startswith("--init_method=") for argument in facts["argv"]), "one that nobody asked for"
    assert environment["MA_JOB_DIR"] == str(mount / "user-job-dir")
    assert environment["MA_MOUNT_PATH"] == str(mount)
    assert environment["MA_LOG_DIR"] == str(mount / "log")
    assert environment["HOME"] == environment["MA_HOME"] == str(mount.parent)
    assert environment["MOX_SILENT_MODE"] == "1"
    expected = {
        "MA_NUM_HOSTS": "1",
        "VC_TASK_INDEX": "0",
        "MA_TASK_NAME": "worker",
        "MA_NUM_GPUS": "1",
        "RANK_ID": "0",
        "RANK_SIZE": "1",
        "ASCEND_DEVICE_ID": "0",
        "DEVICE_ID": "0",
        "MA_SCHEDULE_CNT": "1",
        "MA_PROC_START_CNT": "1",
    }
    assert {name: environment[name] for name in expected} == expected
    assert json.loads(environment["MA_OUTPUTS"])["outputs"][0]["remote"]["obs"]["obs_url"] == run.state.outputs[0]
    assert json.loads(Path(environment["RANK_TABLE_FILE"]).read_text())["status"] == "completed"
    assert "VARIABLE_OF_THE_LAPTOP" not in environment
    assert set(environment) >= DOCUMENTED
    _assert_our_own_reader_understands(facts)


def test_channels_are_numbered_and_outputs_carried_every_30_seconds(make_job: MakeJob, tmp_path: Path) -> None:
    inputs = {"data_url": {"url": "obs://b/coco/"}, "maskpath_train": {"url": "obs://b/masks/"}}
    container = Container(tmp_path, "id")
    found = container.folders(load_job(str(make_job(inputs=inputs))))
    assert [str(folder.relative_to(container.mount)) for _, folder in found] == [
        "inputs/data_url_0",
        "inputs/maskpath_train_1",
        "outputs/train_url_0",
    ]
    assert (
        DryRunOptions(Storage("local", "")).sync_period_s
        == make_parser().parse_args(["dry-run", "infer"]).sync_every
        == 30
    )


def _assert_our_own_reader_understands(facts: dict[str, Any], rank: int = 0, cards: int = 1, nodes: int = 1) -> None:
    from modelarts.runtime.topology import RANK_TABLE, locate

    given = dict(argument[2:].split("=", 1) for argument in facts["argv"])
    place = locate(facts["environment"], given["scratch_path"], {"train_url": given["train_url"]})
    assert (place.rank, place.rank_size, place.restarts) == (rank, cards * nodes, 0)
    assert (place.node, place.nodes, place.local_rank) == (rank // cards, nodes, rank % cards)
    assert place.launch == RANK_TABLE
    assert not place.locations["train_url"].remote


def test_logs_have_the_platforms_names(bench: Bench) -> None:
    run = bench.prepare(TELL)
    run.run()
    logs = bench.logs()
    task, card = f"modelarts-job-{run.state.id}-worker-0.log", f"modelarts-job-{run.state.id}-proc-rank-0-device-0.txt"
    assert set(logs) == {task, card}
    assert logs[card] == "rank 0 was here\n"
    assert "rank 0 was here\n" in logs[task]
    assert "[ModelArts Service Log]" in logs[task]
    assert "".join(bench.lines).endswith("ended with exit code 0\n")


def test_an_address_is_passed_as_it_is(bench: Bench) -> None:
    script = TELL.replace('pathlib.Path(values["train_url"])', 'pathlib.Path(values["scratch_path"])')
    url = "obs://bucket/jobs/small/output/"
    run = bench.prepare(
        script + "\nassert values['train_url'] == '" + url + "', values",
        outputs={"train_url": {"url": url, "pass": "url"}},
    )
    assert run.run() == 0
    assert not (run.container.mount / "outputs").exists()


def test_a_folder_of_the_laptop_is_found_from_the_containers_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "coco").mkdir()
    monkeypatch.chdir(bench.folder)
    run = bench.prepare(TELL, inputs={"data_url": {"url": "./coco,obs://bucket/more", "pass": "folder"}})
    assert run.run() == 0
    assert f"--data_url={bench.folder / 'coco'},obs://bucket/more/" in bench.facts()["argv"]


def test_changes_are_seen_by_the_boot_file(bench: Bench, make_job: MakeJob) -> None:
    job = load_job(str(make_job(TELL)), Changes({"batch_size": "3", "train_url": "obs://bucket/elsewhere"}))
    options = DryRunOptions(
        Storage("local", str(bench.folder / "obs")), bench.folder / "work", install_requirements=False
    )
    assert DryRun(job, options).run() == 0
    facts = json.loads(bench.store.cat_file("obs://bucket/elsewhere/facts0.json"))
    assert "--batch_size=3" in facts["argv"]


#: The scheduler through which ranks meet on a processor is the boot file as well; it waits for its end.
TELL_OR_WAIT = TELL.replace(
    "out = ", "if os.environ.get('MS_ROLE') == 'MS_SCHED':\n    import time; time.sleep(600)\nout = "
)


def test_cards_are_started_by_rank_table(bench: Bench) -> None:
    """What the platform does by default: nothing of msrun, only the address where processes on a processor meet."""
    assert bench.prepare(TELL_OR_WAIT, cards=4).run() == 0
    for rank in range(4):
        facts = bench.facts(rank)
        environment = facts["environment"]
        assert (environment["RANK_SIZE"], environment["MA_NUM_GPUS"]) == ("4", "4")
        assert environment["ASCEND_DEVICE_ID"] == environment["DEVICE_ID"] == str(rank)
        assert not {"MA_RUN_METHOD", "MS_ROLE", "MS_NODE_ID"} & set(environment)
        assert {"RANK_TABLE_FILE", "MS_SCHED_HOST", "MS_SCHED_PORT"} <= set(environment)
        assert facts["cwd"].endswith(f"/workspace/device{rank}")
        _assert_our_own_reader_understands(facts, rank, cards=4)
    cards = [name for name in bench.logs() if "-proc-rank-" in name]
    assert len(cards) == 4


def test_cards_are_started_by_msrun_where_the_job_says_so(bench: Bench) -> None:
    assert bench.prepare(TELL_OR_WAIT, cards=2, start="msrun").run() == 0
    for rank in range(2):
        environment = bench.facts(rank)["environment"]
        assert environment["MA_RUN_METHOD"] == "msrun"
        assert (environment["MS_ROLE"], environment["MS_NODE_ID"], environment["MS_WORKER_NUM"]) == (
            "MS_WORKER",
            str(rank),
            "2",
        )
        assert "RANK_TABLE_FILE" not in environment


def test_two_nodes_have_containers_logs_and_variables_of_their_own(bench: Bench) -> None:
    run = bench.prepare(TELL_OR_WAIT, cards=2, nodes=2)
    assert run.run() == 0
    for rank in range(4):
        facts = bench.facts(rank)
        node, device = divmod(rank, 2)
        mount = run.containers[node].mount
        environment = facts["environment"]
        expected = {
            "MA_NUM_HOSTS": "2",
            "VC_WORKER_NUM": "2",
            "VC_TASK_INDEX": str(node),
            "VC_WORKER_HOSTS": "127.0.0.1,127.0.0.2",
            "MA_CURRENT_IP": f"127.0.0.{node + 1}",
            "MA_CURRENT_INSTANCE_NAME": f"modelarts-job-{run.state.id}-worker-{node}",
            "MA_NUM_GPUS": "2",
            "RANK_SIZE": "4",
            "DEVICE_ID": str(device),
        }
        assert {name: environment[name] for name in expected} == expected
        assert facts["cwd"] == str(mount / "workspace" / f"device{device}")
        assert f"--scratch_path={run.containers[node].cache}" in facts["argv"]
        assert set(environment) >= DOCUMENTED
        _assert_our_own_reader_understands(facts, rank, cards=2, nodes=2)
    assert run.containers[0].cache != run.containers[1].cache
    logs = {name.split(f"{run.state.id}-")[1]: text for name, text in bench.logs().items()}
    ranks = {f"proc-rank-{rank}-device-{rank % 2}.txt" for rank in range(4)}
    assert set(logs) == {"worker-0.log", "worker-1.log", "scheduler.log"} | ranks
    assert "rank 3 was here" in logs["worker-1.log"]
    assert "rank 3 was here" not in logs["worker-0.log"]
    assert all(logs[f"worker-{node}.log"].splitlines()[-1].endswith("ended with exit code 0") for node in range(2))
    shown = {line.split(" | ")[0] for line in "".join(bench.lines).splitlines()}
    assert shown == {"worker-0", "worker-1"}, "each line says whose it is"


def test_one_failing_card_ends_all(bench: Bench) -> None:
    script = "import os, sys, time\nif os.environ.get('RANK_ID') == '2': sys.exit(11)\ntime.sleep(600)"
    run = bench.prepare(script, cards=4)
    assert run.run() == 11
    assert run.state.message == "rank 2 failed"
