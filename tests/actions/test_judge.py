"""One person judged: combinations with what is unknown, confidence, explanations, and what goes into results."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from src.actions import Judgement, default_actions, judge_person, judge_persons, load_actions
from src.actions.combination import AllOf, AnyOf, AtLeast, IfElse, Leaf, Node, Not, Unless, decide
from src.errors import DataError
from src.pose.skeleton import JointType
from tests.actions.figure import figure, mirrored, scaled

J = JointType
A, B, C = Leaf("a"), Leaf("b"), Leaf("c")

NODES: list[Node] = [
    A,
    Not(A),
    AllOf((A, B, C)),
    AnyOf((A, B, C)),
    AtLeast(2, (A, B, C), (1, 1, 1)),
    AtLeast(3, (A, B, C), (2.5, 1, 0.5)),
    AnyOf((AllOf((A, Not(B))), C)),
    Not(AnyOf((A, AtLeast(1, (B, Not(C)), (1, 1))))),
    IfElse(A, B, C),
    IfElse(Not(B), Not(C), A),
]
OBJECTIONS: list[Node] = [Unless(A), AtLeast(2, (A, Unless(B), C), (1, 1, 1)), AllOf((A, Unless(AnyOf((B, C)))))]


@pytest.mark.parametrize("node", NODES)
def test_undecided_exactly_when_the_unknown_could_leave_it_open(node: Node) -> None:
    """For combinations that ask each criterion once, against trying out everything the unknown could have been."""
    for verdicts in itertools.product((1, 0, -1), repeat=3):
        choices = [(0, 1) if verdict == -1 else (verdict,) for verdict in verdicts]
        outcomes = {decide(node, dict(zip("abc", world))) for world in itertools.product(*choices)}
        expected = outcomes.pop() if len(outcomes) == 1 else None
        assert decide(node, dict(zip("abc", verdicts))) is expected


def test_arrays_of_persons_get_the_same_answers() -> None:
    worlds = np.array(list(itertools.product((1, 0, -1), repeat=3)))
    columns = dict(zip("abc", worlds.T))
    for node in NODES + OBJECTIONS:
        certain, possible = node.answer(columns)
        for number, world in enumerate(worlds):
            single = node.answer(dict(zip("abc", world.tolist())))
            assert (bool(certain[number]), bool(possible[number])) == tuple(map(bool, single))


def test_unless_passes_what_cannot_be_judged() -> None:
    assert [decide(Unless(A), {"a": verdict}) for verdict in (1, 0, -1)] == [False, True, True]
    assert [decide(Not(A), {"a": verdict}) for verdict in (1, 0, -1)] == [False, True, None]
    assert [decide(Not(Unless(A)), {"a": verdict}) for verdict in (1, 0, -1)] == [True, False, False]
    objection = Unless(AllOf((A, B)))
    assert [decide(objection, {"a": 1, "b": verdict}) for verdict in (1, 0, -1)] == [False, True, True]
    node = AllOf((A, Unless(B)))
    assert [decide(node, {"a": verdict, "b": -1}) for verdict in (1, 0, -1)] == [True, False, None]


def test_weights_that_are_decimal_fractions_add_up() -> None:
    node = AtLeast(0.3, (A, B), (0.1, 0.2))
    assert decide(node, {"a": 1, "b": 1}) is True


def action_of(criteria: Any, occurs_when: Any = "all", **more: Any) -> Any:
    return load_actions({"act": {"criteria": criteria, "occurs_when": occurs_when, **more}})["act"]


def test_too_incomplete_a_person_is_undecided_not_no() -> None:
    action = action_of(["hand_over_shoulder", "foot_over_knee"])
    assert judge_person(figure(without=[J.RightHand, J.LeftHand, J.RightFoot, J.LeftFoot]), action).occurred is None
    assert judge_person(figure(), action).occurred is False
    assert judge_person(np.zeros((18, 3)), action).occurred is None


def test_joints_below_the_minimum_confidence_decide_nothing() -> None:
    action = action_of({"hand_over_shoulder": {"min_confidence": 0.3}})
    up = figure({J.RightHand: (-45, -60)})
    assert judge_person(up, action).occurred is True
    up[J.RightHand, 2] = 0.29
    result = judge_person(up, action)
    assert result.occurred is False  # the other hand is seen, and down
    assert J.RightHand not in [joint for joint, _ in result.criteria["hand_over_shoulder"].joints]
    up[J.LeftHand, 2] = 0.1
    unknown = judge_person(up, action).criteria["hand_over_shoulder"]
    assert unknown.verdict == -1
    assert "right hand too uncertain (0.29, needs 0.3)" in unknown.text


TEXTS = [
    (
        {"hand_over_shoulder": None},
        {J.LeftHand: (45, -31)},
        (),
        "left hand 31 px (0.31 torso) above left shoulder; needs: above",
    ),
    (
        {"hand_over_shoulder": 0.5},
        {},
        (),
        "right hand 112 px (1.12 torso) below right shoulder; needs: at least 0.5 torso above",
    ),
    (
        {"hand_over_shoulder": -0.5},
        {J.LeftHand: (45, 31)},
        (),
        "left hand 31 px (0.31 torso) below left shoulder; needs: at most 0.5 torso below",
    ),
    (
        {"foot_over_waist": [-0.5, 0.5]},
        {J.LeftFoot: (20, 69)},
        (),
        "left foot 31 px (0.31 torso) above right waist; needs: between 0.5 torso below and 0.5 torso above",
    ),
    ({"knees": 0.7}, {}, (), "right knee and left knee 40 px (0.40 torso) apart; needs: more than 0.7 torso"),
    (
        {"body_width": 1.5},
        {J.LeftHand: (150, 0)},
        (),
        "right elbow and left hand 195 px (1.95 torso) apart sideways; needs: more than 1.5 torso",
    ),
    (
        {"body_width": 0.2},
        {J.RightKnee: (0, 185), J.LeftKnee: (0, 185)},
        tuple(j for j in J if j not in (J.RightWaist, J.LeftWaist, J.RightKnee, J.LeftKnee)),
        "right waist and left waist 40 px (0.39 torso) apart sideways; needs: more than 0.2 torso",
    ),
    (
        {"lower_foot_line_horizontal": 45},
        {J.RightFoot: (-100, 280)},
        (),
        "line from right foot to middle of the waist 61° off the horizontal; needs: less than 45°",
    ),
    ({"hands_at_foot": 0.5}, {}, (), "left hand and right foot 171 px (1.71 torso) apart; needs: less than 0.5 torso"),
    ({"neck_nose_line_horizontal": 30}, {}, (), "line from neck to nose 90° off the horizontal; needs: less than 30°"),
    (
        {"body_acute_angle_betweeen_vertical_line": 45},
        {},
        (),
        "line from neck to middle of the waist 0° off the vertical; needs: at least 45°",
    ),
    (
        {"waist_knee_foot_inner_angle": [60, 120]},
        {},
        (),
        "angle at right knee between right waist and right foot 180°; needs: between 60° and 120°",
    ),
    ({"knees": 0.7}, {}, (J.LeftKnee,), "cannot be judged: left knee not found"),
    (
        {"hand_over_neck": {"sides": "each", "threshold": 0}},
        {},
        (J.LeftHand,),
        "right hand 112 px (1.12 torso) below neck; needs: above, on each side",
    ),
    (
        {"knees": 0.7},
        {},
        tuple(j for j in J if j not in (J.LeftKnee, J.RightKnee)),
        "cannot be judged: no limb shows the body's size",
    ),
    (
        {"neck_nose_line_horizontal": 30},
        {J.Nose: (0, 1)},
        (),
        "cannot be judged: the joints are too close together to give a direction",
    ),
]


@pytest.mark.parametrize(("criteria", "changes", "without", "text"), TEXTS)
def test_explanations(criteria: Any, changes: Any, without: Any, text: str) -> None:
    judgement = judge_person(figure(changes, without), action_of(criteria))
    assert [result.text for result in judgement.criteria.values()] == [text]


def test_results_are_plain_json_with_everything_in_them() -> None:
    keypoints = figure({J.LeftHand: (45, -31)}, without=[J.RightHand])
    keypoints[J.LeftHand, 2] = 0.123456789
    line = judge_person(keypoints, action_of({"hand_over_shoulder": None, "knees": [0.1, 3]})).to_json()
    assert json.loads(json.dumps(line, allow_nan=False)) == line
    assert line["occurred"] is True
    assert line["criteria"]["hand_over_shoulder"] == {
        "verdict": 1,
        "measured": 0.3103,
        "unit": "torso",
        "px": 31.0,
        "joints": ["LeftHand", "LeftShoulder"],
    }


def test_a_saved_judgement_is_read_back_with_its_sentences() -> None:
    action = action_of({"hand_over_shoulder": None, "knees": [0.1, 3], "foot_over_knee": None}, {"at_least": 2})
    for without in ([J.RightHand], [J.RightHand, J.LeftHand], list(J)):
        keypoints = figure({J.LeftHand: (45, -31)}, without=without)
        judgement = judge_person(keypoints, action)
        saved = {"keypoints": keypoints.tolist(), **json.loads(json.dumps(judgement.to_json()))}
        again = Judgement.from_json(saved, action)
        assert again.text == judgement.text
        assert [one.text for one in again.criteria.values()] == [one.text for one in judgement.criteria.values()]
        assert [one.sign for one in again.criteria.values()] == [one.sign for one in judgement.criteria.values()]
    with pytest.raises(KeyError):
        Judgement.from_json(saved, action_of(["leg_raised"]))


@pytest.mark.parametrize(
    ("occurs_when", "text"),
    [
        ({"at_least": 2, "of": ["hand_over_neck", {"not": "knees"}, "foot_over_knee"]}, "1 of 3 signs hold, 1 cannot"),
        ({"at_least": 2, "of": ["hand_over_neck", {"unless": "foot_over_knee"}, "knees"]}, "1 of 3 signs hold; 2"),
        ({"any": ["hand_over_neck", "knees", "foot_over_knee"]}, "0 of 3 signs hold, 1 cannot be judged; 1 needed"),
        ({"all": [{"any": ["hand_over_neck", {"not": "knees"}]}, "foot_over_knee"]}, "1 of 2 signs hold, 1 cannot"),
        ({"not": {"all": ["knees", "hand_over_neck", "foot_over_knee"]}}, "1 of 1 signs hold; 1 needed"),
    ],
)
def test_a_verdict_says_how_many_signs_hold(occurs_when: Any, text: str) -> None:
    action = action_of(["hand_over_neck", "knees", "foot_over_knee"], occurs_when)
    judgement = judge_person(figure(without=[J.RightFoot, J.LeftFoot]), action)
    assert judgement.text.startswith(text)


def test_objections_are_told_from_signs() -> None:
    criteria = ["hand_over_neck", "knees", "foot_over_knee", "leg_raised"]
    occurs_when = {
        "all": [{"not": {"any": ["knees", {"not": "leg_raised"}]}}, {"unless": "foot_over_knee"}, "hand_over_neck"]
    }
    result = judge_person(figure(), action_of(criteria, occurs_when)).criteria
    assert [label for label in criteria if result[label].objection] == ["knees", "foot_over_knee"]
    both = judge_person(figure(), action_of(["knees"], {"any": ["knees", {"not": "knees"}]})).criteria
    assert both["knees"].objection is False


TWO_CARDS: Any = {
    "joint_confidence": None,
    "hand_over_neck": {"bounds": [0], "points": [0, 4]},
    "found_hand_over_neck": {"criterion": "hand_over_neck", "bounds": [-2], "points": [0, 3], "min_confidence": 0.05},
}
BY_CONFIDENCE: Any = {
    "if": "joint_confidence",
    "then": {"points_at_least": 4, "of": ["hand_over_neck"]},
    "else": {"points_at_least": 3, "of": ["found_hand_over_neck"]},
}


@pytest.mark.parametrize(
    ("confidence", "occurred", "label", "text"),
    [
        (0.95, False, "hand_over_neck", "0 points; 4 needed"),
        (0.5, True, "found_hand_over_neck", "3 points; 3 needed"),
    ],
)
def test_only_the_side_of_an_if_that_is_taken_is_asked(
    confidence: float, occurred: bool, label: str, text: str
) -> None:
    action = action_of(TWO_CARDS, BY_CONFIDENCE)
    judgement = judge_person(figure(confidence=confidence), action)
    assert judgement.occurred is occurred
    assert list(judgement.criteria) == ["joint_confidence", label]
    assert judgement.text == text
    saved: Any = {"keypoints": figure(confidence=confidence).tolist(), **judgement.to_json()}
    assert Judgement.from_json(saved, action).text == text
    del saved["criteria"][label]
    with pytest.raises(KeyError):
        Judgement.from_json(saved, action)


def test_an_if_is_undecided_where_nothing_is_seen() -> None:
    judgement = judge_person(np.zeros((18, 3)), action_of(TWO_CARDS, BY_CONFIDENCE))
    assert judgement.occurred is None
    assert "too little is seen" in judgement.text
    assert list(judgement.criteria) == list(TWO_CARDS)


def test_undecided_results_are_json_too() -> None:
    line = judge_person(np.full((18, 3), np.nan), action_of(["knees"])).to_json()
    assert json.loads(json.dumps(line, allow_nan=False))["criteria"]["knees"]["measured"] is None
    assert line["occurred"] is None


@pytest.mark.parametrize(
    "keypoints", [[1, 2, 3], np.zeros(51), np.zeros((17, 3)), np.zeros((3, 18)), "text", None, [[1, 2]] * 27]
)
def test_other_shapes_are_refused(keypoints: Any) -> None:
    with pytest.raises(DataError, match="18 x"):
        judge_person(keypoints, action_of(["knees"]))


def test_flat_list_array_and_nested_list_are_the_same() -> None:
    keypoints = figure({J.LeftHand: (45, -31)})
    action = default_actions()["climb_up"]
    results = [
        judge_person(one, action).to_json() for one in (keypoints, keypoints.ravel().tolist(), keypoints.tolist())
    ]
    assert results[0] == results[1] == results[2]


def test_input_is_not_changed() -> None:
    keypoints = figure()
    keypoints[J.Nose, 0] = np.nan
    before = keypoints.copy()
    judge_person(keypoints, default_actions()["climb_over_fence"])
    np.testing.assert_array_equal(keypoints, before)


def test_a_picture_without_persons_has_no_judgements() -> None:
    assert [judge_persons([], action) for action in default_actions().values()] == [[], []]


def test_default_actions_judge_copies_alike() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        keypoints = figure()
        keypoints[:, :2] += rng.normal(0, 60, (18, 2))
        keypoints[rng.random(18) < 0.15] = 0
        for action in default_actions().values():
            verdict = judge_person(keypoints, action).occurred
            assert judge_person(mirrored(keypoints), action).occurred is verdict
            assert judge_person(scaled(keypoints, 3.7), action).occurred is verdict
