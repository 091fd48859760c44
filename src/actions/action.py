"""What an action is once its declaration was read: criteria with thresholds, and how they combine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from src.actions.combination import AllOf, AtLeast, Leaf, Node, Not, Unless
from src.actions.criteria import Criterion

Threshold = Union[float, tuple[float, float]]  # one bound in the criterion's own direction, or an open range

#: Which of a criterion's pairs or sides must hold: one of them, each, or each of those that were found.
ANY_SIDE, EACH_SIDE, FOUND_SIDES = "any", "each", "found"
SIDES = (ANY_SIDE, EACH_SIDE, FOUND_SIDES)


@dataclass(frozen=True)
class DeclaredCriterion:
    """A criterion as an action uses it.

    `threshold`: in the criterion's unit. `sides`: see SIDES.
    `min_confidence`: joints below it count as not found. `weight`: what it adds under `at_least`.
    """

    label: str
    criterion: Criterion
    threshold: Threshold
    sides: str
    min_confidence: float
    weight: float


@dataclass(frozen=True)
class Action:
    """A named action: when it occurs, and the words for it."""

    name: str
    display: Mapping[str, str] = field(hash=False)  # language -> name shown in pictures and reports
    description: str
    criteria: tuple[DeclaredCriterion, ...]
    occurs_when: Node

    def display_name(self, language: str = "en") -> str:
        """The action's name in a language, in any other that was given, or its plain name."""
        return self.display.get(language) or next(iter(self.display.values()), self.name)


def declaration_of(action: Action) -> dict[str, Any]:
    """The declaration that load_actions would read as this very action, in plain YAML values."""
    return {
        "display": dict(action.display),
        "description": action.description,
        "criteria": {one.label: _criterion_declaration(one) for one in action.criteria},
        "occurs_when": _node_declaration(action.occurs_when),
    }


def _criterion_declaration(one: DeclaredCriterion) -> dict[str, Any]:
    plain: dict[str, Any] = {} if one.label == one.criterion.name else {"criterion": one.criterion.name}
    plain["threshold"] = list(one.threshold) if isinstance(one.threshold, tuple) else one.threshold
    plain["sides"] = one.sides
    plain["min_confidence"] = one.min_confidence
    if one.weight != 1:
        plain["weight"] = one.weight
    return plain


def _node_declaration(node: Node) -> Any:
    if isinstance(node, Leaf):
        return node.label
    if isinstance(node, Not):
        return {"not": _node_declaration(node.part)}
    if isinstance(node, Unless):
        return {"unless": _node_declaration(node.part)}
    parts = [_node_declaration(part) for part in node.parts]
    if isinstance(node, AtLeast):
        return {"at_least": int(node.count) if node.count == int(node.count) else node.count, "of": parts}
    return {"all" if isinstance(node, AllOf) else "any": parts}


def hint_text(actions: Mapping[str, Action]) -> str:
    """The names to choose from with their meaning, for --help and the console's grey hint."""
    return "; ".join(f"{name} ({' '.join(action.display.values()) or name})" for name, action in actions.items())
