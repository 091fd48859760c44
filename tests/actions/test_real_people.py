"""The default rules on real annotated people: what docs/actions.md claims, and what hidden joints do to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from src.actions import default_actions, judge_persons
from src.actions.evaluation.persons import BODY, ENOUGH_JOINTS
from src.pose.skeleton import JointType
from tests.bench.actions import measured
from tests.bench.real_people import ATHLETE, EVERYDAY_FILE, POSITIVE, People, everyday_people, leeds_people

J = JointType
LEG, ARM = (J.RightKnee, J.RightFoot), (J.LeftElbow, J.LeftHand)
PARTS = {"an ankle": (J.RightFoot,), "a leg": LEG, "an arm": ARM, "a shoulder and the neck": (J.LeftShoulder, J.Neck)}
RECALL = {"climb_up": 0.60, "climb_over_fence": 0.60}


@pytest.fixture(scope="module")
def dev(shared: Path) -> People:
    return leeds_people(shared, "dev")


@pytest.fixture(scope="module")
def sample(dev: People) -> NDArray[np.float64]:
    """About a hundred athletes with enough joints, from all over the part: those next to each other look alike."""
    athletes = dev.of((ATHLETE,))
    return athletes[(athletes[:, list(BODY), 2] > 0).sum(axis=1) >= ENOUGH_JOINTS][::10]


@pytest.mark.parametrize("name", POSITIVE)
def test_recall_and_false_alarms_on_the_part_that_was_not_fitted(name: str, dev: People) -> None:
    recall, alarms, undecided = measured(dev, default_actions()[name], name)
    assert recall.value >= RECALL[name]
    assert alarms.value <= 0.05
    assert undecided <= 0.10


@pytest.mark.parametrize("name", POSITIVE)
def test_everyday_people_raise_hardly_an_alarm(name: str, shared: Path) -> None:
    """None of these 46 was fitted on; one alarm among them is what a rate of 2 % makes likely."""
    people = everyday_people(shared / EVERYDAY_FILE).keypoints
    verdicts = [one.occurred for one in judge_persons(people, default_actions()[name])]
    assert verdicts.count(True) <= 1
    assert verdicts.count(None) <= 0.10 * len(verdicts)


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("part", PARTS)
def test_one_hidden_part_leaves_nearly_everybody_decided(name: str, part: str, sample: NDArray[np.float64]) -> None:
    hidden = sample.copy()
    hidden[:, list(PARTS[part])] = 0
    enough = (hidden[:, list(BODY), 2] > 0).sum(axis=1) >= ENOUGH_JOINTS
    verdicts = [one.occurred for one in judge_persons(hidden[enough], default_actions()[name])]
    assert verdicts.count(None) <= 0.10 * len(verdicts)
    assert verdicts.count(True) <= 0.10 * len(verdicts)


@pytest.mark.parametrize("name", POSITIVE)
def test_joints_hidden_at_random_leave_nearly_everybody_decided(name: str, sample: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(5)
    hidden = sample.copy()
    for person in hidden:
        found = [joint for joint in BODY if person[joint, 2] > 0]
        person[rng.permutation(found)[: max(0, len(found) - rng.integers(ENOUGH_JOINTS, 13))]] = 0
    verdicts = judge_persons(hidden, default_actions()[name])
    undecided = [one for one in verdicts if one.occurred is None]
    assert len(undecided) <= 0.10 * len(verdicts)
    assert all("missing: " in one.text for one in undecided)
