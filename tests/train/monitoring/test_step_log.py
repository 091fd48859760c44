"""Watching training: log lines with the share of waiting, and the warning that names a remedy."""

from __future__ import annotations

import logging

import pytest

from src.errors import JobError
from src.train.monitoring import step_log as watch
from src.train.monitoring.step_log import StepWatch, wait_remedy
from src.train.recipe import Recipe


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one number that a test moves."""
    now = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def steps(clock: list[float], waits: list[float], step_s: float = 1.0, per_epoch: int = 4, every: int = 1) -> None:
    """Take steps that wait as given and then compute for `step_s`."""
    recipe = Recipe(3, per_epoch, None, None)  # type: ignore[arg-type]
    observer = StepWatch(recipe, 10, every, 0, "buy more of it")
    for number, waited in enumerate(waits, start=1):
        clock[0] += waited + step_s
        observer.after_step(number, 0.5, waited)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_every_line_has_the_share_of_waiting(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    steps(clock, [3.0, 0.25, 0.0])
    lines = [line for line in caplog.messages if line.startswith("epoch")]
    assert [line.split(", ")[2] for line in lines] == [f"{share} % waiting for data" for share in (75, 20, 0)]


def test_the_pipelines_filling_is_no_reason_to_warn(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    steps(clock, [9.0, 0.1, 0.1, 0.1])
    assert warnings(caplog) == []


def test_waiting_warns_once_an_epoch_and_names_the_remedy(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    steps(clock, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    assert warnings(caplog) == ["50 % of the time goes into waiting for data: buy more of it"] * 2


def test_the_share_is_that_of_all_steps_of_a_line(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    steps(clock, [0.0, 0.0, 0.35, 0.0, 0.0], every=5, per_epoch=10)  # one slow batch among many
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ((1, 8, "full"), ["workers", "1", "8"]),
        ((8, 8, "full"), ["flavour", "insize"]),
        ((1, 8, "stream"), ["stage=stream", "pack_dataset"]),
    ],
)
def test_the_remedy_fits(facts: tuple[int, int, str], words: list[str]) -> None:
    assert all(word in wait_remedy(*facts) for word in words)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training(clock: list[float], loss: float) -> None:
    observer = StepWatch(Recipe(1, 4, None, None), 10, 1)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="epoch 1, step 2"):
        observer.after_step(2, loss, 0.0)
