"""How a person's verdict came about: the signs that hold, or the points that were given, and the evidence missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from src.actions.action import Action, DeclaredCriterion
from src.actions.combination import IfElse, PointsAtLeast, Tally, parts_of, point_nodes, tally
from src.actions.explain import Joints, count_points, joint_message
from src.translations import Message, say
from src.translations.messages import Argument


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
    """Such as "14 points; 12 needed" or "6 of 11 signs hold, 3 cannot be judged; 8 needed".

    A rule that combines sums of points with each other or with signs also lists each sum; one with `if` speaks of the
    side that was taken.
    """
    answers = {label: result.answer for label, result in results.items()}
    rule = action.occurs_when
    while isinstance(rule, IfElse):
        rule = rule.sides(answers)[-1]
    if isinstance(rule, PointsAtLeast):
        return _explain_points(rule, answers, results)
    nodes = tuple(point_nodes(rule))
    if not nodes:
        return _explain_tally("signs", tally(rule, answers))
    parts = parts_of(rule)
    head = _explain_tally("totals" if all(part in nodes for part in parts) else "conditions", tally(rule, answers))
    totals = tuple(_explain_points(node, answers, results, number) for number, node in enumerate(nodes, start=1))
    return say("verdict_with_totals", verdict=head, totals=totals)


def _explain_tally(what: str, standing: Tally) -> Message:
    held, total, needed = (f"{value:g}" for value in (standing.held, standing.total, standing.needed))
    if standing.open:
        return say(f"{what}_hold_some_open", held=held, total=total, open=f"{standing.open:g}", needed=needed)
    return say(f"{what}_hold", held=held, total=total, needed=needed)


def _explain_points(
    node: PointsAtLeast, answers: Mapping[str, float], results: Mapping[str, Result], number: int = 0
) -> Message:
    """A sum of points; with a number it is one of several: "total 2: 4 points (23 needed)"."""
    total, seen, _ = node.sums(answers)
    points = round(float(total), 6) + 0.0  # tenths that cancel out are 0, not 4e-15 or -0
    facts: dict[str, Argument] = {"points": count_points(points, f"{points:g}"), "needed": f"{node.needed:g}"}
    kind = "points"
    if number:
        kind, facts["number"] = "total", number
    certain, possible = node.answer(answers)
    missing = _missing_joints([results[label] for label in node.labels if results[label].points is None])
    if certain != possible:
        shares = {"seen": f"{100 * seen:.0f}", "least": f"{100 * node.evidence:.0f}"}
        return say(f"{kind}_undecided", joints=missing, **facts, **shares)
    if not missing:
        return say(f"{kind}_given", **facts)
    return say(f"{kind}_given_some_missing", joints=missing, **facts)


def _missing_joints(unseen: list[Result]) -> tuple[Message, ...]:
    """The joints that signs lacked, in the order of JointType."""
    lacking = {
        joint for result in unseen for joint, confidence in result.joints if confidence < _least_confidence(result)
    }
    return tuple(joint_message(joint) for joint in sorted(lacking))


def _least_confidence(result: Result) -> float:
    """Below this a joint counts as not found; one that was not found has the confidence 0."""
    return max(result.declared.min_confidence, 1e-9)
