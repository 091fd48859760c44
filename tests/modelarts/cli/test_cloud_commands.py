"""The commands on jobs of the cloud: submit, rebuild, list, status, stop, logs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from modelarts.__main__ import main
from modelarts.jobs.loading import JOBS_FOLDER, load_job
from src.actions import default_actions
from tests.modelarts.cli.conftest import CHOSEN, run, run_json
from tests.modelarts.cloud.training_api import FLAVOUR, TrainingApi
from tests.modelarts.conftest import MakeJob


def test_print_shows_the_body_that_is_sent(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    printed = json.loads(
        run(capsys, "submit", "infer", *CHOSEN, "--set", "target_action_type=climb_over_fence", "--print")
    )
    assert api.requests == [], "printing sends nothing"
    text = run(capsys, "submit", "infer", *CHOSEN, "--set", "target_action_type=climb_over_fence")
    sent = next(body for method, path, body, _ in api.requests if path.endswith("/training-jobs"))
    assert sent == printed
    assert text.split()[0] in api.jobs
    hint = next(one for one in sent["algorithm"]["parameters"] if one["name"] == "target_action_type")["description"]
    assert all(name in hint for name in default_actions())


def test_submit_wants_a_flavour_and_one_that_is_offered(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    assert "flavour: not set for 1 card of snt9b" in run(capsys, "submit", "infer", code=2)
    text = run(capsys, "submit", "infer", "--flavour", f"{FLAVOUR}x", code=2)
    assert f"flavour: the platform does not offer {FLAVOUR}x, did you mean '{FLAVOUR}'?" in text
    api.engines = ["mindspore_2.7.0-cann_8.2-py_3.11-hce_2.0-aarch64-snt9b"]
    assert "engine: the platform does not offer mindspore_2.7.1-" in run(capsys, "submit", "infer", *CHOSEN, code=2)
    assert FLAVOUR in run(capsys, "offers")
    assert api.jobs == {}


def test_submit_refuses_an_output_that_a_job_of_the_cloud_writes(
    capsys: pytest.CaptureFixture[str], api: TrainingApi
) -> None:
    run(capsys, "submit", "train_np1", *CHOSEN, "--name", "first")
    text = run(capsys, "submit", "train_np1", *CHOSEN, "--name", "second", code=2)
    assert "is in use by job 00000000" in text
    assert len(api.jobs) == 1


def test_rebuild_refuses_an_output_in_use(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    job_id = run(capsys, "submit", "train_np1", *CHOSEN).split()[0]
    api.jobs[job_id]["metadata"]["name"] = "only_there"
    assert f"is in use by job {job_id}" in run(capsys, "rebuild", job_id, code=2)
    run(capsys, "rebuild", job_id, "--set", "train_url=obs://skp-har-neu-xwt/elsewhere/")
    assert len(api.jobs) == 2


def test_rebuild_of_a_declared_job(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    run(capsys, "rebuild", "infer", *CHOSEN, "--set", "target_action_type=climb_over_fence")
    (job,) = api.jobs.values()
    assert re.fullmatch(r"opps_ms15_eval_for_recurrence1_2-copy-\d{4}", job["metadata"]["name"])
    values = {one["name"]: one["value"] for one in job["algorithm"]["parameters"]}
    assert values["target_action_type"] == "climb_over_fence"
    assert values["checkpoint_filename"] == "openpose_train_rank_1000_103.ckpt", "the rest is kept"


def test_rebuild_of_a_job_that_only_the_cloud_has(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    body = {
        "kind": "job",
        "metadata": {"name": "by_hand", "description": "clicked together"},
        "algorithm": {
            "code_dir": "/b/code/",
            "boot_file": "/b/code/x.py",
            "parameters": [{"name": "their_own", "value": "1"}],
            "outputs": [{"name": "out", "remote": {"obs": {"obs_url": "/b/out/"}}}],
        },
        "spec": {"resource": {"flavor_id": "f", "node_count": 1}},
    }
    old = api.add(body, "Failed")["metadata"]["id"]
    printed = json.loads(run(capsys, "rebuild", old, "--set", "their_own=2", "--name", "again", "--print"))
    assert len(api.jobs) == 1
    run(capsys, "rebuild", old, "--set", "their_own=2", "--name", "again")
    new = list(api.jobs.values())[1]
    assert new["algorithm"]["parameters"] == [{"name": "their_own", "value": "2"}]
    assert new["algorithm"]["outputs"] == body["algorithm"]["outputs"]  # type: ignore[index]
    assert (new["metadata"]["name"], new["metadata"]["description"]) == ("again", "clicked together")
    assert printed["spec"] == body["spec"]
    assert "has none of that name" in run(capsys, "rebuild", old, "--set", "theirs=2", code=2)


def test_list_status_stop_of_the_cloud(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    run(capsys, "submit", "infer", *CHOSEN)
    job_id = next(iter(api.jobs))
    assert job_id in run(capsys, "list")
    assert run_json(capsys, "list", "--cloud-only")["jobs"][0]["metadata"]["id"] == job_id
    assert "Pending" in run(capsys, "status", job_id)
    run(capsys, "stop", job_id)
    assert run_json(capsys, "status", job_id)["status"]["phase"] == "Terminating"
    assert "ModelArts.2755" in run(capsys, "status", "ffffffff-95f6-4c1b-8d5a-000000000000", code=4)
    assert "no job on the platform has this name" in run(capsys, "status", "nobody", code=4)


def test_the_newest_job_is_last(capsys: pytest.CaptureFixture[str], api: TrainingApi, make_job: MakeJob) -> None:
    dry = run_json(capsys, "dry-run", str(make_job()), "--storage_mode", "local", "--no-requirements")
    for name in ("first", "second"):
        run(capsys, "submit", "infer", *CHOSEN, "--name", name)
    listed = [line.split()[2] for line in run(capsys, "list").splitlines()]
    assert listed == ["NAME", dry["name"], "first", "second"]
    assert [one["metadata"]["name"] for one in run_json(capsys, "list")["jobs"]] == ["first", "second"]


def test_jobs_of_the_cloud_have_names_too(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    name = load_job("infer").name
    ids = [run(capsys, "submit", "infer", *CHOSEN).split()[0] for _ in range(2)]
    assert ids[1] in run(capsys, "status", name), "the newest of the name"
    assert ids[0] not in run(capsys, "status", name)
    assert all(one in run(capsys, "stop", name, code=4) for one in ids), "which of the two is not guessed"
    run(capsys, "stop", ids[0])
    api.jobs[ids[0]]["status"]["phase"] = "Terminated"
    assert ids[1] in run(capsys, "stop", name)
    api.jobs[ids[1]]["metadata"]["name"] = "only_there"
    printed = json.loads(run(capsys, "rebuild", "only_there", "--print"))
    assert printed["metadata"]["name"].startswith("only_there-copy-")


def test_status_names_log_outputs_and_exit_codes(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    job_id = run(capsys, "submit", "train_np1", *CHOSEN).split()[0]
    api.jobs[job_id]["status"]["task_statuses"] = [{"task": "worker-0", "exit_code": 137, "message": "out of memory"}]
    text = run(capsys, "status", job_id)
    assert "worker-0: exit code 137 out of memory" in text
    assert "log: /skp-har-neu-xwt/" in text
    assert f"output: {load_job('train_np1').outputs[0].url}" in text


def test_following_a_log_shows_each_byte_once(
    capsys: pytest.CaptureFixture[str], api: TrainingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "submit", "infer", *CHOSEN)
    job_id = next(iter(api.jobs))
    parts = iter([b"first\n", "第二\n".encode(), b"", b"x" * 30 + b"\n"])
    api.log_limit = 20

    def more(_: float) -> None:
        if api.jobs[job_id]["status"]["phase"] == "Pending":
            assert not [path for _, path in api.paths() if "logs" in path], "a job that waits has no log"
            api.jobs[job_id]["status"]["phase"] = "Running"
            api.faults = [None, (404, "ModelArts.0404")]  # it runs, but its log is not there yet
            return
        part = next(parts, None)
        if part is None:
            api.jobs[job_id]["status"]["phase"] = "Completed"
        else:
            api.logs[job_id, "worker-0"] = api.logs.get((job_id, "worker-0"), b"") + part

    monkeypatch.setattr("modelarts.cli.log_tail.time.sleep", more)
    text = run(capsys, "logs", job_id, "--follow")
    assert text == "first\n第二\n… 11 bytes of the log are not returned by the platform …\n" + "x" * 19 + "\n"
    found = run_json(capsys, "logs", job_id)
    assert (found["id"], found["phase"]) == (job_id, "Completed")
    assert found["log"].endswith("x" * 19 + "\n")
    assert main(["logs", job_id]) == 0
    assert f"note: {job_id} is Completed" in capsys.readouterr().err
    api.faults = [None, (404, "ModelArts.0404")]
    assert "404" in run(capsys, "logs", job_id, "--task", "worker-7", code=4), "a node that is not there is told"


def test_an_id_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    """Without access to the platform the first thing to know is that it is no dry-run's."""
    for command in ("status", "logs", "stop"):
        text = run(capsys, command, "4f1c", code=2)
        assert text.startswith("4f1c: no dry run in work/dryrun has this id; cannot query the platform: no access keys")
    assert "infre: is not a declared job (continue_np1, " in run(capsys, "rebuild", "infre", code=2)


def test_no_endpoint_is_reached_before_the_check(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    assert main(["submit", "infer", *CHOSEN, "--set", "infer_insize=1"]) == 2
    assert not [path for _, path, _, _ in api.requests if path.endswith("/training-jobs")]


def test_submit_list_and_stop_see_the_same_workspace(
    capsys: pytest.CaptureFixture[str], api: TrainingApi, make_job: MakeJob
) -> None:
    asked = run(capsys, "submit", "infer", *CHOSEN, "--workspace", "w2").split()[0]
    assert api.jobs[asked]["metadata"]["workspace_id"] == "w2"
    assert asked not in run(capsys, "list")
    assert asked in run(capsys, "list", "--workspace", "w2")
    run(capsys, "stop", load_job("infer").name, "--workspace", "w2")
    assert api.jobs[asked]["status"]["phase"] == "Terminating"


def test_jobs_of_workspaces_that_definitions_name_are_listed(
    capsys: pytest.CaptureFixture[str], api: TrainingApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(JOBS_FOLDER, tmp_path / "jobs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    with (tmp_path / "jobs" / "infer.yaml").open("a", encoding="utf-8") as file:
        file.write(f"workspace: w3\ncode: {{folder: {JOBS_FOLDER.parents[1]}, files: [test_tmp.py]}}\n")
    monkeypatch.setattr("modelarts.jobs.loading.JOBS_FOLDER", tmp_path / "jobs")
    job_id = run(capsys, "submit", "infer", *CHOSEN).split()[0]
    assert api.jobs[job_id]["metadata"]["workspace_id"] == "w3"
    assert job_id in run(capsys, "list")
    run(capsys, "stop", load_job("infer").name)
    assert api.jobs[job_id]["status"]["phase"] == "Terminating"
