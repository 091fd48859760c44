"""From a criterion's readings to one verdict: which reading decides, in which unit, and whether it holds."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from src.actions.action import ANY_SIDE, EACH_SIDE, LARGEST, DeclaredCriterion, Threshold
from src.actions.combination import FAILS, HOLDS, UNJUDGED
from src.actions.criteria import Criterion
from src.actions.measures.pose import Pose
from src.actions.measures.readings import Reading
from src.pose.skeleton import JointType

#: The value of a reading that has one, as a sorting key: many times faster than a Python function.
VALUE_OF = itemgetter(0)


class Measurement(NamedTuple):
    """What decided: the value in `unit`, the same in pixels for lengths, and the joints it comes from.

    `value` is None when nothing could be measured; `joints` are then all that were wanted. `points`: of a sign with a
    scale, None where it was not seen; its verdict is then whether it gives any.
    """

    verdict: int
    value: float | None
    unit: str
    joints: tuple[JointType, ...]
    length_px: float | None = None
    points: float | None = None


def measure_declared(pose: Pose, declared: DeclaredCriterion) -> Measurement:
    """Apply a criterion as an action declares it, to a person without the joints that are too uncertain."""
    if declared.scale is None:
        return measure(pose, declared.criterion, declared.threshold, declared.sides)
    return _measure_points(pose, declared)


def measure(pose: Pose, criterion: Criterion, threshold: Threshold, sides: str) -> Measurement:
    """Apply a criterion to a person.

    With sides "any" the most favourable of the pairs that were found decides, otherwise the least favourable; with
    "each" a pair that was not found leaves it open unless another already fails.
    """
    readings = criterion.measure(pose)
    known = [reading for reading in readings if reading.value is not None]
    unit, scale = _unit(pose, criterion, threshold)
    if not known or scale is None:
        return _unjudged(readings, unit)
    choose = max if sides == ANY_SIDE else min
    decisive = choose(known, key=lambda reading: _margin(_value(reading) / scale, criterion, threshold))
    verdict = HOLDS if holds(_value(decisive) / scale, criterion, threshold) else FAILS
    if sides == EACH_SIDE and verdict == HOLDS and len(known) < len(readings):
        return _unjudged(readings, unit)
    length = _value(decisive) if criterion.kind.is_length else None
    return Measurement(verdict, _value(decisive) / scale, unit, decisive.joints, length)


def holds(value: float, criterion: Criterion, threshold: Threshold) -> bool:
    """Whether a measured value, in the criterion's unit, satisfies the threshold or lies inside the range."""
    margin = _margin(value, criterion, threshold)
    return margin >= 0 if criterion.relation == ">=" and not isinstance(threshold, tuple) else margin > 0


def _measure_points(pose: Pose, declared: DeclaredCriterion) -> Measurement:
    """The largest or smallest reading of those that were found, and the points of its range."""
    assert declared.scale is not None  # the caller's case
    readings = declared.criterion.measure(pose)
    known = [reading for reading in readings if reading.value is not None]
    kind = declared.criterion.kind
    scale = pose.torso_px if kind.is_length else 1.0
    if not known or scale is None:
        return _unjudged(readings, kind.unit)
    decisive = (max if declared.sides == LARGEST else min)(known, key=VALUE_OF) if len(known) > 1 else known[0]
    value = _value(decisive) / scale
    points = declared.scale.at(value)
    length = _value(decisive) if kind.is_length else None
    return Measurement(HOLDS if points > 0 else FAILS, value, kind.unit, decisive.joints, length, points)


def _margin(value: float, criterion: Criterion, threshold: Threshold) -> float:
    """How far the value is on the side where the criterion holds; negative where it does not."""
    if isinstance(threshold, tuple):
        return min(value - threshold[0], threshold[1] - value)
    return threshold - value if criterion.relation == "<" else value - threshold


def _unit(pose: Pose, criterion: Criterion, threshold: Threshold) -> tuple[str, float | None]:
    """The unit, and what raw readings are divided by to get it.

    A sign needs no size, so against the threshold 0 pixels will do where no limb tells the body's size.
    """
    if not criterion.kind.is_length:
        return criterion.kind.unit, 1.0
    if pose.torso_px is None and threshold == 0:
        return "px", 1.0
    return criterion.kind.unit, pose.torso_px


def _unjudged(readings: list[Reading], unit: str) -> Measurement:
    wanted = dict.fromkeys(joint for reading in readings for joint in reading.joints)
    return Measurement(UNJUDGED, None, unit, tuple(wanted))


def _value(reading: Reading) -> float:
    assert reading.value is not None  # only known readings come here
    return reading.value
