"""`python -m modelarts` from the outside: what it prints, what scripts get, and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.__main__ import main
from modelarts.cli import options as given
from modelarts.cli.log_tail import last_error
from modelarts.cli.main import EXAMPLES, make_parser
from modelarts.jobs.loading import job_keys, load_job
from src.actions import default_actions
from tests.modelarts.cloud.training_api import FLAVOUR, PROJECT, TrainingApi, serving
from tests.modelarts.conftest import MakeJob

CHOSEN = ("--flavour", FLAVOUR)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of this machine, and a folder of our own for obs_root and work."""
    for name in (
        "HUAWEICLOUD_SDK_AK",
        "OBS_ACCESS_KEY_ID",
        "OBS_ENDPOINT",
        "S3_ENDPOINT",
        "HUAWEICLOUD_SDK_PROJECT_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingApi]:
    pytest.importorskip("huaweicloudsdkmodelarts", reason="the cloud SDK is optional")
    api = TrainingApi()
    with serving(api) as address:
        for name, value in {
            "HUAWEICLOUD_SDK_AK": "AK",
            "HUAWEICLOUD_SDK_SK": "SECRET",
            "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT,
            "MODELARTS_ENDPOINT": address,
        }.items():
            monkeypatch.setenv(name, value)
        yield api


def run(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    """What the command printed; the exit code must be the expected one."""
    found = main(argv)
    out, err = capsys.readouterr()
    assert found == code, out + err
    return out if code == 0 else out + err


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    return json.loads(run(capsys, *argv, "--json"))


def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("examples:", "exit codes:", "143", "dry-run", "upload-code", "rebuild"):
        assert word in text


@pytest.mark.parametrize(
    "command",
    ["jobs", "show", "check", "dry-run", "submit", "rebuild", "list", "status", "logs", "stop", "upload-code"],
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m modelarts" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "line"), [(command, line) for command in EXAMPLES for line in EXAMPLES[command]])
def test_examples_are_understood(command: str, line: str) -> None:
    options = make_parser().parse_args(shlex.split(line))
    assert line.split()[0] == command
    words = getattr(options, "job", [])
    for word in [words] if isinstance(words, str) else words:
        if word in job_keys():
            assert load_job(word, given.changes_of(options)).problems == ()


def test_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "jobs")
    assert [line.split()[0] for line in text.splitlines()] == job_keys()
    assert {one["key"]: one["cards"] for one in run_json(capsys, "jobs")}["train_np4"] == 4


def test_show_tells_value_default_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "show", "train_np1", "--set", "lr=1e-3")
    assert "lr = 1e-3 (default 0.0001)" in text
    assert "images per step and card" in text
    assert run_json(capsys, "show", "train_np1")["log_path"].endswith("/log/ep2_np1/")


def test_console_table_has_every_field_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "show", "infer", "--console")
    for word in (
        "名称 Name",
        "代码目录",
        "启动文件",
        "超参",
        "故障自动重启",
        "规格",
        "作业日志路径",
        "climb_up 攀爬 climbing up",
    ):
        assert word in text
    assert "输出 Output train_url" in run(capsys, "show", "train_np1", "--console")
    rows = run_json(capsys, "show", "train_np4", "--console")
    assert {"field": "超参 Hyperparameter train_url", "value": load_job("train_np4").outputs[0].url} in rows


def test_check_prints_one_line_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "train_np1", "--set", "lrr=1", "batch_size=0"]) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert "did you mean 'lr'" in "".join(out)
    assert run(capsys, "check").startswith("no mistakes in")
    assert run_json(capsys, "check", "infer")["mistakes"] == []


@pytest.mark.parametrize(
    "argv",
    [
        ["show", "nobody"],
        ["show", "infer", "--set", "novalue"],
        ["dry-run", "train_np1", "--set", "lrr=1"],
        ["submit", "infer", "--flavour", "x", "--print", "--set", "target_action_type=fly"],
        ["submit", "infer"],
        ["list", "--cloud-only"],
        ["status", "nobody"],
        ["stop", "nobody"],
        ["logs", "nobody"],
    ],
)
def test_mistakes_are_told_without_a_traceback(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert main(argv) in (2, 4)
    assert "Traceback" not in capsys.readouterr().err


def test_dry_run_status_logs_and_list(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    job = str(make_job("print('here I am')"))
    state = run_json(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements")
    assert (state["phase"], state["exit_code"]) == ("Completed", 0)
    short = state["id"][:8]
    assert "Completed, exit code 0" in run(capsys, "status", short)
    assert "here I am\n" in run(capsys, "logs", short)
    assert "here I am\n" in run(capsys, "logs", short, "--follow")
    assert [one["id"] for one in run_json(capsys, "list")["dry_runs"]] == [state["id"]]
    assert "it is Completed" in run(capsys, "stop", short, code=1)
    log = Path("obs_root/bucket/jobs/small/log", f"modelarts-job-{state['id']}-worker-0.log")
    assert "here I am" in log.read_text()


def test_dry_run_ends_with_the_jobs_code(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    job = str(make_job("import sys; sys.exit(42)"))
    run(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements", code=42)
    run(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements", "--timeout", "0", code=124)


def test_dry_run_refuses_an_output_in_use(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    import os

    job = str(make_job())
    state = run_json(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements")
    path = Path("work/dryrun", state["id"], "state.json")
    path.write_text(json.dumps({**state, "phase": "Running", "pid": os.getpid()}))
    text = run(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements", code=2)
    assert f"is in use by job {state['id']}" in text


def test_what_would_be_uploaded_is_told_before_there_is_a_bucket(
    capsys: pytest.CaptureFixture[str], make_job: MakeJob
) -> None:
    text = run(capsys, "upload-code", str(make_job()), "--only-list", "--storage_mode", "local")
    assert [line.split()[-1] for line in text.splitlines()[:-1]] == ["boot.py"]
    assert not Path("obs_root").exists()


def test_a_dry_run_is_named_rebuilt_and_listed(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    job = str(make_job("import sys; print(sys.argv[1:])"))
    common = ("--storage_mode", "local")
    made = ("--no-requirements", "--name", "mine", "--set", "lr=0.5", "batch_size=3", "--restarts", "0")
    first = run_json(capsys, "dry-run", job, *common, *made)
    printed = run(capsys, "rebuild", "mine", "--set", "lr=0.25", "--print")
    assert "--lr=0.25" in printed
    again = run_json(capsys, "rebuild", "mine", "--set", "lr=0.25")
    assert re.fullmatch(r"mine-copy-\d{4}", again["name"])
    assert again["options"] == {**first["options"], "work": again["options"]["work"]}
    log = run(capsys, "logs", again["name"])
    assert "--lr=0.25" in log
    assert "--batch_size=3" in log, "earlier changes are kept"
    head, one, two = run(capsys, "list").splitlines()
    assert head.split() == ["ID", "PHASE", "NAME", "WHERE", "START", "DURATION", "CHANGED"]
    assert one.endswith("lr=0.5 batch_size=3")
    assert two.endswith("lr=0.25 batch_size=3")
    assert re.search(r"mine +dry run +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +0:00:\d\d ", one)


def test_status_shows_the_last_error_line(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    lines = ["2026 ERROR rank 0: first", "2026 ERROR rank 0: the disk is full", "2026 INFO rank 0: ERRORS later"]
    job = str(make_job(f"import sys; print({chr(10).join(lines)!r}); sys.exit(1)"))
    run(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements", "--name", "bad", code=1)
    assert "last error: 2026 ERROR rank 0: the disk is full\n" in run(capsys, "status", "bad")


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("INFO fine\n", ""),
        ("Traceback (most recent call last):\n  File x\nValueError: bad\nINFO end", "ValueError: bad"),
        ("KeyError: 'x'\nT ERROR rank 1: worse\n", "T ERROR rank 1: worse"),
        ("", ""),
    ],
)
def test_last_error_of_a_log(log: str, line: str) -> None:
    assert last_error(log) == line


def test_old_spellings_of_options_keep_working(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    assert main(["check", str(make_job()), "--storage", "local", "--obs-local-root=elsewhere"]) == 0
    err = capsys.readouterr().err
    assert "note: --storage is now spelled --storage_mode\n" in err
    assert "note: --obs-local-root is now spelled --obs_local_root\n" in err
    assert "elsewhere, which stands for OBS" in err


def test_upload_code_copies_once(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    Path("obs_root/bucket").mkdir(parents=True)
    job = str(make_job())
    assert run_json(capsys, "upload-code", job, "--only-list", "--storage_mode", "local")[0]["copied"] == ["boot.py"]
    assert run(capsys, "upload-code", job, "--only-list", "--storage_mode", "local").splitlines()[0].split() == [
        "14",
        "boot.py",
    ]
    assert not list(Path("obs_root/bucket").iterdir())
    assert run_json(capsys, "upload-code", job, "--storage_mode", "local")[0]["copied"] == ["boot.py"]
    assert Path("obs_root/bucket/jobs/small/code/boot.py").exists()
    assert run_json(capsys, "upload-code", job, "--storage_mode", "local")[0]["copied"] == []
    assert run(capsys, "check", job, "--storage_mode", "local").startswith("no mistakes")


def test_a_checkout_holds_its_own_store_and_dry_runs(
    capsys: pytest.CaptureFixture[str], make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everybody starts: in the folder of the code, with obs_root/ and work/ made in it."""
    job = str(make_job("print('here I am')"))
    monkeypatch.chdir("checkout")
    assert run_json(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements")["exit_code"] == 0
    assert run_json(capsys, "upload-code", job, "--storage_mode", "local")[0]["copied"] == ["boot.py"]
    assert Path("obs_root/bucket/jobs/small/code/boot.py").exists()
    assert list(Path("work/dryrun").iterdir())


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
    assert "flavour: none is chosen for 1 card of snt9b" in run(capsys, "submit", "infer", code=2)
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
    assert "knows no job of this name" in run(capsys, "status", "nobody", code=4)


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
    assert text == "first\n第二\n… 11 bytes of the log are not shown by the platform …\n" + "x" * 19 + "\n"
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
        assert text.startswith(
            "4f1c: no dry-run in work/dryrun has this id; the platform cannot be asked: no access keys"
        )
    assert "infre: is no declared job (continue_np1, " in run(capsys, "rebuild", "infre", code=2)


def test_who_did_not_choose_a_folder_for_obs_is_told(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    job = str(make_job())
    for argv in (["upload-code", job], ["dry-run", job, "--no-requirements"], ["check", job]):
        assert main(argv) == 0
        assert "the folder obs_root stands for OBS here; --storage_mode obs takes" in capsys.readouterr().err
        assert main([*argv, "--storage_mode", "local"]) == 0
        assert "stands for OBS here" not in capsys.readouterr().err


def test_results_are_found_on_the_disk(capsys: pytest.CaptureFixture[str], make_job: MakeJob, tmp_path: Path) -> None:
    text = run(capsys, "dry-run", str(make_job()), "--storage_mode", "local", "--no-requirements")
    folder = tmp_path / "obs_root" / "bucket" / "jobs" / "small"
    assert f"results: obs://bucket/jobs/small/output/ ({folder / 'output'})" in text
    assert f"log in OBS: obs://bucket/jobs/small/log/ ({folder / 'log'})" in text


def test_a_reader_that_has_seen_enough_is_no_failure(root: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m modelarts show infer | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_endpoint_is_reached_before_the_check(capsys: pytest.CaptureFixture[str], api: TrainingApi) -> None:
    assert main(["submit", "infer", *CHOSEN, "--set", "infer_insize=1"]) == 2
    assert not [path for _, path, _, _ in api.requests if path.endswith("/training-jobs")]


def test_storage_modes_are_passed_on(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    text = run(capsys, "dry-run", str(make_job()), "--storage_mode", "obs", "--no-requirements", code=2)
    assert "set OBS_ENDPOINT" in text


def test_importing_the_command_line_has_no_effect() -> None:
    code = (
        "import sys, modelarts.__main__\n"
        "print([name for name in sys.modules if name.startswith(('mindspore', 'huawei', 'moxing'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(obs_sync.__file__).parents[1]
    )
    assert done.stdout.strip() == "[]", done.stderr
