"""Single criteria measured on one person."""

from __future__ import annotations

import math

from src.actions.action import DeclaredCriterion, Threshold
from src.actions.criteria import Criterion
from src.actions.measurement import Measurement
from src.actions.measures.persons import persons_of
from src.actions.measures.pose import Pose
from src.actions.measures.readings import Reading, Readings
from src.actions.measuring import Measures


def measured(pose: Pose, criterion: Criterion, threshold: Threshold, sides: str) -> Measurement:
    """What decides on a person of which every joint counts."""
    return Measures([DeclaredCriterion("x", criterion, threshold, sides, 0.0, 1.0)]).on([pose])[0][0]


def readings(pose: Pose, criterion: Criterion) -> list[Reading]:
    """All that a criterion looks at, in pixels or degrees."""
    persons = persons_of([pose])
    if callable(criterion.read):
        chosen = criterion.read(persons)
        named = [(value, one) for value, one in zip(chosen.values[0].tolist(), chosen.joints(0)) if one]
        return [Reading(None if math.isnan(value) else value, one) for value, one in named]
    taken = Readings([criterion.kind] * len(criterion.read), criterion.read).take(persons.places, persons.torso_px)
    joints = [tuple(joint for spot in spots for joint in pose.resting_on(spot)) for spots in criterion.read]
    return [Reading(None if math.isnan(value) else value, one) for value, one in zip(taken[0].tolist(), joints)]
