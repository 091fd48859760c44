"""Every criterion on either side of its threshold, on mirrored and scaled copies, and without each joint."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from src.actions.action import ANY_SIDE, EACH_SIDE, FOUND_SIDES, DeclaredCriterion
from src.actions.combination import FAILS, HOLDS, UNJUDGED
from src.actions.criteria import CRITERIA
from src.actions.measures.pose import as_pose
from src.actions.measures.readings import SCENE_KINDS
from src.actions.measuring import Measures
from src.pose.skeleton import JointType
from tests.actions.criterion_cases import (
    CASES,
    Changes,
    folded,
    lower_foot,
    raised_hand,
)
from tests.actions.figure import UPRIGHT, figure, mirrored, scaled
from tests.actions.measured import measured, readings

J = JointType
#: The spots in the names of criteria that compare two of them.
SPOTS: Mapping[str, tuple[tuple[JointType, ...], ...]] = {
    **{
        word: ((right,), (left,))
        for word, right, left in (
            ("shoulder", J.RightShoulder, J.LeftShoulder),
            ("elbow", J.RightElbow, J.LeftElbow),
            ("hand", J.RightHand, J.LeftHand),
            ("waist", J.RightWaist, J.LeftWaist),
            ("knee", J.RightKnee, J.LeftKnee),
            ("foot", J.RightFoot, J.LeftFoot),
        )
    },
    "shoulder_line": ((J.Neck,),),
    "shoulders": ((J.RightShoulder, J.LeftShoulder),),
    "elbows": ((J.RightElbow, J.LeftElbow),),
    "hands": ((J.RightHand, J.LeftHand),),
    "waist_middle": ((J.RightWaist, J.LeftWaist),),
    "knees": ((J.RightKnee, J.LeftKnee),),
    "feet": ((J.RightFoot, J.LeftFoot),),
}
_SPOT = "|".join(sorted(SPOTS, key=len, reverse=True))
PAIR_NAME = re.compile(
    rf"(?P<one>{_SPOT})_(?P<over>over_)?(?P<own>own_)?(?P<other>{_SPOT})(?P<kind>_distance|_width|_rise)?"
)
#: Criteria whose name says what they measure between which spots; the older ones have cases of their own.
PAIRS = {name: match for name in CRITERIA if name not in CASES and (match := PAIR_NAME.fullmatch(name))}


def expected_values(match: re.Match[str], places: NDArray[np.float64]) -> list[float]:
    """What a criterion of that name measures on a person with all joints at `places` (18 x 2), in pixels or degrees."""
    pairs = list(itertools.product(SPOTS[match["one"]], SPOTS[match["other"]]))
    if match["own"]:
        pairs = list(zip(SPOTS[match["one"]], SPOTS[match["other"]]))
    values = []
    for one, other in pairs:
        dx, dy = places[list(one)].mean(axis=0) - places[list(other)].mean(axis=0)
        by_kind = {None: -dy, "_distance": np.hypot(dx, dy), "_width": abs(dx)}
        rise = np.degrees(np.arctan2(-dy, abs(dx)))
        values.append(float(rise if match["kind"] == "_rise" else by_kind[match["kind"]]))
    return values


@pytest.mark.parametrize("name", PAIRS)
def test_a_criterion_on_two_spots_measures_what_its_name_says(name: str) -> None:
    match, rng = PAIRS[name], np.random.default_rng(2)
    assert bool(match["over"]) == (match["kind"] is None)
    for _ in range(5):
        keypoints = figure()
        keypoints[:, :2] += rng.normal(0, 8, (18, 2))  # no two joints so near that their line has no direction
        taken = readings(as_pose(keypoints), CRITERIA[name])
        found = sorted(reading.value for reading in taken if reading.value is not None)
        assert found == pytest.approx(sorted(expected_values(match, keypoints[:, :2])))
        hidden = keypoints.copy()
        hidden[list(J)[J.RightShoulder :]] = 0
        hidden[J.Neck] = 0
        assert all(reading.value is None for reading in readings(as_pose(hidden), CRITERIA[name]))


def test_the_middle_of_a_pair_is_the_one_that_was_found() -> None:
    seen = readings(as_pose(figure(without=[J.LeftKnee])), CRITERIA["waist_middle_knees_rise"])
    assert seen[0].joints == (J.RightWaist, J.LeftWaist, J.RightKnee)
    line = CRITERIA["elbow_over_shoulder_line"]
    assert [reading.joints[1:] for reading in readings(as_pose(figure()), line)] == [(J.Neck,)] * 2
    without_neck = readings(as_pose(figure(without=[J.Neck])), line)
    assert without_neck[0].joints[1:] == (J.RightShoulder, J.LeftShoulder)
    one_shoulder = readings(as_pose(figure(without=[J.Neck, J.LeftShoulder])), line)
    assert one_shoulder[0].joints[1:] == (J.RightShoulder,)


def verdict(name: str, keypoints: NDArray[np.float64], threshold: float, sides: str = ANY_SIDE) -> int:
    return measured(as_pose(keypoints), CRITERIA[name], threshold, sides).verdict


def test_every_criterion_has_a_case() -> None:
    in_scenes = {name for name, criterion in CRITERIA.items() if criterion.kind in SCENE_KINDS}  # see test_scene
    assert {*CASES, *PAIRS, *in_scenes, "joint_confidence"} == set(CRITERIA)


def test_confidence_is_the_mean_of_the_joints_below_the_head_that_were_found() -> None:
    person = figure(confidence=0.8, without=[J.LeftFoot])
    person[J.Nose, 2] = 0.1
    person[J.RightFoot, 2] = 0.2
    found = measured(as_pose(person), CRITERIA["joint_confidence"], 0.75, ANY_SIDE)
    assert (found.verdict, found.value) == (HOLDS, pytest.approx((11 * 0.8 + 0.2) / 12))
    assert verdict("joint_confidence", person, 0.755) == FAILS
    assert verdict("joint_confidence", figure(without=list(J)), 0.5) == UNJUDGED


@pytest.mark.parametrize("name", CASES)
def test_either_side_of_the_threshold(name: str) -> None:
    threshold, holding, failing = CASES[name]
    assert verdict(name, figure(holding), threshold) == HOLDS
    assert verdict(name, figure(failing), threshold) == FAILS


COPIES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "mirrored": mirrored,
    "large": lambda keypoints: scaled(keypoints, 7.3),
    "small": lambda keypoints: scaled(keypoints, 0.21),
    "small and mirrored": lambda keypoints: scaled(mirrored(keypoints), 0.21),
}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", CASES)
def test_copies_are_judged_alike(name: str, copy: str) -> None:
    threshold, holding, failing = CASES[name]
    for changes in (holding, failing):
        original, other = (
            measured(as_pose(keypoints), CRITERIA[name], threshold, ANY_SIDE)
            for keypoints in (figure(changes), COPIES[copy](figure(changes)))
        )
        assert other.verdict == original.verdict
        assert other.value == pytest.approx(original.value, abs=1e-6)


def used_joints(name: str) -> set[JointType]:
    return {joint for reading in readings(as_pose(figure()), CRITERIA[name]) for joint in reading.joints}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sides", [ANY_SIDE, EACH_SIDE, FOUND_SIDES])
def test_each_missing_joint_is_never_used(name: str, sides: str) -> None:
    threshold, holding, failing = CASES[name]
    for changes in (holding, failing):
        for joint in J:
            found = measured(as_pose(figure(changes, without=[joint])), CRITERIA[name], threshold, sides)
            if found.verdict == UNJUDGED:
                assert joint in used_joints(name), "judged by other joints, so it must still be judged"
            else:
                assert joint not in found.joints


@pytest.mark.parametrize("name", CASES)
def test_place_of_a_missing_joint_does_not_matter(name: str) -> None:
    threshold, holding, _ = CASES[name]
    for joint in used_joints(name):
        keypoints = figure(holding, without=[joint])
        elsewhere = keypoints.copy()
        elsewhere[joint] = (-5000, 9000, 0)
        assert verdict(name, elsewhere, threshold) == verdict(name, keypoints, threshold)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bad", [(np.nan, 5, 0.9), (5, np.inf, 0.9), (5, 5, np.nan), (1e300, 5, 0.9), (5, 5, -1)])
def test_bad_numbers_count_as_not_found(name: str, bad: tuple[float, float, float]) -> None:
    threshold, holding, _ = CASES[name]
    for joint in used_joints(name):
        keypoints = figure(holding)
        keypoints[joint] = bad
        assert verdict(name, keypoints, threshold) == verdict(name, figure(holding, without=[joint]), threshold)


@pytest.mark.parametrize("name", CASES)
def test_nobody_cannot_be_judged(name: str) -> None:
    for sides in (ANY_SIDE, EACH_SIDE, FOUND_SIDES):
        assert verdict(name, np.zeros((18, 3)), 1.0, sides) == UNJUDGED


@pytest.mark.parametrize("name", CASES)
def test_joints_on_one_point_give_no_angle(name: str) -> None:
    together = figure()
    together[:, :2] = 100
    found = verdict(name, together, 0.0)
    assert found in (FAILS, UNJUDGED)
    assert CRITERIA[name].kind.is_length or found == UNJUDGED


def test_any_takes_the_best_side_and_each_the_worst() -> None:
    one_up = figure(raised_hand(30))
    assert verdict("hand_over_shoulder", one_up, 0.0, ANY_SIDE) == HOLDS
    assert verdict("hand_over_shoulder", one_up, 0.0, EACH_SIDE) == FAILS
    assert verdict("hand_over_shoulder", one_up, 0.0, FOUND_SIDES) == FAILS


def test_each_stays_open_for_a_missing_side_unless_the_other_fails() -> None:
    up, down = figure(raised_hand(30), without=[J.LeftHand]), figure(without=[J.LeftHand])
    assert verdict("hand_over_shoulder", up, 0.0, EACH_SIDE) == UNJUDGED
    assert verdict("hand_over_shoulder", down, 0.0, EACH_SIDE) == FAILS
    assert verdict("hand_over_shoulder", up, 0.0, FOUND_SIDES) == HOLDS


def test_a_sign_needs_no_size_but_a_length_does() -> None:
    pair = figure(raised_hand(30), without=[joint for joint in J if joint not in (J.RightHand, J.RightShoulder)])
    sign = measured(as_pose(pair), CRITERIA["hand_over_shoulder"], 0.0, ANY_SIDE)
    assert (sign.verdict, sign.unit, sign.value) == (HOLDS, "px", 30)
    assert verdict("hand_over_shoulder", pair, 0.1) == UNJUDGED


def test_angle_between_nearly_coincident_joints_is_not_judged() -> None:
    near = figure({J.RightHand: (-20, 183), J.LeftHand: (45, 30)}, without=[J.LeftKnee])
    found = measured(as_pose(near), CRITERIA["hand_knee_line_horizontal"], 20, ANY_SIDE)
    assert J.RightHand not in found.joints


def test_the_lower_foot_is_not_known_from_one_foot() -> None:
    for missing in (J.RightFoot, J.LeftFoot):
        assert verdict("lower_foot_line_horizontal", figure(lower_foot(58), without=[missing]), 60) == UNJUDGED


def test_feet_of_one_height_both_count_as_the_lower_one() -> None:
    aside: Changes = {J.RightFoot: (-20, 270), J.LeftFoot: (200, 270)}
    for keypoints in (figure(aside), mirrored(figure(aside))):
        assert verdict("lower_foot_line_horizontal", keypoints, 45) == HOLDS


def test_hands_at_foot_goes_by_the_further_hand_that_was_found() -> None:
    one_there = {J.LeftHand: UPRIGHT[J.LeftFoot]}
    assert verdict("hands_at_foot", figure(one_there), 0.5) == FAILS
    assert verdict("hands_at_foot", figure(one_there, without=[J.RightHand]), 0.5) == HOLDS


def test_body_width_needs_two_joints() -> None:
    assert verdict("body_width", figure(without=[joint for joint in J if joint != J.Neck]), 0.0) == UNJUDGED


def test_range_holds_strictly_inside() -> None:
    for degrees, expected in ((59, FAILS), (61, HOLDS), (89, HOLDS), (91, FAILS)):
        pose = as_pose(figure(folded(degrees)))
        assert measured(pose, CRITERIA["neck_waist_knee_inner_angle"], (60, 90), ANY_SIDE).verdict == expected


def test_any_pose_and_its_mirror_image_agree() -> None:
    rng = np.random.default_rng(5)
    all_criteria = [
        Measures([DeclaredCriterion(name, one, one.threshold, sides, 0.0, 1.0) for name, one in CRITERIA.items()])
        for sides in (ANY_SIDE, EACH_SIDE, FOUND_SIDES)
    ]
    for _ in range(100):
        keypoints = np.column_stack([rng.uniform(0, 900, (18, 2)), rng.uniform(0, 1, 18) * (rng.random(18) > 0.2)])
        keypoints[keypoints[:, 2] == 0] = 0
        poses = [as_pose(one) for one in (keypoints, mirrored(keypoints))]
        for measures in all_criteria:
            here, there = ([one.verdict for one in found] for found in measures.on(poses))
            assert here == there


def test_kinds_give_the_units() -> None:
    units: dict[str, Any] = {name: criterion.kind.unit for name, criterion in CRITERIA.items()}
    assert {units["knees"], units["leg_raised"]} == {"torso"}
    assert {units["neck_nose_line_horizontal"], units["neck_waist_knee_inner_angle"]} == {"deg"}
