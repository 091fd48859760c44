"""Restarts, exit codes, stopping and time limits are the platform's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from modelarts.dryrun.dryrun import FRESH, SAME
from modelarts.dryrun.state import ask_to_stop, dry_runs, find_dry_run
from src.errors import JobError
from tests.modelarts.conftest import MakeJob
from tests.modelarts.dryrun.conftest import TELL, Bench


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


def _wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
