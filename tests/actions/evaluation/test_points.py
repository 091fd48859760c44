"""Fitting the points of a card: the signs that matter are found, and only by what was not held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from src.actions import declaration_of, judge_person, load_actions
from src.actions.evaluation.labelled import Picture
from src.actions.evaluation.points import counted, repointed, tune_card
from src.actions.evaluation.sides import busiest_side
from src.actions.evaluation.tuning import fold_numbers, measure_all
from src.pose.skeleton import JointType
from tests.actions.figure import figure

J = JointType
CARD: dict[str, Any] = {
    "up": {
        "criteria": {
            "hand_over_shoulder": {"bounds": [-0.5, 0, 0.4], "points": [1, 1, 1, 2]},
            "knees": {"bounds": [0.5], "points": [3, -3]},
        },
        "occurs_when": {"points_at_least": 4},
    }
}


def pictures(number: int = 240) -> list[Picture]:
    """One person a picture, in groups of four; positive with a hand over the shoulder, the knees say nothing."""
    rng = np.random.default_rng(0)
    found = []
    for place in range(number):
        height, apart = rng.uniform(-110, 110), rng.uniform(0, 100)
        keypoints = figure({J.RightHand: (-45, -float(height)), J.LeftKnee: (20 + float(apart), 185)})
        positive = bool(height > 0) != bool(rng.random() < 0.05)
        found.append(Picture(f"{place}.jpg", Path("."), positive, (keypoints.tolist(),), group=f"scene {place // 4}"))
    return found


def test_points_go_to_the_sign_that_tells() -> None:
    table = measure_all(load_actions(CARD)["up"], pictures())
    before = table.confusion(table.declared_setting())
    card = tune_card(table, 1.0, 4)
    assert card.shrinkage is not None
    assert card.expected.f1.value > 0.9 > before.f1.value
    scales = {one.label: one.scale for one in card.action.criteria}
    hand = scales["hand_over_shoulder"]
    assert hand is not None
    assert min(hand.points[2:]) > 0 > max(hand.points[:2])
    fitted = repointed(table, card.action).confusion(((), counted(card.action)))
    judged = [judge_person(one.persons[0], card.action).occurred for one in pictures()]
    assert fitted.true_yes + fitted.false_yes == judged.count(True)


def test_groups_are_never_split() -> None:
    found = pictures(80)
    table = measure_all(load_actions(CARD)["up"], found)
    folds = fold_numbers(table, 4)
    for group in {one.group for one in found}:
        assert len({int(fold) for fold, one in zip(folds, found) if one.group == group}) == 1
    alone = fold_numbers(replace(table, groups=()), 4)
    assert set(np.bincount(alone)) <= {19, 20, 21}


def test_a_card_that_cannot_be_beaten_is_kept() -> None:
    perfect = {"up": {**CARD["up"], "criteria": {"hand_over_shoulder": {"bounds": [0], "points": [-1, 1]}}}}
    perfect["up"]["occurs_when"] = {"points_at_least": 1}
    action = load_actions(perfect)["up"]
    labelled = [replace(one, positive=judge_person(one.persons[0], action).occurred is True) for one in pictures(60)]
    card = tune_card(measure_all(action, labelled), 1.0, 3)
    assert card.shrinkage is None
    assert card.action == action


def test_of_a_rule_with_if_the_side_that_most_persons_take_is_fitted_and_the_other_kept() -> None:
    card = CARD["up"]
    signs = {f"sure_{name}": {"criterion": name, **sign} for name, sign in card["criteria"].items()}
    either = {
        "criteria": {"joint_confidence": 0.95, **signs, **card["criteria"]},
        "occurs_when": {
            "if": "joint_confidence",
            "then": {"points_at_least": 4, "of": list(signs)},
            "else": {"points_at_least": 4, "of": list(card["criteria"])},
        },
    }
    action = load_actions({"up": either})["up"]
    sure = Picture("sure.jpg", Path("."), True, (figure(confidence=1.0).tolist(),))
    side = busiest_side(action, [*pictures(), sure])
    assert str(side) == "tuned: the side 'else' of the rule, which 240 of 241 persons take"
    fitted = tune_card(measure_all(side.action, side.pictures), 1.0, 4).action
    whole = side.put_back(fitted)
    assert load_actions({"up": declaration_of(whole)})["up"] == whole
    assert [judge_person(one.persons[0], whole).occurred for one in pictures()] == [
        judge_person(one.persons[0], fitted).occurred for one in pictures()
    ]
    assert judge_person(sure.persons[0], whole).text == judge_person(sure.persons[0], action).text
