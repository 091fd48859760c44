"""One process of a node works, the others share: with real processes, killed, failing, stopped, and left-overs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelarts.runtime import node_lock as node
from modelarts.runtime.node_lock import NodeError, NodeLock, once_per_node
from src.errors import ConfigError

# A process of the node: notes that it works or waits, works in small steps, and prints what it got.
WORKER = """
import logging, os, sys, time
from pathlib import Path
from modelarts.runtime import node_lock
from modelarts.runtime.node_lock import once_per_node
from src.errors import DataError
class Waits(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("waiting"):
            (folder / f"waits-{os.getpid()}").touch()
node_lock.LOGGED_EVERY_S = 0.0
node_lock.logger.setLevel("INFO")
node_lock.logger.addHandler(Waits())
folder, seconds, fails, stalled_s = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "fails", float(sys.argv[4])
def work(tell):
    (folder / f"worked-{os.getpid()}").touch()
    for step in range(int(seconds / 0.05)):
        if (folder / "enough").exists():
            break
        tell(f"step {step}")
        time.sleep(0.05)
    if fails:
        raise DataError("pictures/1.jpg: no such picture")
    return {"by": os.getpid()}
try:
    print(once_per_node(folder, "copy", work, stalled_s)["by"])
except Exception as error:
    print(f"{type(error).__name__} {error.exit_code} {error}")
"""


def start(folder: Path, seconds: float = 60.0, fails: str = "", stalled_s: float = 20.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(folder), str(seconds), fails, str(stalled_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=60)[0].strip()


def workers(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("worked-*"))


def wait_for(folder: Path, pattern: str, count: int = 1) -> None:
    end = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < count:
        assert time.monotonic() < end, f"fewer than {count} {pattern}"
        time.sleep(0.02)


def wait_for_worker(folder: Path) -> int:
    wait_for(folder, "worked-*")
    return workers(folder)[0]


def finish_when_waiting(folder: Path, count: int) -> None:
    """Let the work end once `count` processes wait for it."""
    wait_for(folder, "waits-*", count)
    (folder / "enough").touch()


def test_one_works_and_all_get_its_result(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(4)]
    finish_when_waiting(tmp_path, 3)
    results = {said(process) for process in processes}
    (worker,) = workers(tmp_path)
    assert results == {str(worker)}


def test_all_get_the_failure_with_its_words_and_exit_code(tmp_path: Path) -> None:
    processes = [start(tmp_path, fails="fails") for _ in range(3)]
    finish_when_waiting(tmp_path, 2)
    results = sorted(said(process) for process in processes)
    (worker,) = workers(tmp_path)
    own = "DataError 2 pictures/1.jpg: no such picture"
    shared = f"NodeError 2 process {worker} of this node failed: pictures/1.jpg: no such picture"
    assert results == [own, shared, shared]


def test_a_killed_worker_is_followed_by_another(tmp_path: Path) -> None:
    first = start(tmp_path)
    killed = wait_for_worker(tmp_path)
    others = [start(tmp_path) for _ in range(2)]
    wait_for(tmp_path, "waits-*", 2)
    assert len(workers(tmp_path)) == 1
    os.kill(killed, signal.SIGKILL)
    wait_for(tmp_path, "worked-*", 2)
    (tmp_path / "enough").touch()
    results = {said(process) for process in others}
    first.wait()
    (successor,) = set(workers(tmp_path)) - {killed}
    assert results == {str(successor)}


def test_a_worker_that_stands_still_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    first = start(tmp_path)
    stopped = wait_for_worker(tmp_path)
    os.kill(stopped, signal.SIGSTOP)
    try:
        message = said(start(tmp_path, stalled_s=1.0))
    finally:
        first.kill()
        first.wait()
    assert message.startswith(f"NodeError 1 no progress for 1 s (process {stopped}: ")
    assert "stage_timeout" in message


@pytest.mark.parametrize("leftover", ["success", "failure", "damaged", "binary", "list"])
def test_what_an_earlier_start_left_is_no_news(tmp_path: Path, leftover: str) -> None:
    outcome = tmp_path / "copy.json"
    if leftover == "success":
        once_per_node(tmp_path, "copy", lambda tell: "old", 5)
    elif leftover == "failure":
        with pytest.raises(ConfigError):
            once_per_node(tmp_path, "copy", _fail, 5)
        assert json.loads(outcome.read_text())["exit_code"] == 2
    else:
        outcome.write_bytes({"damaged": b'{"mark": "1', "binary": b"\xff\xfe", "list": b"[]"}[leftover])
    (tmp_path / "copy.progress").write_text("process 1: 99 %")
    assert once_per_node(tmp_path, "copy", lambda tell: "new", 5) == "new"


def _fail(tell: node.Tell) -> None:
    raise ConfigError("data_url: is empty")


def test_an_interrupt_is_no_outcome(tmp_path: Path) -> None:
    def interrupted(tell: node.Tell) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once_per_node(tmp_path, "copy", interrupted, 5)
    assert not (tmp_path / "copy.json").exists()
    assert NodeLock(tmp_path / "copy.lock").take()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError, match="scratch_path") as caught:
        once_per_node(tmp_path / "file" / "node", "copy", lambda tell: 1, 5)
    assert str(tmp_path / "file") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_child_of_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = NodeLock(tmp_path / "lock")
    assert lock.take()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        lock.release()
        assert NodeLock(tmp_path / "lock").take()
    finally:
        child.kill()
        child.wait()
