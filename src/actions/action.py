"""What an action is once its declaration was read: criteria with thresholds, and how they combine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

from src.actions.combination import AllOf, AtLeast, IfElse, Leaf, Node, Not, PointsAtLeast, Unless
from src.actions.criteria import Criterion

Threshold = Union[float, tuple[float, float]]  # one bound in the criterion's own direction, or an open range

#: Which of a criterion's pairs or sides must hold: one of them, each, or each of those that were found.
ANY_SIDE, EACH_SIDE, FOUND_SIDES = "any", "each", "found"
SIDES = (ANY_SIDE, EACH_SIDE, FOUND_SIDES)

#: Which of a criterion's readings gives the points: the largest or the smallest value of those that were found.
LARGEST, SMALLEST = "largest", "smallest"
CHOICES = (LARGEST, SMALLEST)


@dataclass(frozen=True)
class PointScale:
    """Points for a measured value; what could not be measured gives none.

    `bounds`: ascending, in the criterion's unit. By range: `points` has one more than bounds, and a value at a bound
    belongs above it. `is_linear`: as many points as bounds, the points at these values; interpolated between them to a
    tenth of a point, constant beyond the first and the last.
    """

    bounds: tuple[float, ...]
    points: tuple[float, ...]
    is_linear: bool = False

    @property
    def most(self) -> float:
        """The most that the sign can add."""
        return max(0.0, *self.points)

    @property
    def span(self) -> float:
        """The distance between the best and the worst outcome: how much the sign has to say."""
        return self.most - min(0.0, *self.points)


@dataclass(frozen=True)
class DeclaredCriterion:
    """A criterion as an action uses it.

    `threshold`: in the criterion's unit. `sides`: see SIDES; with a `scale`, see CHOICES.
    `min_confidence`: joints below it count as not found. `weight`: what it adds under `at_least`.
    `scale`: the points it gives under `points_at_least`, instead of a threshold.
    """

    label: str
    criterion: Criterion
    threshold: Threshold
    sides: str
    min_confidence: float
    weight: float
    scale: PointScale | None = None


@dataclass(frozen=True)
class Action:
    """A named action: when it occurs, and the words for it."""

    name: str
    display: Mapping[str, str]  # language -> name shown in pictures and reports
    description: str
    criteria: tuple[DeclaredCriterion, ...]
    occurs_when: Node

    def __hash__(self) -> int:
        """The name's: a cheap key for what is prepared once for an action."""
        return hash(self.name)

    def display_name(self, language: str = "en") -> str:
        """The action's name in a language, in any other that was given, or its plain name."""
        return self.display.get(language) or next(iter(self.display.values()), self.name)


def declaration_of(action: Action) -> dict[str, object]:
    """The declaration that load_actions would read as this very action, in plain YAML values."""
    return {
        "display": dict(action.display),
        "description": action.description,
        "criteria": {one.label: _criterion_declaration(one) for one in action.criteria},
        "occurs_when": _node_declaration(action.occurs_when),
    }


def _criterion_declaration(one: DeclaredCriterion) -> dict[str, object]:
    plain: dict[str, object] = {} if one.label == one.criterion.name else {"criterion": one.criterion.name}
    if one.scale is not None:
        plain["at" if one.scale.is_linear else "bounds"] = _plain_numbers(one.scale.bounds)
        plain["points"] = _plain_numbers(one.scale.points)
    else:
        plain["threshold"] = list(one.threshold) if isinstance(one.threshold, tuple) else one.threshold
    plain["sides"] = one.sides
    plain["min_confidence"] = one.min_confidence
    if one.weight != 1:
        plain["weight"] = one.weight
    return plain


def _node_declaration(node: Node) -> object:
    if isinstance(node, Leaf):
        return node.label
    if isinstance(node, Not):
        return {"not": _node_declaration(node.part)}
    if isinstance(node, Unless):
        return {"unless": _node_declaration(node.part)}
    if isinstance(node, PointsAtLeast):
        return {"points_at_least": _plain_number(node.needed), "evidence": node.evidence, "of": list(node.labels)}
    if isinstance(node, IfElse):
        sides = {"then": _node_declaration(node.then), "else": _node_declaration(node.otherwise)}
        return {"if": _node_declaration(node.condition), **sides}
    parts = [_node_declaration(part) for part in node.parts]
    if isinstance(node, AtLeast):
        return {"at_least": _plain_number(node.count), "of": parts}
    return {"all" if isinstance(node, AllOf) else "any": parts}


def _plain_number(value: float) -> float:
    return int(value) if value == int(value) else value


def _plain_numbers(values: tuple[float, ...]) -> list[float]:
    return [_plain_number(value) for value in values]


def hint_text(actions: Mapping[str, Action]) -> str:
    """The names to choose from with their meaning, for --help and the console's grey hint."""
    return "; ".join(f"{name} ({' '.join(action.display.values()) or name})" for name, action in actions.items())
