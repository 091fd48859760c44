"""The handbook's class: its 28 names, its return values, and only the documented arguments."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from src.action_type_judger import ActionTypeJudger
from src.actions import default_actions, judge_person
from src.errors import ConfigError, DataError
from src.pose.skeleton import JointType
from tests.actions.figure import figure
from tests.actions.test_criteria import CASES

J = JointType

HANDBOOK_METHODS = [
    "judge_action_type_through_criterions",
    "get_joint_from_keypoints",
    "compute_acute_angle_formed_by_three_points",
    "convert_2d_location_to_gradient",
    "convert_gradient_to_degree",
    "compute_2d_location_to_degree",
    "construct_criterion_list_by_target_action_type",
    "check_three_points_and_inner_angle",
    "judge_by_hand_over_shoulder",
    "judge_by_hand_over_neck",
    "judge_by_foot_over_knee",
    "judge_by_foot_over_hand",
    "judge_by_waist_over_hand",
    "judge_by_waist_over_elbow",
    "judge_by_elbow_over_shoulder",
    "judge_by_body_acute_angle_betweeen_vertical_line",
    "judge_by_neck_nose_line_horizontal",
    "judge_by_hand_foot_line_horizontal",
    "judge_by_elbow_knee_line_horizontal",
    "judge_by_neck_foot_line_horizontal",
    "judge_by_hand_knee_line_horizontal",
    "judge_by_knee_foot_line_horizontal",
    "judge_by_neck_waist_line_horizontal",
    "judge_by_hand_elbow_shoulder_inner_angle",
    "judge_by_waist_knee_foot_inner_angle",
    "judge_by_neck_waist_knee_inner_angle",
    "judge_by_knees",
    "judge_by_distance_between_feet",
]

CRITERIA_METHODS = [name for name in HANDBOOK_METHODS if name.startswith("judge_by_")]


def method(name: str) -> Any:
    return getattr(ActionTypeJudger, name)


def test_exactly_the_28_static_methods_of_the_handbook() -> None:
    static = [name for name, value in vars(ActionTypeJudger).items() if isinstance(value, staticmethod)]
    functions = [name for name, value in vars(ActionTypeJudger).items() if inspect.isfunction(value)]
    assert sorted(static) == sorted(HANDBOOK_METHODS)
    assert not functions
    assert (len(HANDBOOK_METHODS), len(CRITERIA_METHODS)) == (28, 20)


@pytest.mark.parametrize("name", CRITERIA_METHODS)
def test_criteria_answer_with_keypoints_alone_or_with_a_threshold(name: str) -> None:
    threshold, holding, failing = CASES[name[len("judge_by_") :]]
    assert method(name)(figure(holding).ravel().tolist(), threshold) == 1
    assert method(name)(figure(failing).ravel().tolist(), threshold) == 0
    assert method(name)(figure()) in (0, 1)
    assert method(name)([0.0] * 54) == -1
    assert all(type(method(name)(keypoints)) is int for keypoints in (figure(), np.zeros((18, 3))))


def test_waist_over_hand_as_in_the_handbooks_code() -> None:
    hanging = figure()
    assert ActionTypeJudger.judge_by_waist_over_hand(hanging) == 1
    assert ActionTypeJudger.judge_by_waist_over_hand(figure(without=[J.LeftHand, J.RightHand])) == -1
    assert ActionTypeJudger.judge_by_waist_over_hand(figure(without=[J.LeftWaist, J.RightWaist])) == -1
    crossed = figure({J.RightHand: (0, 50)}, without=[J.LeftHand, J.RightWaist])
    assert ActionTypeJudger.judge_by_waist_over_hand(crossed) == 0


@pytest.mark.parametrize("name", list(default_actions()))
def test_entry_takes_two_arguments_and_agrees_with_judge_person(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        keypoints = figure()
        keypoints[:, :2] += rng.normal(0, 70, (18, 2))
        expected = int(judge_person(keypoints, default_actions()[name]).occurred is True)
        assert ActionTypeJudger.judge_action_type_through_criterions(keypoints.ravel().tolist(), name) == expected


def test_entry_answers_0_for_nobody() -> None:
    assert ActionTypeJudger.judge_action_type_through_criterions([0] * 54, "climb_up") == 0


def test_entry_names_the_nearest_action() -> None:
    for error in (ValueError, ConfigError):
        with pytest.raises(error, match="did you mean 'climb_over_fence'"):
            ActionTypeJudger.judge_action_type_through_criterions([0] * 54, "climb_over_fense")


def test_entry_refuses_keypoints_without_the_neck() -> None:
    with pytest.raises(DataError, match="neck"):
        ActionTypeJudger.judge_action_type_through_criterions([0] * 51, "climb_up")


def test_get_joint() -> None:
    keypoints = figure(without=[J.LeftHand]).ravel().tolist()
    assert ActionTypeJudger.get_joint_from_keypoints(keypoints, J.Neck) == [400, 300, 0.9]
    assert ActionTypeJudger.get_joint_from_keypoints(keypoints, J.LeftHand) == [0, 0, 0]
    with pytest.raises(ValueError, match="99"):
        ActionTypeJudger.get_joint_from_keypoints(keypoints, 99)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "vertex", "second", "degrees"),
    [
        ((1, 0), (0, 0), (0, 1), 90),
        ((1, 0), (0, 0), (-1, 0), 180),
        ((1, 0), (0, 0), (5, 0), 0),
        ((1, 0), (0, 0), (-1, 1), 135),
    ],
)
def test_inner_angle(first: Any, vertex: Any, second: Any, degrees: float) -> None:
    compute = ActionTypeJudger.compute_acute_angle_formed_by_three_points
    assert compute(first, vertex, second) == pytest.approx(degrees)
    assert compute(second, vertex, first) == pytest.approx(degrees)
    assert math.isnan(compute(vertex, vertex, second))


def test_gradient_and_degree() -> None:
    gradient, degree = ActionTypeJudger.convert_2d_location_to_gradient, ActionTypeJudger.convert_gradient_to_degree
    assert gradient((0, 0), (2, 1)) == 0.5
    assert degree(gradient((0, 0), (3, 3))) == pytest.approx(45)
    assert degree(gradient((0, 0), (3, -3))) == pytest.approx(-45)
    assert degree(gradient((2, 0), (2, 7))) == 90
    assert ActionTypeJudger.compute_2d_location_to_degree((0, 0), (-1, 0)) == 0
    assert math.isnan(ActionTypeJudger.compute_2d_location_to_degree((1, 1), (1, 1)))


def test_check_three_points() -> None:
    check: Any = ActionTypeJudger.check_three_points_and_inner_angle
    points = [(1, 0, 0.9), (0, 0, 0.9), (0, 1, 0.9)]
    assert check(*points, 89) == 1
    assert check(*points, 91) == 0
    for missing in range(3):
        gone = [(*point[:2], 0) if number == missing else point for number, point in enumerate(points)]
        assert check(*gone, 89) == -1
    assert check((1, 0, math.nan), *points[1:], 89) == -1
    assert check(points[1], *points[1:], 89) == -1


@pytest.mark.parametrize("name", list(default_actions()))
def test_criterion_list_gives_the_declared_verdicts(name: str) -> None:
    keypoints = figure({J.LeftHand: (45, -80)}, without=[J.RightKnee])
    criteria = ActionTypeJudger.construct_criterion_list_by_target_action_type(name)
    action = default_actions()[name]
    asked = judge_person(keypoints, action).criteria
    verdicts = {declared.label: judge(keypoints) for declared, judge in zip(action.criteria, criteria)}
    assert {label: verdicts[label] for label in asked} == {label: one.verdict for label, one in asked.items()}
    assert len(criteria) == len(action.criteria)
    assert all(judge.__name__.startswith("judge_by_") for judge in criteria)


def test_criterion_list_of_an_unknown_action() -> None:
    with pytest.raises(ValueError, match="not declared"):
        ActionTypeJudger.construct_criterion_list_by_target_action_type("fly")
