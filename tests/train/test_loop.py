"""When the network is validated, and what a stop request leaves out and a resumed run makes up for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.model_utils.config import build_config
from src.train.inputs import Card
from src.train.loop import checkpoint_is_due, validate_start, validation_is_due
from src.train.monitoring.loss_record import LossRecord, read_record
from src.train.recipe import Recipe
from src.train.validation.history import ValidationHistory
from src.train.validation.result import Validation

RECIPE = Recipe(4, 5, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [5, 10, 15, 20]),
        ({"val_interval": 2}, [10, 20]),
        ({"val_interval": 3}, [15, 20]),
        ({"val_interval": 0, "val_step_interval": 8}, [8, 16, 20]),
        ({"val_interval": 2, "val_step_interval": 6}, [6, 10, 12, 18, 20]),
    ],
)
def test_validations_are_due_at_their_intervals_and_after_the_last_step(
    settings: dict[str, Any], expected: list[int]
) -> None:
    config = build_config(settings)
    assert [step for step in range(1, 21) if validation_is_due(config, RECIPE, step)] == expected
    assert [step for step in range(1, 21) if checkpoint_is_due(config, RECIPE, step)] == [5, 10, 15, 20]


class FakeRun(SimpleNamespace):
    """What `validate_start` needs of a run; `published` lists the names of what it publishes."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        found = Validation(0.03, 0.5, 0.3, 0.4, 0.6, 20, 30, 1.5)
        self.published: list[str] = []
        super().__init__(
            config=build_config({}),
            recipe=RECIPE,
            card=Card(),
            alive=lambda phase, step: None,
            communicator=SimpleNamespace(any=lambda vote: vote),
            validator=SimpleNamespace(run=lambda stopping: found, name="validation pictures"),
            history=ValidationHistory(lines),
            found_people=None,
            storage=SimpleNamespace(
                publish_made=lambda make: self.published.append(Path(make()).name),
                publish_page=lambda make: self.published.append("page"),
            ),
        )


VALIDATED = {"val_loss": 0.1, "val_share": 1, "val_ap": 0.1, "val_pck": 0, "val_recall": 0, "val_pictures": 2}
VALIDATED = {**VALIDATED, "val_persons": 2, "val_s": 1}


@pytest.mark.parametrize(
    ("lines", "done", "stop", "steps", "published"),
    [
        ([], 0, False, [0], ["page"]),  # a fresh start
        ([], 0, True, [], []),
        ([{"global_step": 5, **VALIDATED}], 5, False, [], []),  # validated before the checkpoint
        ([], 5, False, [5], ["best.json", "page"]),  # a stop request came first
        ([], 7, False, [], []),  # not due there
    ],
)
def test_a_resumed_run_makes_up_for_the_validation_that_a_stop_request_left_out(
    tmp_path: Path, lines: list[dict[str, Any]], done: int, stop: bool, steps: list[int], published: list[str]
) -> None:
    run = FakeRun(lines)
    with LossRecord(tmp_path, 0, done) as record:
        validate_start(run, record, done, stop)  # type: ignore[arg-type]
    assert [line["global_step"] for line in read_record(record.path)] == steps
    assert run.published == published
