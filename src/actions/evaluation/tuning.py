"""Looks for better thresholds and counts of an action on labelled results, without running the network again.

Every criterion is measured once on every person; trying a threshold is then a comparison of arrays. Each threshold is
improved together with the counts (and the sums of points cards) until nothing gains, to maximise F-beta. The points
themselves are fitted in `points`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Union

import numpy as np
from numpy.typing import NDArray

from src.actions.action import EACH_SIDE, Action, DeclaredCriterion
from src.actions.combination import (
    FAILS,
    HOLDS,
    UNJUDGED,
    AtLeast,
    IfElse,
    Leaf,
    Node,
    Not,
    PointsAtLeast,
    Unless,
    nodes_below,
)
from src.actions.declared_criteria import THRESHOLD_LIMITS
from src.actions.evaluation.labelled import Picture
from src.actions.evaluation.scoring import Confusion
from src.actions.measures.pose import Pose, as_pose, trusting
from src.actions.measuring import Measures

CANDIDATES = 40  # thresholds tried for a criterion in a round
MOST_ROUNDS = 5
SMALLEST_GAIN = 1e-6
STEPS = {"torso": 0.05, "deg": 1.0, "": 0.05}  # between thresholds, by unit

#: Thresholds of the swept criteria, and counts of the at_least nodes and sums of the points_at_least nodes.
Fixed = Union[NDArray[np.float64], NDArray[np.int8]]
Setting = tuple[tuple[float, ...], tuple[float, ...]]
Counting = Union[AtLeast, PointsAtLeast]


@dataclass(frozen=True)
class Column:
    """One criterion measured on all persons.

    `value`: in its unit, NaN where it cannot be judged. `is_partial`: a side that `each` asks for was not found.
    `is_sign_only`: no limb told the body's size, so that only the threshold 0 can be applied.
    """

    declared: DeclaredCriterion
    value: NDArray[np.float64]
    is_partial: NDArray[np.bool_]
    is_sign_only: NDArray[np.bool_]
    fixed: Fixed | None = None  # the verdicts of a range or the points of a scale, which are not swept

    def verdicts(self, threshold: float) -> Fixed:
        """1, 0 or -1 for every person; the points of a sign with a scale."""
        if self.fixed is not None:
            return self.fixed
        relation = self.declared.criterion.relation
        beyond = self.value < threshold if relation == "<" else self.value > threshold
        reached = self.value == threshold if relation == ">=" else False
        verdict = np.where(beyond | reached, HOLDS, FAILS)
        verdict = np.where(self.is_partial & (verdict == HOLDS), UNJUDGED, verdict)
        unknown = np.isnan(self.value) | (self.is_sign_only if threshold != 0 else False)
        return np.where(unknown, UNJUDGED, verdict).astype(np.int8)


@dataclass(frozen=True)
class Table:
    """An action's criteria measured on all persons of labelled pictures; `owner` is the picture of each person."""

    action: Action
    columns: tuple[Column, ...]
    owner: NDArray[np.int64]
    positive: NDArray[np.bool_]
    groups: tuple[str, ...] = ()  # of each picture; empty: every picture is a group of its own

    def alarms(self, setting: Setting) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each picture raises an alarm (in one of its persons the action certainly occurs), or is undecided."""
        thresholds, counts = setting
        swept = iter(thresholds)
        verdicts = {
            column.declared.label: column.verdicts(next(swept) if column.fixed is None else 0.0)
            for column in self.columns
        }
        certain, possible = with_counts(self.action.occurs_when, iter(counts)).answer(verdicts)
        alarm, open_ = np.zeros((2, len(self.positive)), dtype=bool)
        alarm[self.owner[np.asarray(certain, dtype=bool)]] = True
        open_[self.owner[np.asarray(possible, dtype=bool)]] = True
        return alarm, open_ & ~alarm

    def confusion(self, setting: Setting, pictures: NDArray[np.bool_] | None = None) -> Confusion:
        """The counts of a setting on all pictures, or on the chosen ones."""
        chosen = np.ones(len(self.positive), dtype=bool) if pictures is None else pictures
        alarm, undecided = (verdict[chosen] for verdict in self.alarms(setting))
        positive = self.positive[chosen]
        return Confusion(
            true_yes=int((alarm & positive).sum()),
            false_yes=int((alarm & ~positive).sum()),
            missed=int((~alarm & positive).sum()),
            true_no=int((~alarm & ~positive).sum()),
            undecided_positive=int((undecided & positive).sum()),
            undecided_negative=int((undecided & ~positive).sum()),
        )

    def declared_setting(self) -> Setting:
        """The thresholds and counts of the declaration."""
        thresholds = tuple(_single(column) for column in self.columns if column.fixed is None)
        return thresholds, tuple(map(_count_of, counting_nodes(self.action.occurs_when)))

    def declare(self, setting: Setting) -> Action:
        """The action with a setting's thresholds and counts."""
        thresholds, counts = setting
        swept = iter(thresholds)
        criteria = tuple(
            replace(column.declared, threshold=next(swept)) if column.fixed is None else column.declared
            for column in self.columns
        )
        return replace(self.action, criteria=criteria, occurs_when=with_counts(self.action.occurs_when, iter(counts)))


def measure_all(action: Action, pictures: Sequence[Picture]) -> Table:
    """Measure every criterion of an action on every person."""
    persons = [as_pose(keypoints, picture.scene) for picture in pictures for keypoints in picture.persons]
    owner = [number for number, picture in enumerate(pictures) for _ in picture.persons]
    return Table(
        action=action,
        columns=tuple(_measure_column(declared, persons) for declared in action.criteria),
        owner=np.array(owner, dtype=np.int64),
        positive=np.array([picture.positive for picture in pictures], dtype=bool),
        groups=tuple(picture.group for picture in pictures),
    )


def tune(table: Table, beta: float = 1.0, pictures: NDArray[np.bool_] | None = None) -> tuple[Setting, list[Setting]]:
    """The setting with the best F-beta on the chosen pictures, and all settings tried on the way.

    Starts from the declared one, so it is never worse there. Equal scores keep the earlier setting.
    """
    best = table.declared_setting()
    score = table.confusion(best, pictures).f_beta(beta)
    tried = [best]
    for _ in range(MOST_ROUNDS):
        before = score
        for place, values in enumerate(_candidates(table)):
            for value in values:
                for setting in _together(_with_value(best, place, value), place, len(best[0])):
                    tried.append(setting)
                    gained = table.confusion(setting, pictures).f_beta(beta)
                    if gained > score + SMALLEST_GAIN:
                        best, score = setting, gained
        if score <= before + SMALLEST_GAIN:
            break
    return best, tried


def _together(setting: Setting, place: int, thresholds: int) -> Iterator[Setting]:
    """A changed threshold alone, and with one count changed by one: what a threshold lets in, a count may keep out."""
    yield setting
    if place < thresholds:
        for number, count in enumerate(setting[1]):
            for other in (count - 1, count + 1):
                if other >= 1:
                    yield _with_value(setting, thresholds + number, other)


def cross_validate(table: Table, folds: int, beta: float = 1.0) -> Confusion:
    """Tune on all folds but one and count on that one, in turn: what to expect on pictures that were not seen."""
    fold_of = fold_numbers(table, folds)
    parts = [table.confusion(tune(table, beta, fold_of != fold)[0], fold_of == fold) for fold in range(folds)]
    return add_up(parts)


def add_up(parts: Sequence[Confusion]) -> Confusion:
    """The counts of several parts together."""
    return Confusion(**{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(Confusion)})


def best_curve(table: Table, settings: Iterable[Setting]) -> list[tuple[Setting, Confusion]]:
    """The settings that no other beats in both precision and recall, by falling recall."""
    scored = {setting: table.confusion(setting) for setting in dict.fromkeys(settings)}
    useful = [(setting, one) for setting, one in scored.items() if one.true_yes]
    useful.sort(key=lambda pair: (-pair[1].true_yes, pair[1].false_yes))
    curve: list[tuple[Setting, Confusion]] = []
    for setting, one in useful:
        if not curve or one.precision.value > curve[-1][1].precision.value:
            curve.append((setting, one))
    return curve


def counting_nodes(node: Node) -> Iterator[Counting]:
    """All at_least and points_at_least nodes of a combination, outer ones first."""
    if isinstance(node, (AtLeast, PointsAtLeast)):
        yield node
    for part in nodes_below(node):
        yield from counting_nodes(part)


def with_counts(node: Node, counts: Iterator[float]) -> Node:
    """The combination with the counts and sums of its nodes replaced, in the order of `counting_nodes`."""
    if isinstance(node, Leaf):
        return node
    if isinstance(node, PointsAtLeast):
        return replace(node, needed=next(counts))
    if isinstance(node, (Not, Unless)):
        return replace(node, part=with_counts(node.part, counts))
    if isinstance(node, IfElse):
        return IfElse(*(with_counts(part, counts) for part in nodes_below(node)))
    if isinstance(node, AtLeast):
        count = next(counts)
        return replace(node, count=count, parts=tuple(with_counts(part, counts) for part in node.parts))
    return replace(node, parts=tuple(with_counts(part, counts) for part in node.parts))


def _count_of(node: Counting) -> float:
    return node.needed if isinstance(node, PointsAtLeast) else node.count


def _measure_column(declared: DeclaredCriterion, persons: Sequence[Pose]) -> Column:
    measured = Measures([declared]).on(trusting(persons, declared.min_confidence))
    fixed: Fixed | None = None
    if declared.scale is not None:
        fixed = measured.points[:, 0]
    elif isinstance(declared.threshold, tuple):
        fixed = measured.verdict[:, 0]
    decisive = measured.decisive
    is_partial = decisive.is_partial[:, 0] & (declared.sides == EACH_SIDE)
    return Column(declared, decisive.value[:, 0], is_partial, decisive.is_sign_only[:, 0], fixed)


def _single(column: Column) -> float:
    threshold = column.declared.threshold
    assert not isinstance(threshold, tuple)  # ranges are fixed columns
    return threshold


def _candidates(table: Table) -> list[list[float]]:
    """The values to try: for each swept threshold, then for each count."""
    thresholds = [_thresholds_of(column) for column in table.columns if column.fixed is None]
    counts = [_counts_of(node) for node in counting_nodes(table.action.occurs_when)]
    return thresholds + counts


def _thresholds_of(column: Column) -> list[float]:
    """Rounded values spread over what was measured, inside the limits of a declaration."""
    kind = column.declared.criterion.kind
    measured = column.value[~np.isnan(column.value) & ~column.is_sign_only]
    if not len(measured):
        return []
    step = STEPS[kind.unit]
    spread = np.quantile(measured, np.linspace(0.01, 0.99, CANDIDATES))
    low, high = THRESHOLD_LIMITS[kind]
    rounded = np.unique(np.round(np.clip(spread, low, high) / step))
    return [round(float(steps) * step, 4) for steps in rounded]


def _counts_of(node: Counting) -> list[float]:
    if isinstance(node, PointsAtLeast):
        return [float(needed) for needed in range(1, int(sum(node.most)) + 1)]
    return [float(count) for count in range(1, int(sum(node.weights)) + 1)]


def _with_value(setting: Setting, place: int, value: float) -> Setting:
    thresholds, counts = setting
    if place < len(thresholds):
        return (*thresholds[:place], value, *thresholds[place + 1 :]), counts
    place -= len(thresholds)
    return thresholds, (*counts[:place], value, *counts[place + 1 :])


def fold_numbers(table: Table, folds: int) -> NDArray[np.int64]:
    """A fold for each picture: groups are never split, shuffled with a fixed seed, positives spread evenly."""
    names = [group or f"picture {number}" for number, group in enumerate(table.groups or [""] * len(table.positive))]
    numbers = np.unique(names, return_inverse=True)[1]
    positive = np.bincount(numbers, table.positive) > 0
    fold_of = np.zeros(len(positive), dtype=np.int64)
    for label in (True, False):
        members = np.random.default_rng(0).permutation(np.flatnonzero(positive == label))
        fold_of[members] = np.arange(len(members)) % folds
    chosen: NDArray[np.int64] = fold_of[numbers]
    return chosen
