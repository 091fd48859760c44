"""Watching training: log lines with the share of waiting, and the warning that names a remedy."""

from __future__ import annotations

import logging

import pytest

from src.errors import JobError
from src.train.monitoring import step_log
from src.train.monitoring.step_log import StepLog, wait_remedy
from src.train.recipe import Recipe


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one number that a test moves."""
    now = [100.0]
    monkeypatch.setattr(step_log.time, "monotonic", lambda: now[0])
    return now


def steps(clock: list[float], waits: list[float], step_s: float = 1.0, per_epoch: int = 4, every: int = 1) -> None:
    """Take steps that wait as given and then compute for `step_s`."""
    recipe = Recipe(3, per_epoch, None, None)  # type: ignore[arg-type]
    observer = StepLog(recipe, 10, every, 0, "buy more of it")
    for number, waited in enumerate(waits, start=1):
        clock[0] += waited + step_s
        observer.after_step(number, 0.5, 1.0, waited)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_every_line_has_the_share_of_waiting(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    steps(clock, [3.0, 0.25, 0.0])
    lines = [line for line in caplog.messages if " step " in line]
    assert [line.split(", ")[2] for line in lines[1:]] == [f"{share} % waiting for data" for share in (20, 0)]


def test_the_first_step_has_no_rate_and_counts_in_none(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock[0] += 119.0  # compiling
    steps(clock, [0.0, 0.0, 0.0, 0.0, 0.0])
    first, *others = [line for line in caplog.messages if " step " in line]
    assert first == "epoch 1/3 step 1/4: loss 0.50000 (0.50× predicting nothing)"
    assert all("10.0 pictures/s" in line for line in others)
    assert others[-1].endswith("0:00:07 left")


def test_every_epoch_ends_with_its_mean_loss(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = StepLog(Recipe(2, 2, None, None), 10, 100)  # type: ignore[arg-type]
    for number, loss in enumerate((0.1, 0.3, 0.5, 0.7), start=1):
        clock[0] += 1
        log.after_step(number, loss, 1.0, 0.0)
    ended = [line for line in caplog.messages if "finished" in line]
    assert [line.split("mean loss ")[1].split(" (")[0] for line in ended] == ["0.20000", "0.60000"]
    assert "(0.20× predicting nothing)" in ended[0]


def test_an_epoch_whose_steps_have_no_line_before_has_one(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock[0] += 60.0  # compiling, in the first step
    steps(clock, [0.0] * 8, every=8)
    assert [line.split(":")[0] for line in caplog.messages] == [
        "epoch 1/3 step 1/4",
        *(f"epoch {n}/3 finished" for n in (1, 2)),
    ]
    assert caplog.messages[-1] == (
        "epoch 2/3 finished: mean loss 0.50000 (0.50× predicting nothing), in 0:00:04, "
        "10.0 pictures/s, 0 % waiting for data, 0:00:04 left"
    )
    caplog.clear()
    steps(clock, [0.0] * 4, every=2)
    assert [line.split(":")[0] for line in caplog.messages[-2:]] == ["epoch 1/3 step 4/4", "epoch 1/3 finished"]


@pytest.mark.parametrize(("loss", "warned"), [(0.99, [200, 400, 800]), (0.5, [])])
def test_a_network_that_finds_nobody_is_said_to_now_and_then(
    clock: list[float], caplog: pytest.LogCaptureFixture, loss: float, warned: list[int]
) -> None:
    log = StepLog(Recipe(10, 100, None, None), 10, 1000)  # type: ignore[arg-type]
    for number in range(1, 1001):
        log.after_step(number, loss, 1.0, 0.0)
    assert [int(line.split()[1]) for line in warnings(caplog) if "finds nobody yet" in line] == warned


def test_the_pipelines_filling_is_no_reason_to_warn(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    steps(clock, [9.0, 0.1, 0.1, 0.1])
    assert warnings(caplog) == []


def test_waiting_warns_once_an_epoch_and_names_the_remedy(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    steps(clock, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    assert warnings(caplog) == ["training waits for data 50 % of the time: buy more of it"] * 2


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
    observer = StepLog(Recipe(1, 4, None, None), 10, 1)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="epoch 1, step 2"):
        observer.after_step(2, loss, 1.0, 0.0)
