"""Points cards: declared, added up, explained, and left open only where too little is seen."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from src.actions import Action, declaration_of, default_actions, judge_person, judge_persons, load_actions
from src.actions.combination import PointsAtLeast, decide
from src.actions.judge import Judgement
from src.errors import ConfigError
from src.pose.skeleton import JointType
from src.translations.messages import translate
from tests.actions.figure import figure, mirrored, scaled

J = JointType
CARD: dict[str, Any] = {
    "hands_up": {"criterion": "hand_over_neck", "sides": "smallest", "bounds": [-0.2, 0.3], "points": [-2, 0, 3]},
    "hand_up": {"criterion": "hand_over_neck", "bounds": [0], "points": [-1, 2]},
    "straight_leg": {"criterion": "waist_knee_foot_inner_angle", "sides": "largest", "bounds": [160], "points": [0, 1]},
}
HANDS_UP = {J.RightHand: (-45, -60), J.LeftHand: (45, -40)}


def card(needed: float = 4, **more: Any) -> Action:
    return load_actions({"up": {"criteria": CARD, "occurs_when": {"points_at_least": needed, **more}}})["up"]


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        (HANDS_UP, [3, 2, 1]),
        ({J.RightHand: (-45, -60)}, [-2, 2, 1]),
        ({J.RightHand: (-45, 10), J.LeftHand: (45, -30)}, [0, 2, 1]),
        ({}, [-2, -1, 1]),
    ],
)
def test_each_sign_gives_the_points_of_its_range(changes: Any, points: list[float]) -> None:
    judgement = judge_person(figure(changes), card())
    assert [result.points for result in judgement.criteria.values()] == points
    assert judgement.occurred is (sum(points) >= 4)
    assert str(judgement.explanation) == f"{sum(points):g} point{'s' * (sum(points) != 1)}; 4 needed"


def test_points_at_values_are_interpolated_and_constant_beyond() -> None:
    declared = {"hand_up": {"criterion": "hand_over_neck", "at": [-0.2, 0.3, 0.5], "points": [-2, 3, 1]}}
    action = load_actions({"up": {"criteria": declared, "occurs_when": {"points_at_least": 1}}})["up"]
    for up, points in ((-90, -2), (-20, -2), (0, 0), (7, 0.7), (30, 3), (40, 2), (80, 1)):
        judgement = judge_person(figure({J.RightHand: (-45, -up), J.LeftHand: (45, 95)}), action)
        assert judgement.criteria["hand_up"].points == points
    assert judgement.criteria["hand_up"].text == (
        "right hand 80 px (0.80 torso) above neck: +1 point; scale: "
        "-2 at 0.2 torso below, +3 at 0.3 torso above, +1 at 0.5 torso above, linear in between"
    )
    assert load_actions({"up": declaration_of(action)})["up"] == action


def test_a_sum_of_tenths_is_said_without_rounding_errors() -> None:
    signs = {
        f"sign_{number}": {"criterion": "hand_over_neck", "bounds": [0], "points": [0, points]}
        for number, points in enumerate((0.1, 0.2, -0.3))
    }
    action = load_actions({"up": {"criteria": signs, "occurs_when": {"points_at_least": 0.3}}})["up"]
    assert str(judge_person(figure(HANDS_UP), action).explanation) == "0 points; 0.3 needed"


def test_persons_judged_together_get_the_points_that_each_gets_alone() -> None:
    action = default_actions()["climb_over_fence"]
    persons = [figure(changes, hidden) for changes in ({}, HANDS_UP) for hidden in ([], [J.Neck, J.LeftFoot], list(J))]
    together = judge_persons(persons, action)
    assert [one.to_json() for one in together] == [judge_person(one, action).to_json() for one in persons]


def test_a_value_at_a_bound_belongs_to_the_range_above() -> None:
    judgement = judge_person(figure({J.RightHand: (-45, 0), J.LeftHand: (45, 19)}), card())
    assert judgement.criteria["hand_up"].points == 2
    assert judgement.criteria["hands_up"].points == 0


def test_the_sentences_say_measurement_points_and_ranges() -> None:
    judgement = judge_person(figure(HANDS_UP), card())
    assert judgement.criteria["hands_up"].text == (
        "left hand 40 px (0.40 torso) above neck: +3 points; scale: "
        "-2 up to 0.2 torso below, 0 up to 0.3 torso above, +3 beyond"
    )


def test_what_is_not_seen_gives_no_points_and_is_named() -> None:
    judgement = judge_person(figure(HANDS_UP, without=[J.RightFoot, J.LeftFoot]), card())
    assert judgement.occurred is True
    assert str(judgement.explanation) == "5 points; 4 needed; not clearly seen: right foot, left foot"


def test_too_little_evidence_is_undecided_and_says_what_was_missing() -> None:
    hidden = [J.RightHand, J.LeftHand]
    judgement = judge_person(figure(without=hidden), card())
    assert judgement.occurred is None
    assert str(judgement.explanation) == (
        "1 point; 4 needed; too little is seen to decide (11% of the evidence, 50% needed); "
        "missing: right hand, left hand"
    )
    assert judge_person(figure(without=hidden), card(evidence=0.1)).occurred is False
    assert judge_person(figure(without=hidden), card(needed=6)).occurred is None
    hopeless = load_actions({"up": {"criteria": {**CARD, "straight_leg": {**CARD["straight_leg"], "points": [0, -4]}},
                                    "occurs_when": {"points_at_least": 4}}})["up"]  # fmt: skip
    assert judge_person(figure(without=hidden), hopeless).occurred is False, "the hands alone cannot make up for it"


def test_many_persons_at_once_get_the_same_answers() -> None:
    node = PointsAtLeast(3, 0.5, ("a", "b"), (4, 3), (3, 2))
    worlds = np.array(list(itertools.product((-1.0, 3.0, np.nan), (2.0, -1.0, np.nan))))
    certain, possible = node.answer(dict(zip("ab", worlds.T)))
    for number, world in enumerate(worlds):
        expected = decide(node, dict(zip("ab", world.tolist())))
        assert (True if certain[number] else None if possible[number] else False) is expected


def test_cards_nest_with_other_criteria() -> None:
    criteria = {**CARD, "knees": None}
    action = load_actions(
        {"up": {"criteria": criteria, "occurs_when": {"all": [{"points_at_least": 4, "of": list(CARD)}, "knees"]}}}
    )["up"]
    assert judge_person(figure(HANDS_UP), action).occurred is False
    wide = {**HANDS_UP, J.RightKnee: (-70, 185), J.LeftKnee: (70, 185)}
    judgement = judge_person(figure(wide), action)
    assert judgement.occurred is True
    assert str(judgement.explanation) == "2 of 2 conditions hold; 2 needed: total 1: 5 points (4 needed)"


def test_each_of_several_sums_is_told_with_what_it_needs() -> None:
    sums = [{"points_at_least": needed, "evidence": 0.5, "of": list(CARD)} for needed in (3, 6)]
    action = load_actions({"up": {"criteria": CARD, "occurs_when": {"any": sums}}})["up"]
    lower = {J.RightHand: (-45, 10), J.LeftHand: (45, -30)}
    told = judge_person(figure(lower), action).explanation
    assert str(told) == "1 of 2 totals reached; 1 needed: total 1: 3 points (3 needed), total 2: 3 points (6 needed)"
    assert (
        translate(told, "zh") == "2 项总分中 1 项达标；需要 1 项：总分 1：3 分（需要 3 分），总分 2：3 分（需要 6 分）"
    )
    told = judge_person(figure(without=[J.RightHand, J.LeftHand]), action).explanation
    assert str(told).startswith("0 of 2 totals reached, 2 cannot be judged; 1 needed: total 1: 1 point (3 needed; too ")


def test_saved_results_and_declarations_read_back() -> None:
    action = card(evidence=0.4)
    assert load_actions({"up": declaration_of(action)})["up"] == action
    keypoints = figure(HANDS_UP, without=[J.LeftFoot])
    judgement = judge_person(keypoints, action)
    saved = json.loads(json.dumps({"keypoints": keypoints.tolist(), **judgement.to_json()}))
    again = Judgement.from_json(saved, action)
    assert again.text == judgement.text
    assert [one.text for one in again.criteria.values()] == [one.text for one in judgement.criteria.values()]


@pytest.mark.parametrize("name", ["climb_up", "climb_over_fence"])
def test_default_cards_judge_copies_alike(name: str) -> None:
    action, rng = default_actions()[name], np.random.default_rng(7)
    for _ in range(60):
        keypoints = figure()
        keypoints[:, :2] += rng.normal(0, 45, (18, 2))
        keypoints[rng.random(18) < 0.1] = 0
        points = [one.points for one in judge_person(keypoints, action).criteria.values()]
        for copy in (mirrored(keypoints), scaled(keypoints, 2.3)):
            assert [one.points for one in judge_person(copy, action).criteria.values()] == points


@pytest.mark.parametrize(
    ("criterion", "occurs_when", "words"),
    [
        ({"bounds": [0.1]}, {}, "points must be a list"),
        ({"points": [1, 2]}, {}, "bounds must be a list"),
        ({"bounds": [0.1], "points": [1, 2, 3]}, {}, "1 bounds make 2 ranges; points has 3"),
        ({"bounds": [0.3, 0.1], "points": [1, 2, 3]}, {}, "bounds must rise"),
        ({"bounds": [0.1], "points": [0, 0]}, {}, "points are all 0"),
        ({"at": [0.1, 0.2], "points": [1]}, {}, "at has 2 values; points has 1"),
        ({"at": [0.2, 0.1], "points": [1, 2]}, {}, "at must rise"),
        ({"at": [0.1], "bounds": [0.2], "points": [1]}, {}, "not both"),
        ({"bounds": [11], "points": [1, 2]}, {}, "outside -10 to 10"),
        ({"bounds": [0.1], "points": [1, "yes"]}, {}, "is not a number"),
        ({"bounds": [0.1], "points": [1, 2], "threshold": 1}, {}, "either bounds and points, or a threshold"),
        ({"bounds": [0.1], "points": [1, 2], "sides": "each"}, {}, "choose from largest, smallest"),
        ({"bounds": [0.1], "points": [1, 2]}, "all", "which gives points; ask for it under points_at_least"),
        ({"threshold": 0.1}, {}, "gives no points; add bounds and points"),
        ({"bounds": [0.1], "points": [1, 2]}, {"points_at_least": 3}, "outside 1e-06 to 2"),
        ({"bounds": [0.1], "points": [1, 2]}, {"points_at_least": 1, "evidence": 2}, "outside 0 to 1"),
        ({"bounds": [0.1], "points": [1, 2]}, {"points_at_least": 1, "evidense": 2}, "did you mean 'evidence'"),
        ({"bounds": [0.1], "points": [1, 2]}, {"points_at_least": 1, "of": ["hans"]}, "did you mean 'hands'"),
        ({"bounds": [0.1], "points": [1, 2]}, {"points_at_least": 1, "of": ["hands", "hands"]}, "listed twice"),
    ],
)
def test_declarations_that_are_refused(criterion: Any, occurs_when: Any, words: str) -> None:
    declared = {"hands": {"criterion": "hand_over_neck", **criterion}}
    combination = {"points_at_least": 1, **occurs_when} if isinstance(occurs_when, dict) else occurs_when
    with pytest.raises(ConfigError) as refused:
        load_actions({"up": {"criteria": declared, "occurs_when": combination}})
    assert words in str(refused.value)
    assert "action up" in str(refused.value)
