"""Ctrl-C where a library has replaced the handler of SIGINT, as MindSpore does while it runs a graph."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
from src.interrupts import keep_ctrl_c
keep_ctrl_c()
import numpy
{set_handler}
send_sigterm = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: os.kill(os.getpid(), signal.SIGTERM))
ctypes.CDLL(None).signal(signal.SIGINT, send_sigterm)
print("ready", flush=True)
try:
    while True:
        signal.pause()
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("set_handler", "code"),
    [
        ("", 130),
        ("signal.signal(signal.SIGINT, lambda number, frame: sys.exit(number))", signal.SIGINT),
        ("signal.signal(signal.SIGINT, signal.SIG_DFL)", -signal.SIGINT),
        ("signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))", -signal.SIGTERM),
    ],
)
def test_the_handler_of_python_runs(root: Path, set_handler: str, code: int) -> None:
    program = PROGRAM.format(set_handler=set_handler)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == code


def test_an_ignored_one_is_ignored(root: Path) -> None:
    program = PROGRAM.format(set_handler="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    process = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    assert process.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize(
    "work",
    [
        "from modelarts.runtime.entry import _run as job\nsys.exit(job(load, '', [], 'job', ''))",
        "from src.tools.common.command import run_command as tool\nsys.exit(tool(load, argparse.ArgumentParser(), []))",
    ],
    ids=["job", "tool"],
)
def test_an_import_that_would_crash_later_is_left_at_once(root: Path, tmp_path: Path, work: str) -> None:
    package = tmp_path / "mindspore"
    package.mkdir()
    (package / "__init__.py").write_text("from mindspore import core\nprint('ready', flush=True)\ncore.sleep(60)\n")
    (package / "core.py").write_text("import atexit, os\nfrom time import sleep\natexit.register(os.abort)\n")
    usual = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"import argparse, signal, sys\n{usual}\nload = lambda _: __import__('mindspore')\n{work}"
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said.splitlines()[-1]


@pytest.mark.parametrize(("code", "waits"), [(130, False), (143, False), (0, True), (2, True)])
def test_a_stopped_process_does_not_wait_for_its_threads(root: Path, code: int, waits: bool) -> None:
    program = (
        "import sys, threading\n"
        "from src.interrupts import leave\n"
        "work = threading.Thread(target=lambda: (sys.stdin.readline(), print('worked')))\n"
        "work.start()\n"
        f"leave({code})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if not waits:
            assert process.wait(60) == code
        said, _ = process.communicate("\n" if waits else None, timeout=60)
    assert (process.returncode, said) == (code, "worked\n" if waits else "")


@pytest.mark.parametrize(("level", "shown"), [("3", False), ("1", True)])
def test_what_mindspore_writes_while_the_process_ends_is_not_shown(root: Path, level: str, shown: bool) -> None:
    program = (
        "import atexit, os, sys, types\n"
        "from src.interrupts import leave\n"
        "sys.modules['mindspore'] = types.ModuleType('mindspore')\n"
        "atexit.register(lambda: os.write(2, b'Event base dispatch success!'))\n"
        "print('done', file=sys.stderr)\n"
        "leave(0)"
    )
    environment = {**os.environ, "GLOG_v": level}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.startswith("done\n"), "Event" in done.stderr) == (0, True, shown)
