"""The side of an `if` that most labelled persons take: only that side is tuned; the other is kept as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.actions.action import Action
from src.actions.combination import IfElse, Node, labels_of
from src.actions.evaluation.labelled import Picture
from src.actions.judge import sides_taken


@dataclass(frozen=True)
class Side:
    """The side of `whole` that most persons take, as an action of its own.

    `pictures`: with the persons that take it only. `taken`, `persons`: how many of how many do.
    """

    whole: Action
    action: Action
    pictures: list[Picture]
    taken: int
    persons: int

    def put_back(self, tuned: Action) -> Action:
        """The whole action with this side as it was tuned."""
        node = self.whole.occurs_when
        if not isinstance(node, IfElse):
            return tuned
        is_then = self.action.occurs_when is node.then
        changed = replace(node, **{"then" if is_then else "otherwise": tuned.occurs_when})
        known = {one.label: one for one in (*self.whole.criteria, *tuned.criteria)}
        labels = dict.fromkeys(labels_of(changed))
        return replace(self.whole, occurs_when=changed, criteria=tuple(known[label] for label in labels))

    def __str__(self) -> str:
        if not isinstance(self.whole.occurs_when, IfElse):
            return ""
        word = "then" if self.action.occurs_when is self.whole.occurs_when.then else "else"
        return f"tuned: the side '{word}' of the rule, which {self.taken} of {self.persons} persons take"


def busiest_side(action: Action, pictures: Sequence[Picture]) -> Side:
    """The side of a rule with `if` that most of the persons take; of another rule all of it."""
    node = action.occurs_when
    persons = sum(len(picture.persons) for picture in pictures)
    if not isinstance(node, IfElse):
        return Side(action, action, list(pictures), persons, persons)
    of_sides = [_restricted(action, side, pictures) for side in (node.then, node.otherwise)]
    counts = [sum(len(picture.persons) for picture in chosen) for chosen in of_sides]
    number = int(counts[1] > counts[0])
    side = (node.then, node.otherwise)[number]
    labels = set(labels_of(side))
    own = replace(action, occurs_when=side, criteria=tuple(one for one in action.criteria if one.label in labels))
    return Side(action, own, of_sides[number], counts[number], persons)


def _restricted(action: Action, side: Node, pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures without the persons that do not take this side."""
    chosen = []
    for picture in pictures:
        taken = sides_taken(picture.persons, action, picture.scene)
        persons = (person for person, sides in zip(picture.persons, taken) if any(side is one for one in sides))
        chosen.append(replace(picture, persons=tuple(persons)))
    return chosen
