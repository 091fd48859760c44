"""Tuning against the judge itself, and on labels whose best thresholds are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.actions import load_actions
from src.actions.evaluation.labelled import Picture, judge_picture
from src.actions.evaluation.scoring import count
from src.actions.evaluation.tuning import best_curve, cross_validate, measure_all, tune
from src.pose.skeleton import JointType
from tests.actions.figure import figure

J = JointType


def pictures(seed: int, number: int = 120) -> list[Picture]:
    """Pictures of up to three persons; positive when one has a hand more than 40 px above its shoulder."""
    rng = np.random.default_rng(seed)
    found: list[Picture] = []
    for place in range(number):
        heights = rng.uniform(-120, 120, rng.integers(0, 4))
        persons = []
        for height in heights:
            without = [joint for joint in J if rng.random() < 0.08 and joint not in (J.RightHand, J.RightShoulder)]
            persons.append(figure({J.RightHand: (-45, -float(height))}, without).tolist())
        found.append(Picture(f"{place}.jpg", Path("."), bool((heights > 40).any()), tuple(persons)))
    return found


ACTION: dict[str, Any] = {
    "up": {
        "criteria": {
            "hand_over_shoulder": -0.9,
            "wide": {"criterion": "knees", "threshold": [0.2, 3]},
            "hand_over_neck": {"threshold": -0.5, "sides": "each"},
            "elbow_over_shoulder": {"sides": "found"},
            "neck_nose_line_horizontal": 20,
        },
        "occurs_when": {
            "any": [
                {"all": ["hand_over_shoulder", "wide"]},
                {
                    "at_least": 2,
                    "of": ["hand_over_neck", {"unless": "elbow_over_shoulder"}, {"not": "neck_nose_line_horizontal"}],
                },
            ]
        },
    }
}


def test_the_table_judges_as_the_judge_does() -> None:
    found = pictures(1)
    table = measure_all(load_actions(ACTION)["up"], found)
    rng = np.random.default_rng(0)
    for _ in range(25):
        thresholds = (rng.choice([0.0, rng.uniform(-1, 1)]), rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0, 90))
        setting = thresholds, (float(rng.integers(1, 4)),)
        action = table.declare(setting)
        verdicts = [judge_picture(picture, action).occurred for picture in found]
        alarms, undecided = table.alarms(setting)
        assert alarms.tolist() == [verdict is True for verdict in verdicts]
        assert undecided.tolist() == [verdict is None for verdict in verdicts]
        assert table.confusion(setting) == count((one.positive, verdict) for one, verdict in zip(found, verdicts))


def test_declared_setting_gives_back_the_action() -> None:
    action = load_actions(ACTION)["up"]
    table = measure_all(action, pictures(2, 5))
    assert table.declare(table.declared_setting()) == action
    assert table.declared_setting()[1] == (2,)


def test_finds_the_threshold_that_made_the_labels() -> None:
    action = load_actions({"up": {"criteria": {"hand_over_shoulder": -1.0}, "occurs_when": "all"}})["up"]
    table = measure_all(action, pictures(3, 300))
    best, tried = tune(table)
    assert best[0][0] == pytest.approx(0.4, abs=0.051)
    assert table.confusion(best).f_beta(1) > 0.97
    assert cross_validate(table, 5).f1.value > 0.95
    assert [setting for setting, _ in best_curve(table, tried)] == [best], "nothing beats the perfect setting"


def test_curve_trades_recall_for_precision() -> None:
    action = load_actions({"up": {"criteria": {"elbow_over_shoulder": 0.1, "knees": 0.3}, "occurs_when": "any"}})["up"]
    rng = np.random.default_rng(8)
    noisy = [
        Picture("", Path("."), bool(x + rng.normal(0, 40) > 0), (figure({J.LeftElbow: (45, -x)}).tolist(),))
        for x in rng.uniform(-90, 90, 200)
    ]
    table = measure_all(action, noisy)
    curve = best_curve(table, [((float(x), 5.0), ()) for x in np.linspace(-1, 1, 30)])
    recalls, precisions = ([getattr(one, name).value for _, one in curve] for name in ("recall", "precision"))
    assert recalls == sorted(recalls, reverse=True)
    assert precisions == sorted(precisions)
    assert len(curve) > 3


def test_finds_the_required_count() -> None:
    criteria = ["hand_over_shoulder", "hand_over_neck", "waist_over_hand"]
    action = load_actions({"up": {"criteria": criteria, "occurs_when": {"at_least": 1}}})["up"]
    table = measure_all(action, pictures(4, 300))
    best, _ = tune(table)
    assert best[1] != (1.0,)
    assert table.confusion(best).f_beta(1) > table.confusion(table.declared_setting()).f_beta(1)


def test_beta_moves_between_precision_and_recall() -> None:
    action = load_actions({"up": {"criteria": {"elbow_over_shoulder": 0.1, "knees": 0.3}, "occurs_when": "any"}})["up"]
    noisy = pictures(5, 200)
    table = measure_all(action, noisy)
    cautious, eager = (table.confusion(tune(table, beta)[0]) for beta in (0.2, 5))
    assert eager.recall.value >= cautious.recall.value


def test_never_worse_than_the_declaration_and_repeatable() -> None:
    table = measure_all(load_actions(ACTION)["up"], pictures(6))
    best, _ = tune(table)
    assert table.confusion(best).f_beta(1) >= table.confusion(table.declared_setting()).f_beta(1)
    assert tune(table)[0] == best


def test_pictures_without_persons_raise_no_alarm() -> None:
    empty = [Picture(f"{place}.jpg", Path("."), place % 2 == 0, ()) for place in range(4)]
    table = measure_all(load_actions(ACTION)["up"], empty)
    assert not np.any(table.alarms(table.declared_setting()))
    assert tune(table)[0] == table.declared_setting()
