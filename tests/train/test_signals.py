"""Being told to stop: once, twice at once, and once more later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.errors import StoppedError
from src.train import signals
from src.train.signals import StopRequest


def test_the_first_signal_is_noted_and_a_repetition_is_the_same_request(caplog: pytest.LogCaptureFixture) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert not stop
        assert stop.since_s == 0
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert stop
        assert stop.signal_number == signal.SIGTERM
        assert stop.since_s >= 0
    assert not caplog.records
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_a_stop_that_takes_long_is_announced(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "ANNOUNCED_AFTER_S", 0.0)
    with StopRequest():
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 60
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [record.getMessage() for record in caplog.records] == ["SIGTERM: stopping after this step"]


@pytest.mark.parametrize(
    ("number", "cause", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)
def test_the_exit_code_is_the_shells(number: int, cause: str, code: int) -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
    assert stop.cause == cause
    assert StoppedError("stopped", stop.signal_number).exit_code == code


def test_one_that_comes_later_ends_the_process(root: Path) -> None:
    script = (
        "import os, signal\n"
        "from src.train import signals\n"
        "signals.SAME_REQUEST_S = 0.0\n"
        "with signals.StopRequest() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('noted', bool(stop), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    signal.pause()\n"
    )
    assert signals.SAME_REQUEST_S == 2.0
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == "noted True\n"
