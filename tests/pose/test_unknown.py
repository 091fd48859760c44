"""Targets about which the annotations say nothing."""

from __future__ import annotations

import numpy as np

from src.pose.encode import encode_keypoints
from src.pose.grid import STRIDE
from src.pose.skeleton import BACKGROUND_CHANNEL, LIMBS
from src.pose.skeleton import JointType as J
from src.pose.unknown import (
    UNKNOWN,
    annotated_cells,
    leave_out_joints,
    leave_out_unlabelled,
    never_labelled,
)

SIZE = (256, 256)
FACE = (J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)


def person(left: float, top: float, *unlabelled: J) -> np.ndarray:
    """(18, 3) a figure 40 wide and 100 high, its joints all over it."""
    rng = np.random.default_rng(4)
    joints = np.column_stack([left + 40 * rng.random(18), top + 100 * rng.random(18), np.full(18, 2.0)])
    joints[list(unlabelled)] = 0
    return joints


def targets(*persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return encode_keypoints(np.array(persons), SIZE)


def test_joints_nobody_labelled_are_left_out_with_their_limbs_and_the_background() -> None:
    persons = np.array([person(20, 20, *FACE), person(150, 100, *FACE, J.LeftFoot)])
    missing = never_labelled(persons)
    assert set(np.flatnonzero(missing)) == set(FACE)
    before = targets(*persons)
    heatmaps, pafs = leave_out_joints(*before, missing)
    left_out = {*FACE, BACKGROUND_CHANNEL}
    for channel in range(19):
        assert (heatmaps[channel] == UNKNOWN).all() == (channel in left_out)
    for limb, ends in enumerate(LIMBS):
        assert (pafs[2 * limb : 2 * limb + 2] == UNKNOWN).all() == bool(set(ends) & set(FACE))
    assert (before[0] != UNKNOWN).all(), "the targets given are not changed"
    kept = leave_out_joints(*before, np.zeros(18, bool))
    assert kept[0] is before[0]


def test_an_unlabelled_joint_is_unknown_around_its_person_only() -> None:
    persons = np.array([person(20, 60, J.LeftHand), person(180, 60)])
    before = targets(*persons)
    heatmaps, pafs = leave_out_unlabelled(*before, persons, STRIDE)
    unknown = heatmaps[J.LeftHand] == UNKNOWN
    assert unknown[60 // 8 : 160 // 8, 20 // 8 : 60 // 8].mean() > 0.9
    assert not unknown[:, 22:].any(), "around the other person the hand is known"
    assert (heatmaps[J.RightHand] != UNKNOWN).all()
    limb = LIMBS.index((J.LeftElbow, J.LeftHand))
    assert (pafs[2 * limb] == UNKNOWN).sum() > 20
    assert (pafs[2 * LIMBS.index((J.RightElbow, J.RightHand))] != UNKNOWN).all()


def test_another_persons_labelled_joint_stays_known() -> None:
    near = np.array([person(100, 80, J.LeftHand), person(105, 85)])
    before = targets(*near)
    heatmaps, pafs = leave_out_unlabelled(*before, near, STRIDE)
    seen = before[0][J.LeftHand] > 0.05
    assert seen.any()
    assert (heatmaps[J.LeftHand][seen] == before[0][J.LeftHand][seen]).all()
    limb = 2 * LIMBS.index((J.LeftElbow, J.LeftHand))
    drawn = (before[1][limb : limb + 2] != 0).any(axis=0)
    assert drawn.any()
    assert (pafs[limb][drawn] == before[1][limb][drawn]).all()


def test_only_annotated_people_count() -> None:
    cells = annotated_cells(np.array([person(20, 60), person(180, 60)]), (32, 32), STRIDE)
    assert cells.shape == (1, 32, 32)
    assert cells[0, 10, 5] == cells[0, 10, 25] == 1
    assert cells[0, :, 12:17].sum() == 0
    beyond = annotated_cells(np.array([person(-900, 60)]), (32, 32), STRIDE)
    assert beyond.sum() == 0
