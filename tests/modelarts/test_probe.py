"""The probe reports how the platform starts a job, and nothing about whose it is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from modelarts import probe
from modelarts.dryrun import launcher
from modelarts.dryrun.container import Storage
from modelarts.dryrun.dryrun import DryRun, DryRunOptions
from modelarts.dryrun.state import ask_to_stop
from modelarts.jobs.checks import check_definition
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import load_job


def test_the_probe_job_reports_and_measures_the_grace_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(launcher.run_together.__kwdefaults__, "grace_s", 1.5)
    monkeypatch.setenv("OBS_SECRET_ACCESS_KEY", "TheSecret")
    job = load_job("probe", Changes({}, bucket="mine", prefix="jobs"))
    assert check_definition(job) == []
    options = DryRunOptions(Storage("local", str(tmp_path / "obs")), tmp_path / "work", 0.2, install_requirements=False)
    run = DryRun(job, options)
    output = tmp_path / "obs" / "mine" / "jobs" / "openpose_probe" / "output"

    def stop_when_reported() -> None:
        end = time.monotonic() + 60
        while not (output / probe.REPORT).exists() and time.monotonic() < end:
            time.sleep(0.05)
        ask_to_stop(run.state, tmp_path / "work")

    thread = threading.Thread(target=stop_when_reported)
    thread.start()
    assert run.run() == 143
    thread.join()
    text = (output / probe.REPORT).read_text(encoding="utf-8")
    facts = json.loads(text)
    assert "TheSecret" not in text
    assert facts["environment"]["OBS_SECRET_ACCESS_KEY"] == probe.HIDDEN
    assert facts["environment"]["MA_NUM_GPUS"] == "1"
    assert facts["arguments"]["train_url"] == "folder"
    assert facts["rank_table"]["server_list"][0]["device"][0] == dict.fromkeys(
        ("device_id", "device_ip", "rank_id"), "str"
    )
    assert facts["versions"]["numpy"].startswith("1.")
    assert facts["moxing"] == "ModuleNotFoundError"
    assert facts["scratch_mb_per_s"]["write"] > 0
    beats = [json.loads(line) for line in (output / probe.HEARTBEAT).read_text(encoding="utf-8").splitlines()]
    assert 1 <= beats[-1]["seconds_since_sigterm"] <= 3
    log = run.container.task_log.read_text(encoding="utf-8")
    assert f"{beats[-2]['seconds_since_sigterm']} s since SIGTERM" in log, "also where no output is uploaded any more"
    assert "TheSecret" not in log


def test_only_variables_that_identify_nobody_keep_their_values() -> None:
    told = {"RANK_ID": "0", "PYTHONPATH": "/p", "MOX_FILE_LARGE_FILE_TASK_NUM": "1", "MA_RUN_METHOD": "msrun"}
    hidden = (
        "S3_ENDPOINT",
        "MA_CURRENT_IP",
        "VC_WORKER_HOSTS",
        "PYTHON_TOKEN",
        "RANK_ID_SECRET",
        "MY_RANK_ID",
        "MA_VJ_NAME",
    )
    assert probe.shown({**told, **dict.fromkeys(hidden, "x")}) == {**told, **dict.fromkeys(hidden, probe.HIDDEN)}


def test_an_address_instead_of_a_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["--train_url=obs://b/x"]) == 2
    assert "pass: folder" in capsys.readouterr().err
