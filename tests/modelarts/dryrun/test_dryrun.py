"""The stand-in container does what the platform's does, shown by small boot files that tell what they see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.cli.main import make_parser
from modelarts.dryrun.container import Container, Storage
from modelarts.dryrun.dryrun import FRESH, SAME, DryRun, DryRunOptions
from modelarts.dryrun.state import ask_to_stop, dry_runs, find_dry_run
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import load_job
from src.errors import ConfigError, DataError, JobError
from tests.modelarts.conftest import MakeJob

TELL = """
import json, os, pathlib, sys
import yaml  # a package of this laptop
facts = {"argv": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd(), "file": __file__}
values = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
out = pathlib.Path(values["train_url"])
(out / f"facts{os.environ['RANK_ID']}.json").write_text(json.dumps(facts))
print("rank", os.environ["RANK_ID"], "was here")
"""
INPUT = {"data_url": {"url": "obs://bucket/coco/", "pass": "folder"}}


class Bench:
    """Runs small jobs on a local OBS of their own."""

    def __init__(self, folder: Path, make_job: MakeJob) -> None:
        self.folder, self._make_job = folder, make_job
        self.store = obs_sync.ObsFileSystem(storage_mode="local", obs_local_root=str(folder / "obs"))
        (folder / "obs" / "bucket").mkdir(parents=True)
        self.lines: list[str] = []

    def prepare(self, script: str, options: dict[str, Any] | None = None, **job: Any) -> DryRun:
        given = {"sync_period_s": 0.2, "install_requirements": False, "restarts": 0, "keep": True, **(options or {})}
        chosen = DryRunOptions(
            Storage("local", str(self.folder / "obs")), work=self.folder / "work", echo=self.lines.append, **given
        )
        return DryRun(load_job(str(self._make_job(script, **job))), chosen)

    def output(self, name: str) -> bytes:
        return bytes(self.store.cat_file(f"obs://bucket/jobs/small/output/{name}"))

    def facts(self, rank: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.output(f"facts{rank}.json")))

    def logs(self) -> dict[str, str]:
        names = obs_sync.list_files("obs://bucket/jobs/small/log/", filesystem=self.store)
        return {name: self.store.cat_file(f"obs://bucket/jobs/small/log/{name}").decode() for name in names}


@pytest.fixture
def bench(tmp_path: Path, make_job: MakeJob) -> Bench:
    return Bench(tmp_path, make_job)


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


#: The container's variables in the platform's documentation that do not depend on cards of another make, on mirrors of
#: its own, or on OBS; and what its launcher sets for each card.
DOCUMENTED = {
    *("MA_HOME", "MA_JOB_DIR", "MA_MOUNT_PATH", "MA_LOG_DIR", "WORKSPACE", "PATH", "MA_CURRENT_IP", "MA_NUM_GPUS"),
    *("MA_TASK_NAME", "MA_NUM_HOSTS", "VC_WORKER_NUM", "VC_TASK_INDEX", "VC_WORKER_HOSTS", "MA_CURRENT_INSTANCE_NAME"),
    *("MA_DETECT_TRAIN_INJECT_CODE", "MA_HANG_DETECT_TIME", "MA_SCHEDULE_CNT", "MA_PROC_START_CNT"),
    *("RANK_TABLE_FILE", "RANK_ID", "RANK_SIZE", "ASCEND_DEVICE_ID", "DEVICE_ID", "JOB_ID", "HCCL_CONNECT_TIMEOUT"),
    *("ASCEND_PROCESS_LOG_PATH", "MA_INPUTS", "MA_OUTPUTS"),
}


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


def test_our_own_environment_reader_understands_the_container(bench: Bench) -> None:
    from modelarts.runtime.topology import RANK_TABLE, locate

    run = bench.prepare(TELL)
    run.run()
    facts = bench.facts()
    given = dict(argument[2:].split("=", 1) for argument in facts["argv"])
    place = locate(facts["environment"], given["scratch_path"], {"train_url": given["train_url"]})
    assert (place.rank, place.rank_size, place.node, place.nodes, place.restarts) == (0, 1, 0, 1, 0)
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
    run = bench.prepare(TELL, inputs={"data_url": {"url": "./coco", "pass": "url"}})
    assert run.run() == 0
    assert f"--data_url={bench.folder / 'coco'}" in bench.facts()["argv"]


def test_outputs_are_carried_out_while_the_job_runs(bench: Bench) -> None:
    script = TELL + (
        "\nimport time\n(out / 'ckpt_0').mkdir()\n(out / 'ckpt_0' / 'a.ckpt').write_bytes(b'weights')\n"
        f"seen = pathlib.Path({str(bench.folder / 'obs' / 'bucket' / 'jobs/small/output/ckpt_0/a.ckpt')!r})\n"
        "for _ in range(200):\n    if seen.exists(): break\n    time.sleep(0.05)\n"
        "else:\n    sys.exit(9)\n(out / 'last').write_text('at the end')\n"
    )
    assert bench.prepare(script).run() == 0
    assert bench.output("last") == b"at the end"


def test_earlier_output_is_predownloaded_when_declared(bench: Bench) -> None:
    bench.store.pipe_file("obs://bucket/jobs/small/output/ckpt_0/a.ckpt", b"earlier")
    script = TELL + "\nprint('found', (out / 'ckpt_0' / 'a.ckpt').exists())"
    bench.prepare(script).run()
    bench.prepare(script, outputs={"train_url": {"url": "${job_dir}/output/"}}).run()
    said = [line for line in bench.lines if line.startswith("found")]
    assert said == ["found True\n", "found False\n"]


@pytest.mark.parametrize(
    ("where", "counters"), [(SAME, [("1", "1"), ("1", "2"), ("1", "3")]), (FRESH, [("1", "1"), ("2", "1"), ("3", "1")])]
)
def test_restarts_count_and_keep_or_lose_the_container(
    bench: Bench, where: str, counters: list[tuple[str, str]]
) -> None:
    script = TELL + (
        "\nmark = pathlib.Path(values['scratch_path']) / 'mark'\n"
        "print('counters', os.environ['MA_SCHEDULE_CNT'], os.environ['MA_PROC_START_CNT'], mark.exists())\n"
        "mark.touch()\n"
        "count = out / 'count'\ncount.write_text(count.read_text() + 'x' if count.exists() else 'x')\n"
        "sys.exit(0 if len(count.read_text()) == 3 else 7)"
    )
    again = {"times": 5, "unconditional": True}
    run = bench.prepare(script, {"restarts": -1, "restart_in": where}, auto_restart=again)
    assert run.run() == 0
    said = [line.split()[1:] for line in bench.lines if line.startswith("counters")]
    assert [(a, b) for a, b, _ in said] == counters
    assert [kept for *_, kept in said] == ["False", str(where == SAME), str(where == SAME)]
    assert run.state.starts == 3
    task_log = next(text for name, text in bench.logs().items() if name.endswith("worker-0.log"))
    assert task_log.count("counters") == 3, "the log goes on over restarts"


def test_restarts_run_out(bench: Bench) -> None:
    run = bench.prepare("import sys; sys.exit(7)", {"restarts": -1}, auto_restart={"times": 2, "unconditional": True})
    assert run.run() == 7
    assert (run.state.phase, run.state.exit_code, run.state.starts) == ("Failed", 7, 3)


def test_a_wrong_input_is_not_tried_again(bench: Bench) -> None:
    run = bench.prepare("import sys; sys.exit(2)", {"restarts": -1}, auto_restart={"times": 3, "unconditional": True})
    assert run.run() == 2
    assert (run.state.phase, run.state.starts) == ("Failed", 1)
    assert "not restarting: exit code 2" in "".join(bench.lines)


def test_own_errors_restart_only_when_unconditional(bench: Bench) -> None:
    run = bench.prepare("import sys; sys.exit(7)", {"restarts": -1}, auto_restart={"times": 3})
    assert run.run() == 7
    assert run.state.starts == 1


def test_killed_process_has_the_shells_code(bench: Bench) -> None:
    run = bench.prepare("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert run.run() == 137


def test_output_written_before_a_crash_is_carried_out(bench: Bench) -> None:
    assert bench.prepare(TELL + "\nos._exit(5)", {"sync_period_s": 60.0}).run() == 5
    assert bench.facts()["cwd"]


@pytest.mark.parametrize(("deaf", "signs"), [(False, ["obeyed"]), (True, ["obeyed", "still here"])])
def test_stop_sends_sigterm_then_sigkill(
    bench: Bench, deaf: bool, signs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import modelarts.dryrun.launcher

    assert modelarts.dryrun.launcher.PLATFORM_GRACE_S == 15
    monkeypatch.setitem(modelarts.dryrun.launcher.run_together.__kwdefaults__, "grace_s", 1.5)
    script = TELL + (
        "\nimport signal, time\n"
        "def leave(*_):\n    print('obeyed', flush=True)\n    (out / 'obeyed').touch()\n"
        "    time.sleep(0.7)\n    print('still here', flush=True)\n"
        f"    time.sleep({600 if deaf else 0})\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    run = bench.prepare(script)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run.run()))
    thread.start()
    _wait_for(lambda: "ready\n" in bench.lines)
    state = find_dry_run(run.state.id[:8], bench.folder / "work")
    assert state is not None
    assert state.phase == "Running"
    ask_to_stop(state, bench.folder / "work")
    thread.join(30)
    assert codes == [143]
    assert run.state.phase == "Terminated"
    assert [line.strip() for line in bench.lines if line.strip() in ("obeyed", "still here")][: len(signs)] == signs
    assert bench.output("obeyed") == b"", "what it wrote on SIGTERM is carried out"
    said = "".join(bench.lines)
    assert "stopping: SIGTERM now, SIGKILL in 15 s" in said
    assert ("killed rank 0: still running" in said) == deaf
    with pytest.raises(JobError, match="is not running: it is Terminated"):
        ask_to_stop(run.state, bench.folder / "work")


def test_time_limit(bench: Bench) -> None:
    assert bench.prepare("import time; time.sleep(600)", {"timeout_s": 1.0}).run() == 124


def test_each_card_has_a_process_and_a_log(bench: Bench) -> None:
    script = TELL.replace("out = ", "if os.environ['MS_ROLE'] == 'MS_SCHED':\n    import time; time.sleep(600)\nout = ")
    run = bench.prepare(script, cards=4)
    assert run.run() == 0
    for rank in range(4):
        environment = bench.facts(rank)["environment"]
        assert (environment["RANK_SIZE"], environment["MS_WORKER_NUM"], environment["MA_NUM_GPUS"]) == ("4", "4", "4")
        assert environment["ASCEND_DEVICE_ID"] == environment["DEVICE_ID"] == str(rank)
        assert environment["MA_RUN_METHOD"] == "msrun"
        assert bench.facts(rank)["cwd"].endswith(f"/workspace/device{rank}")
    cards = [name for name in bench.logs() if "-proc-rank-" in name]
    assert len(cards) == 4


def test_one_failing_card_ends_all(bench: Bench) -> None:
    script = "import os, sys, time\nif os.environ.get('RANK_ID') == '2': sys.exit(11)\ntime.sleep(600)"
    run = bench.prepare(script, cards=4)
    assert run.run() == 11
    assert run.state.message == "rank 2 failed"


def test_missing_input_fails_before_anything_starts(bench: Bench) -> None:
    run = bench.prepare(TELL, inputs=INPUT)
    with pytest.raises(DataError, match="data_url: obs://bucket/coco/: nothing is there"):
        run.run()
    assert run.state.phase == "Failed"
    assert run.state.starts == 0


def test_output_that_cannot_be_written_fails_the_job(bench: Bench) -> None:
    script = TELL + f"\nimport shutil\nshutil.rmtree({str(bench.folder / 'obs' / 'bucket')!r})"
    run = bench.prepare(script, {"sync_period_s": 60.0})
    with pytest.raises(obs_sync.ObsSyncError, match="no such bucket"):
        run.run()
    assert run.state.phase == "Failed"


def test_several_nodes_are_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="one node"):
        bench.prepare(TELL, nodes=2)


def test_done_container_goes_and_its_log_stays(bench: Bench) -> None:
    run = bench.prepare(TELL, {"keep": False})
    run.run()
    assert not run.container.root.exists()
    assert "rank 0 was here" in Path(run.state.log_file).read_text()


def test_abandoned_dry_run_is_abnormal(bench: Bench) -> None:
    run = bench.prepare(TELL)
    run.run()
    state = bench.folder / "work" / run.state.id / "state.json"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    state.write_text(json.dumps({**json.loads(state.read_text()), "phase": "Running", "pid": gone.pid}))
    assert [one.phase for one in dry_runs(bench.folder / "work")] == ["Abnormal"]
    (state.parent.parent / "damaged").mkdir()
    (state.parent.parent / "damaged" / "state.json").write_text("{")
    assert len(dry_runs(bench.folder / "work")) == 1


def test_stopping_the_command_stops_the_job(bench: Bench, make_job: MakeJob, root: Path) -> None:
    marker = bench.folder / "obeyed"
    script = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(marker)!r}).touch(), sys.exit(0)))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-m", "modelarts", "dry-run", str(make_job(script)), "--storage_mode", "local", "--work"]
    command += [str(bench.folder / "work"), "--obs_local_root", str(bench.folder / "obs"), "--no-requirements"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
        assert process.wait(30) == 130
    assert marker.exists()
    assert "Terminated" in rest


def test_requirements_that_are_there_need_no_connection(bench: Bench) -> None:
    code = {"folder": "checkout", "files": ["."]}
    (bench.folder / "checkout").mkdir()
    (bench.folder / "checkout" / "requirements.txt").write_text("pyyaml>=5\n")
    run = bench.prepare(TELL, {"install_requirements": True}, code=code)
    os.environ["PIP_NO_INDEX"] = "1"
    try:
        assert run.run() == 0
    finally:
        del os.environ["PIP_NO_INDEX"]
    assert "installing requirements.txt" in "".join(bench.lines)


def test_missing_requirement_is_installed_into_the_container_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = bench.folder / "checkout" / "tiny"
    package.mkdir(parents=True)
    wheel = _make_wheel(package)
    (bench.folder / "checkout" / "requirements.txt").write_text(f"{wheel}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    script = TELL + "\nimport openpose_tiny_test_package as tiny\nprint('installed', tiny.__file__)"
    run = bench.prepare(script, {"install_requirements": True}, code={"folder": "checkout", "files": ["."]})
    assert run.run() == 0
    where = next(line for line in bench.lines if line.startswith("installed"))
    assert str(run.container.root) in where
    with pytest.raises(ModuleNotFoundError):
        __import__("openpose_tiny_test_package")


def test_requirement_that_cannot_be_had_is_one_clear_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "checkout").mkdir()
    (bench.folder / "checkout" / "pip-requirements.txt").write_text("no-such-package-of-ours\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    run = bench.prepare(TELL, {"install_requirements": True}, code={"folder": "checkout", "files": ["."]})
    with pytest.raises(JobError, match=r"pip-requirements\.txt: not everything .* --no-requirements") as caught:
        run.run()
    log = str(caught.value).split("see ")[1].split(",")[0]
    assert "no-such-package-of-ours" in Path(log).read_text()


def _make_wheel(folder: Path) -> Path:
    """The smallest wheel that pip installs."""
    import zipfile

    name = "openpose_tiny_test_package"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def _wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_changes_are_seen_by_the_boot_file(bench: Bench, make_job: MakeJob) -> None:
    job = load_job(str(make_job(TELL)), Changes({"batch_size": "3", "train_url": "obs://bucket/elsewhere"}))
    options = DryRunOptions(
        Storage("local", str(bench.folder / "obs")), bench.folder / "work", install_requirements=False
    )
    assert DryRun(job, options).run() == 0
    facts = json.loads(bench.store.cat_file("obs://bucket/elsewhere/facts0.json"))
    assert "--batch_size=3" in facts["argv"]
