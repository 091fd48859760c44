"""Progress in a job's log: lines every few seconds with rate and time left, and a word when nothing happens."""

from __future__ import annotations

import logging
import threading

import pytest

from src import progress
from src.progress import Progress, StageTimes, clock


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    passing = Clock()
    monkeypatch.setattr(progress.time, "monotonic", passing.monotonic)
    return passing


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_log_has_a_line_every_few_seconds_and_one_at_the_end(time: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress("pictures", 100) as shown:
        for done in range(100):
            time.now += 0.2
            shown.advance(note=f"{done} unreadable")
    got = lines(caplog)
    assert len(got) == 4
    assert got[-1] == "pictures 100/100, 5.00/s, 0:00:00 left; 99 unreadable"
    assert "0:00:15 left" in got[0]


def test_time_left_forgets_a_slow_beginning(time: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress("pictures", 1000) as shown:
        time.now += 600  # a long compile
        for _ in range(500):
            shown.advance()
            time.now += 1
    last = lines(caplog)[-1]
    assert "1.0" in last.split(", ")[1]
    assert "0:08:" in last


def test_compiling_between_items_does_not_count_and_no_rate_is_given_before_a_measurement(
    time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the first picture was unreadable: it is done before the network is compiled for the second one."""
    caplog.set_level(logging.INFO)
    with Progress("pictures", 100) as shown:
        shown.advance()
        time.now += 300
        shown.advance(after_compiling=True, note="1 compile")
        for _ in range(6):
            time.now += 1
            shown.advance()
    assert lines(caplog) == ["pictures 2/100; 1 compile", "pictures 7/100, 1.00/s, 0:01:33 left"]


def test_compiling_before_the_first_item_does_not_count(time: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress("pictures", 100) as shown:
        time.now += 33
        for _ in range(20):
            shown.advance()
            time.now += 1
    assert ", 1.00/s, 0:01:" in lines(caplog)[-1]


def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress, "SILENT_AFTER_S", 0.05)
    with Progress("pictures", 10) as shown:
        shown.advance(3)
        threading.Event().wait(0.5)
    assert any(line.startswith("pictures 3/10, no progress for 0:00:0") for line in lines(caplog))
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_a_terminal_gets_a_bar_instead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("pictures", 2) as shown:
        shown.advance(note="1 compiles")
        shown.advance(note="1 compiles, 1 unreadable")
    assert lines(caplog) == []
    assert "2/2" in capsys.readouterr().err


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.6, 3600, 90_061)] == ["0:00:00", "0:01:00", "1:00:00", "25:01:01"]


def test_stage_times_add_up_over_threads() -> None:
    times = StageTimes()

    def work() -> None:
        for _ in range(200):
            times.add("a", 0.5)
            with times("b"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times.seconds["a"] == 800
    assert 0 < times.seconds["b"] < 60
