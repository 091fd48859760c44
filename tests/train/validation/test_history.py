"""Which validation is the best, what is warned about, and that a resumed run knows what an uninterrupted one knew."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.train.validation.best import best_document, best_name, write_best
from src.train.validation.history import PATIENCE, ValidationHistory
from src.train.validation.result import COLUMNS, Validation, combine, decode, encode
from src.train.validation.scores import PictureScore

GOOD = Validation(loss=0.03, share=0.5, ap=0.3, pck=0.4, recall=0.6, pictures=20, persons=30, seconds=1.5)


def with_ap(ap: float, **more: float) -> Validation:
    return replace(GOOD, ap=ap, **more)  # type: ignore[arg-type]


def test_the_best_has_the_highest_ap_then_pck_then_the_lowest_loss() -> None:
    history = ValidationHistory()
    assert history.add(0, with_ap(0.9)) is False  # no checkpoint is saved before the first step
    outcomes = [with_ap(0.1), with_ap(0.2), with_ap(0.15), with_ap(0.2, pck=0.5), with_ap(0.2, pck=0.5, loss=0.02)]
    assert [history.add(step, found) for step, found in enumerate(outcomes, start=1)] == [True, True, False, True, True]
    assert (history.best, history.best_step) == (outcomes[-1], 5)


def test_a_history_from_the_loss_record_is_that_of_the_run() -> None:
    history = ValidationHistory()
    lines = []
    for step, ap in ((0, 0.2), (10, 0.3), (20, 0.25), (30, 0.28)):
        found = with_ap(ap)
        history.add(step, found)
        lines += [{"global_step": step, **json.loads(json.dumps(found.record()))}, {"global_step": step + 1, "loss": 1}]
    again = ValidationHistory(lines)
    assert (
        (again.start, again.best, again.best_step)
        == (history.start, history.best, history.best_step)
        == (
            with_ap(0.2),
            with_ap(0.3),
            10,
        )
    )
    assert again.add(40, with_ap(0.299)) is False


def test_it_warns_when_the_network_gets_worse(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    history = ValidationHistory()
    history.add(0, with_ap(0.1))
    history.add(10, with_ap(0.3))
    assert caplog.messages == []
    history.add(20, with_ap(0.05))
    assert "worse than before the first step: AP 0.050 (was 0.100)" in caplog.messages[-1]
    for step in range(30, 30 + 10 * (PATIENCE - 1), 10):
        history.add(step, with_ap(0.2))
    assert f"has not improved for {PATIENCE} validations" in caplog.messages[-1]
    assert len(caplog.messages) == 2


def test_weights_from_scratch_have_nothing_to_lose(caplog: pytest.LogCaptureFixture) -> None:
    history = ValidationHistory()
    history.add(0, with_ap(0.0, pck=0.015, recall=0.0, loss=0.04))  # joints hit by chance
    history.add(10, with_ap(0.0, pck=0.0, loss=0.05))
    assert caplog.messages == []


def test_the_ranks_rows_add_up_to_the_result_of_one() -> None:
    rng = np.random.default_rng(0)
    scores = [
        PictureScore(2, 20, 7, np.array([0.9, 0.5]), np.array([False, True]), rng.random((2, 10)) < 0.5),
        PictureScore(1, 12, 12, np.zeros(0), np.zeros(0, bool), np.zeros((0, 10), bool)),
    ]
    rows = [encode(score, loss, 2 * loss) for score, loss in zip(scores, (0.25, 0.75))]
    for score, row in zip(scores, rows):
        back = decode(row)
        assert (back.persons, back.joints, back.close) == (score.persons, score.joints, score.close)
        assert np.array_equal(back.matched, score.matched)
        assert np.array_equal(back.ignored, score.ignored)
    tables = np.zeros((2, 3, COLUMNS), np.float32)  # two ranks, three pictures; the last could not be read
    tables[0, 0], tables[1, 1] = rows
    found = combine(tables.sum(axis=0), {}, 3.0)
    assert (found.pictures, found.persons, found.loss, found.share) == (2, 3, 0.5, 0.5)
    assert found.pck == pytest.approx(19 / 32)


def test_best_json_names_the_checkpoint(tmp_path: Path) -> None:
    document = best_document("openpose-train-rank0-2_30.ckpt", "validation pictures", 2, 30, GOOD)
    content = write_best(tmp_path, document).read_bytes()
    assert best_name(content, "best.json") == "openpose-train-rank0-2_30.ckpt"
    assert json.loads(content)["val_ap"] == 0.3
