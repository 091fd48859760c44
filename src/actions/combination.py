"""How criteria combine, nested: all, any, not, unless, at_least, points_at_least, if; what is not seen is left open.

Every node answers with a pair (certain, possible): whether it holds whatever the criteria that could not be judged
would have said, and whether it could hold. They differ exactly when the verdict is undecided. `points_at_least` decides
on what is seen, provided that it is enough. The pair is of bools for one person, or of boolean arrays for many persons
at once (tuning).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_, or_
from typing import NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

HOLDS, FAILS, UNJUDGED = 1, 0, -1

#: label -> 1, 0 or -1; for a sign with a scale its points, NaN where it was not seen. Or an array of these.
Verdict = Union[float, NDArray[np.float64], NDArray[np.int8]]
Verdicts = Mapping[str, Verdict]
Flag = Union[bool, NDArray[np.bool_]]
Answer = tuple[Flag, Flag]
Sum = Union[float, NDArray[np.float64]]


@dataclass(frozen=True)
class Leaf:
    """One criterion, by its label in the declaration."""

    label: str

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        return verdicts[self.label] == HOLDS, verdicts[self.label] != FAILS


@dataclass(frozen=True)
class Not:
    """Holds when its part does not."""

    part: Node

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        certain, possible = self.part.answer(verdicts)
        return possible ^ True, certain ^ True


@dataclass(frozen=True)
class Unless:
    """Holds unless its part is seen to hold: what cannot be judged is no objection."""

    part: Node

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        certain, _ = self.part.answer(verdicts)
        return certain ^ True, certain ^ True


@dataclass(frozen=True)
class AllOf:
    """Holds when each of its parts does."""

    parts: tuple[Node, ...]

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        certain, possible = zip(*(part.answer(verdicts) for part in self.parts))
        return reduce(and_, certain), reduce(and_, possible)


@dataclass(frozen=True)
class AnyOf:
    """Holds when one of its parts does."""

    parts: tuple[Node, ...]

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        certain, possible = zip(*(part.answer(verdicts) for part in self.parts))
        return reduce(or_, certain), reduce(or_, possible)


@dataclass(frozen=True)
class AtLeast:
    """Holds when the weights of those parts that hold add up to `count`."""

    count: float
    parts: tuple[Node, ...]
    weights: tuple[float, ...]

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts."""
        certain, possible = zip(*(part.answer(verdicts) for part in self.parts))
        return self._reached(certain), self._reached(possible)

    def _reached(self, held: tuple[Flag, ...]) -> Flag:
        total = sum(weight * one for weight, one in zip(self.weights, held))
        return total >= self.count - 1e-9  # sums of decimal weights such as 0.1 + 0.2


@dataclass(frozen=True)
class PointsAtLeast:
    """Holds when the points of the signs that were seen add up to `needed`.

    `spans`: how much each sign has to say; where those that were seen have less than the share `evidence` of all, the
    verdict is left open unless the others could not reach `needed` anyway. `most`: what each sign can add.
    """

    needed: float
    evidence: float
    labels: tuple[str, ...]
    spans: tuple[float, ...]
    most: tuple[float, ...]

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given points."""
        total, seen, unseen = self.sums(verdicts)
        enough = seen >= self.evidence - 1e-9
        reached = total >= self.needed - 1e-9
        return enough & reached, reached | (enough ^ True) & (total + unseen >= self.needed - 1e-9)

    def sums(self, verdicts: Verdicts) -> tuple[Sum, Sum, Sum]:
        """Points so far, share of the evidence that was seen, and what the signs that were not seen could add."""
        points = np.array([verdicts[label] for label in self.labels], dtype=np.float64)
        missing = np.isnan(points)
        spans, most = self._weights
        return np.where(missing, 0.0, points).sum(axis=0), spans @ ~missing / spans.sum(), most @ missing

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.spans), np.array(self.most)


@dataclass(frozen=True)
class IfElse:
    """One combination for the persons for whom `condition` holds, another for the others."""

    condition: Node
    then: Node
    otherwise: Node

    def answer(self, verdicts: Verdicts) -> Answer:
        """(certain, possible) for the given verdicts; a side that nobody takes is not asked."""
        sides = self.sides(verdicts)
        if len(sides) == 1:
            return sides[0].answer(verdicts)
        applies, may_apply = self.condition.answer(verdicts)
        (certain, possible), (else_certain, else_possible) = (side.answer(verdicts) for side in sides)
        fails = may_apply ^ True
        return (
            applies & certain | fails & else_certain | certain & else_certain,
            may_apply & possible | (applies ^ True) & else_possible,
        )

    def sides(self, verdicts: Verdicts) -> tuple[Node, ...]:
        """The side that is taken; both where the condition cannot be judged, or differs between many persons."""
        applies, may_apply = self.condition.answer(verdicts)
        if np.all(applies):
            return (self.then,)
        return (self.then, self.otherwise) if np.any(may_apply) else (self.otherwise,)


Node = Union[Leaf, Not, Unless, AllOf, AnyOf, AtLeast, PointsAtLeast, IfElse]


def asked_labels(node: Node, verdicts: Verdicts) -> list[str]:
    """The labels that decide for one person: of an outermost `if` those of its condition and of the side taken."""
    if not isinstance(node, IfElse):
        return list(labels_of(node))
    sides = node.sides(verdicts)
    return [*labels_of(node.condition), *(label for side in sides for label in asked_labels(side, verdicts))]


def decide(node: Node, verdicts: Verdicts) -> bool | None:
    """True or False for one person, None when what could not be judged might have turned it."""
    certain, possible = node.answer(verdicts)
    return True if certain else (None if possible else False)


def decide_each(node: Node, verdicts: Verdicts) -> list[bool | None]:
    """The same for each of many persons."""
    certain, possible = (np.asarray(one).tolist() for one in node.answer(verdicts))
    return [True if sure else (None if may else False) for sure, may in zip(certain, possible)]


class Tally(NamedTuple):
    """How the parts of the outermost combination stand: weights of those that hold, that are open, of all; needed."""

    held: float
    open: float
    total: float
    needed: float


def parts_of(node: Node) -> tuple[Node, ...]:
    """The parts of a combination; one without parts is its own only one."""
    return node.parts if isinstance(node, (AllOf, AnyOf, AtLeast)) else (node,)


def tally(node: Node, verdicts: Verdicts) -> Tally:
    """The standing of one person."""
    parts = parts_of(node)
    weights = node.weights if isinstance(node, AtLeast) else (1.0,) * len(parts)
    answers = [part.answer(verdicts) for part in parts]
    held = sum(weight for weight, (certain, _) in zip(weights, answers) if certain)
    possible = sum(weight for weight, (_, possible) in zip(weights, answers) if possible)
    needed = node.count if isinstance(node, AtLeast) else 1.0 if isinstance(node, AnyOf) else sum(weights)
    return Tally(held, possible - held, sum(weights), needed)


def nodes_below(node: Node) -> tuple[Node, ...]:
    """The combinations and criteria directly below a combination, in their order."""
    if isinstance(node, (Not, Unless)):
        return (node.part,)
    if isinstance(node, IfElse):
        return node.condition, node.then, node.otherwise
    return node.parts if isinstance(node, (AllOf, AnyOf, AtLeast)) else ()


def point_nodes(node: Node) -> Iterator[PointsAtLeast]:
    """All points_at_least nodes of a combination."""
    if isinstance(node, PointsAtLeast):
        yield node
    else:
        for part in nodes_below(node):
            yield from point_nodes(part)


def labels_of(node: Node) -> Iterator[str]:
    """The labels of all criteria that a combination asks, repeated ones included."""
    return (label for label, _ in _asked(node))


def objections(node: Node) -> set[str]:
    """The labels of the criteria that speak against the action wherever it asks them."""
    asked = set(_asked(node))
    return {label for label, against in asked if against and (label, False) not in asked}


def _asked(node: Node, against: bool = False) -> Iterator[tuple[str, bool]]:
    """Each label, and whether the combination rather fails when its criterion holds."""
    if isinstance(node, Leaf):
        yield node.label, against
    elif isinstance(node, PointsAtLeast):
        yield from ((label, against) for label in node.labels)
    elif isinstance(node, (Not, Unless)):
        yield from _asked(node.part, not against)
    else:
        for part in nodes_below(node):
            yield from _asked(part, against)
