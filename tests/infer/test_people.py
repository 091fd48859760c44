"""Who counts: score, joints, and pieces of a person already found; with the default limits nobody is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from src.infer.people import EVERYBODY, PersonLimits, reasons_to_ignore

LIMITS = PersonLimits(min_score=0.1, min_joints=4)


def person(joints: int, left: float = 0.0, size: float = 100.0) -> NDArray[np.float32]:
    """(18, 3): `joints` joints on the diagonal of a square of `size` pixels."""
    pose = np.zeros((18, 3), np.float32)
    steps = np.linspace(0, size, joints)
    pose[:joints] = np.stack([left + steps, steps, np.ones(joints)], axis=1)
    return pose


def reasons(*persons: tuple[NDArray[np.float32], float], limits: PersonLimits = LIMITS) -> list[str]:
    poses = np.array([pose for pose, _ in persons], np.float32).reshape(-1, 18, 3)
    return reasons_to_ignore(poses, np.array([score for _, score in persons], np.float32), limits)


def test_nobody_is_left_out_without_limits() -> None:
    assert reasons((person(18), 0.9), (person(1), 0.01), limits=EVERYBODY) == ["", ""]


def test_nobody_found() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("joints", "score", "reason"), [(4, 0.1, ""), (3, 0.9, "joints"), (18, 0.09, "score"), (3, 0.09, "joints")]
)
def test_limits_are_inclusive_and_joints_are_named_first(joints: int, score: float, reason: str) -> None:
    assert reasons((person(joints), score)) == [reason]


@pytest.mark.parametrize(
    ("joints", "left", "reason"),
    [
        (9, 0, "piece"),  # half the joints, all inside
        (10, 0, ""),  # more than half: a person of its own
        (6, 300, ""),  # beside the other
        (8, 55, ""),  # sticks out by more than a tenth of its joints
    ],
)
def test_a_small_figure_inside_another_is_a_piece_of_it(joints: int, left: float, reason: str) -> None:
    assert reasons((person(18), 0.9), (person(joints, left), 0.5)) == ["", reason]


def test_of_two_alike_neither_is_a_piece() -> None:
    assert reasons((person(12), 0.9), (person(12), 0.8)) == ["", ""]
