"""Ranks that fail, hang, ignore signals and leave children: the launcher reports the first bad one and cleans up."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from modelarts.dryrun.launcher import STOPPED, TIMED_OUT, Start, run_together
from tests.fakes.cluster import cluster_variables, launch_ranks

#: Waits for what happens to it; writes its pid so that the test can see whether it is gone.
SCRIPT = """
import os, pathlib, signal, subprocess, sys, time
what, folder = sys.argv[1], pathlib.Path(sys.argv[2])
role, rank = os.environ.get("MS_ROLE", "MS_WORKER"), os.environ["RANK_ID"]
name = "scheduler" if role == "MS_SCHED" else f"rank{rank}"
print(name, "of", os.environ["MS_WORKER_NUM"], "on device", os.environ.get("DEVICE_ID"), flush=True)
(folder / f"{name}.pid").write_text(str(os.getpid()))
if name == "scheduler":
    time.sleep(600)
if what == "all fine" or (what == "others are early" and rank == "0"):
    sys.exit(0)
if what == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if what == "children":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / f"{name}-child.pid").write_text(str(child.pid))
if rank == "1":
    time.sleep(0.5)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "raises":
        raise RuntimeError("no more memory")
    sys.exit(7)
time.sleep(600)
"""


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return [sys.executable, str(path)]


def _launch(script: list[str], folder: Path, what: str, ranks: int = 2, timeout_s: float = 30) -> int:
    return launch_ranks([*script, what, str(folder)], ranks, {"SEEN": "1"}, folder / "logs", timeout_s, grace_s=1)


def _assert_all_gone(folder: Path) -> None:
    pids = [int(path.read_text()) for path in folder.glob("*.pid")]
    assert pids
    for pid in pids:
        for _ in range(50):
            if not _runs(pid):
                break
            time.sleep(0.1)
        assert not _runs(pid), f"process {pid} was left behind"


def _runs(pid: int) -> bool:
    """Whether a process is alive; one that only waits to be collected by the system's first process is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_all_ranks_end_well_and_the_scheduler_with_them(script: list[str], tmp_path: Path) -> None:
    assert _launch(script, tmp_path, "all fine", ranks=3) == 0
    lines = [(tmp_path / "logs" / f"worker_{rank}.log").read_text() for rank in range(3)]
    assert [line.strip() for line in lines] == [f"rank{rank} of 3 on device {rank}" for rank in range(3)]
    assert (tmp_path / "logs" / "scheduler.log").exists()
    _assert_all_gone(tmp_path)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("fails", 7),
        ("raises", 1),
        ("killed", 128 + signal.SIGKILL),
        ("deaf", 7),
        ("children", 7),
        ("others are early", 7),
    ],
)
def test_first_bad_exit_code_wins_and_nothing_is_left(script: list[str], tmp_path: Path, what: str, code: int) -> None:
    assert _launch(script, tmp_path, what) == code
    _assert_all_gone(tmp_path)


def test_hanging_ranks_are_ended_when_time_is_up(script: list[str], tmp_path: Path) -> None:
    assert _launch(script, tmp_path, "hang", ranks=1, timeout_s=1.5) == TIMED_OUT
    _assert_all_gone(tmp_path)


def test_a_scheduler_that_cannot_start_ends_the_run(tmp_path: Path) -> None:
    code = "import os, sys, time; sys.exit(5) if os.environ['MS_ROLE'] == 'MS_SCHED' else time.sleep(600)"
    assert launch_ranks([sys.executable, "-c", code], 2, {}, tmp_path, 30, grace_s=1) == 5


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path: Path) -> None:
    good = Start("good", ["sleep", "600"], dict(os.environ), tmp_path / "good.log")
    bad = Start("bad", [str(tmp_path / "missing")], dict(os.environ), tmp_path / "bad.log")
    with pytest.raises(FileNotFoundError):
        run_together([good, bad], 10)


def test_stop_sends_sigterm_first(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n    print('saved', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    seen: list[bytes] = []
    start = Start("rank 0", [sys.executable, "-c", code], dict(os.environ), tmp_path / "rank.log")
    ending = run_together(
        [start], 30, grace_s=10, should_stop=lambda: b"ready\n" in seen, on_line=lambda _, line: seen.append(line)
    )
    assert ending.stopped
    assert ending.exit_code == STOPPED
    assert seen == [b"ready\n", b"saved\n"]
    assert (tmp_path / "rank.log").read_bytes() == b"ready\nsaved\n"


def test_environment_is_that_of_msrun() -> None:
    (none, scheduler), *workers = cluster_variables(4)
    assert none is None
    assert scheduler["MS_ROLE"] == "MS_SCHED"
    assert [variables["RANK_ID"] for _, variables in workers] == ["0", "1", "2", "3"]
    assert {variables["MS_SCHED_PORT"] for _, variables in [(None, scheduler), *workers]} == {
        scheduler["MS_SCHED_PORT"]
    }


def test_environments_are_not_shown() -> None:
    assert "hidden" not in repr(Start("rank 0", ["true"], {"OBS_SECRET_ACCESS_KEY": "hidden"}, Path("log")))
