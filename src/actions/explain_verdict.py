"""How a person's verdict came about: the signs that hold, or the points that were given, and the evidence missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from src.actions.action import Action, DeclaredCriterion
from src.actions.combination import PointsAtLeast, Tally, point_nodes, tally
from src.actions.explain import Joints, count_points, joint_message
from src.translations import Message, say


class Result(Protocol):
    """What is asked of a criterion's result here."""

    @property
    def declared(self) -> DeclaredCriterion: ...

    @property
    def joints(self) -> Joints: ...

    @property
    def points(self) -> float | None: ...

    @property
    def answer(self) -> float: ...


def explain_verdict(action: Action, results: Mapping[str, Result]) -> Message:
    """Such as "14 points, 12 needed" or "6 of 11 signs hold, 3 cannot be judged; 8 needed"."""
    answers = {label: result.answer for label, result in results.items()}
    points = tuple(_explain_points(node, answers, results) for node in point_nodes(action.occurs_when))
    if isinstance(action.occurs_when, PointsAtLeast):
        return points[0]
    signs = _explain_tally(tally(action.occurs_when, answers))
    return say("verdict_parts", parts=(signs, *points)) if points else signs


def _explain_tally(standing: Tally) -> Message:
    held, total, needed = (f"{value:g}" for value in (standing.held, standing.total, standing.needed))
    if standing.open:
        return say("signs_hold_some_open", held=held, total=total, open=f"{standing.open:g}", needed=needed)
    return say("signs_hold", held=held, total=total, needed=needed)


def _explain_points(node: PointsAtLeast, answers: Mapping[str, float], results: Mapping[str, Result]) -> Message:
    total, seen, _ = node.sums(answers)
    given, needed = count_points(float(total), f"{total:g}"), f"{node.needed:g}"
    certain, possible = node.answer(answers)
    missing = _missing_joints([results[label] for label in node.labels if results[label].points is None])
    if certain != possible:
        shares = {"seen": f"{100 * seen:.0f}", "least": f"{100 * node.evidence:.0f}"}
        return say("points_undecided", points=given, needed=needed, joints=missing, **shares)
    if not missing:
        return say("points_given", points=given, needed=needed)
    return say("points_given_some_missing", points=given, needed=needed, joints=missing)


def _missing_joints(unseen: list[Result]) -> tuple[Message, ...]:
    """The joints that signs lacked, in the order of JointType."""
    lacking = {
        joint for result in unseen for joint, confidence in result.joints if confidence < _least_confidence(result)
    }
    return tuple(joint_message(joint) for joint in sorted(lacking))


def _least_confidence(result: Result) -> float:
    """Below this a joint counts as not found; one that was not found has the confidence 0."""
    return max(result.declared.min_confidence, 1e-9)
