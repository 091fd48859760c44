"""The demo around its jobs: the commands it shows, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from modelarts.demo import command_text


def test_a_shown_command_is_the_command_on_lines_that_fit() -> None:
    arguments = [f"--setting_{number}={'x' * number}" for number in range(40)]
    text = command_text("train_start.py", [*arguments, "--name=two words"])
    assert shlex.split(text.replace("\\\n", "")) == ["python", "train_start.py", *arguments, "--name=two words"]
    assert max(map(len, text.splitlines())) <= 120
    assert len(text.splitlines()) > 5


def test_ctrl_c_leaves_the_job_the_time_to_save_and_ends_with_one_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import signal, sys\n"
        "def save(*_):\n"
        "    print('saved', flush=True)\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, save)\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    script = (
        "import pathlib, sys\n"
        "from modelarts import demo\n"
        f"demo.ROOT = pathlib.Path({str(tmp_path)!r})\n"
        "demo._demo = lambda: demo._call('job.py', {})\n"
        "sys.exit(demo.main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        while demo.stdout.readline() != "ready\n":
            assert demo.poll() is None
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        rest = demo.stdout.read()
    assert rest.splitlines() == ["saved", "demo: interrupted; the same command starts it afresh"]
    assert demo.returncode == 130
