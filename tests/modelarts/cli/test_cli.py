"""`python -m modelarts` from the outside: what it prints, what scripts get, and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import obs_sync
from modelarts.__main__ import main
from modelarts.cli import options as given
from modelarts.cli.log_tail import last_error
from modelarts.cli.main import EXAMPLES, make_parser
from modelarts.jobs.loading import job_keys, load_job
from tests.modelarts.cli.conftest import run, run_json
from tests.modelarts.conftest import MakeJob


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


def test_a_job_with_everything_is_shown_as_it_is_submitted(
    capsys: pytest.CaptureFixture[str], make_job: MakeJob
) -> None:
    mount = {"nfs": {"nfs_server_path": "10.0.0.1:/x", "local_path": "/data", "read_only": True}}
    facts = {"pool": "pool-1", "priority": 2, "workspace": "w1", "auto_stop_hours": 5, "volumes": [mount]}
    path = str(make_job(**facts, image="swr/x:1", command="bash run.sh"))
    for extra in ([], ["--console"]):
        text = run(capsys, "show", path, *extra)
        for word in (
            "pool-1",
            "w1",
            "5",
            "swr/x:1",
            "bash run.sh",
            "nfs: ",
            "nfs_server_path=10.0.0.1:/x",
            "read_only=True",
        ):
            assert word in text
        assert "Ascend-Powered-Engine" not in text, "the image replaces the preset engine"
    assert ["启动文件" in text, "环境变量 Environment variables" in text] == [False, True]


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
    endless = str(make_job("import time; time.sleep(3600)"))
    run(capsys, "dry-run", endless, "--storage_mode", "local", "--no-requirements", "--timeout", "0", code=124)


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
    assert "elsewhere, which stands in for OBS" in err


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


def test_who_did_not_choose_a_folder_for_obs_is_told(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    job = str(make_job())
    for argv in (["upload-code", job], ["dry-run", job, "--no-requirements"], ["check", job]):
        assert main(argv) == 0
        assert "the folder obs_root stands in for OBS here; --storage_mode obs uses" in capsys.readouterr().err
        assert main([*argv, "--storage_mode", "local"]) == 0
        assert "stands in for OBS here" not in capsys.readouterr().err


def test_results_are_found_on_the_disk(capsys: pytest.CaptureFixture[str], make_job: MakeJob, tmp_path: Path) -> None:
    text = run(capsys, "dry-run", str(make_job()), "--storage_mode", "local", "--no-requirements")
    folder = tmp_path / "obs_root" / "bucket" / "jobs" / "small"
    assert f"results: obs://bucket/jobs/small/output/ ({folder / 'output'})" in text
    assert f"log in OBS: obs://bucket/jobs/small/log/ ({folder / 'log'})" in text


def test_a_reader_that_has_seen_enough_is_no_failure(root: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m modelarts show infer | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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


def test_a_dry_run_says_what_it_does_not_simulate(capsys: pytest.CaptureFixture[str], make_job: MakeJob) -> None:
    mount = {"obs": {"obs_path": "/b/o", "local_path": "/o"}}
    job = str(make_job("raise SystemExit(3)", pool="p", image="swr/x:1", volumes=[mount]))
    text = run(capsys, "dry-run", job, "--storage_mode", "local", "--no-requirements", "--restarts", "0", code=3)
    assert "note: not simulated by a dry run: pool, image, volumes; the boot file runs with" in text
