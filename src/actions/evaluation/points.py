"""Fits the points of a card: logistic regression on the ranges, or interpolated points, of the signs' values.

All points are fitted at once, at the declared bounds or values. A sign that was not seen adds nothing, so the fit
learns what the seen ones say without it. The points are shrunk towards none (ridge) and rounded to the largest that the
card had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from src.actions.action import Action
from src.actions.combination import Node, PointsAtLeast
from src.actions.evaluation.scoring import Confusion
from src.actions.evaluation.tuning import Column, Setting, Table, add_up, fold_numbers

SHRINKAGE = (1.0, 10.0, 100.0)  # ridge penalties to try, from trusting the data to trusting nothing
MOST_STEPS = 30
SUMS_TRIED = 80


def is_card(action: Action) -> bool:
    """Whether the action is one points card and nothing else; only such a one is fitted."""
    return isinstance(action.occurs_when, PointsAtLeast)


@dataclass(frozen=True)
class TunedCard:
    """A card with the points and the sum that did best, and what to expect of it on pictures that were not fitted.

    `shrinkage`: of the fit; None where the declared points did better than any fit.
    """

    action: Action
    expected: Confusion
    shrinkage: float | None


def tune_card(table: Table, beta: float, folds: int) -> TunedCard:
    """Fit points with each shrinkage, or keep the declared ones, and set the sum: whichever does best across folds."""
    fold_of = fold_numbers(table, folds)
    tried = {}
    for shrinkage in (None, *SHRINKAGE):
        parts = []
        for fold in range(folds):
            tuned = _fitted(table, fold_of != fold, shrinkage, beta)
            parts.append(repointed(table, tuned).confusion(((), counted(tuned)), fold_of == fold))
        tried[shrinkage] = add_up(parts)
    best = max(tried, key=lambda shrinkage: tried[shrinkage].f_beta(beta))
    everything = np.ones(len(table.positive), dtype=bool)
    return TunedCard(_fitted(table, everything, best, beta), tried[best], best)


def _fitted(table: Table, chosen: NDArray[np.bool_], shrinkage: float | None, beta: float) -> Action:
    """The card fitted on the chosen pictures, with the sum that does best on them."""
    action = table.action if shrinkage is None else fit_points(table, chosen, shrinkage)
    node = action.occurs_when
    assert isinstance(node, PointsAtLeast)
    changed = repointed(table, action)
    best = max(_sums(action), key=lambda needed: changed.confusion(((), (needed,)), chosen).f_beta(beta))
    return replace(action, occurs_when=replace(node, needed=best))


def counted(action: Action) -> tuple[float]:
    """The sum that a card needs, as the counts of a setting."""
    assert isinstance(action.occurs_when, PointsAtLeast)
    return (action.occurs_when.needed,)


def sum_curve(table: Table, action: Action) -> list[tuple[Setting, Confusion]]:
    """What each sum that a card could need comes to on all pictures, by falling recall."""
    changed = repointed(table, action)
    return [(((), (needed,)), changed.confusion(((), (needed,)))) for needed in _sums(action)]


def _sums(action: Action) -> list[float]:
    assert isinstance(action.occurs_when, PointsAtLeast)
    return sorted({float(needed) for needed in np.linspace(1, sum(action.occurs_when.most), SUMS_TRIED).round()})


def repointed(table: Table, action: Action) -> Table:
    """The table with an action's points in place of the measured ones; nothing is measured again."""
    by_label = {column.declared.label: column for column in table.columns}
    columns = []
    for one in action.criteria:
        column = by_label[one.label]
        assert one.scale is not None
        shares = _shares(column)
        points = np.where(shares.any(axis=1), (shares @ np.array(one.scale.points)).round(1), np.nan)
        columns.append(replace(column, declared=one, fixed=points))
    return replace(table, action=action, columns=tuple(columns))


def fit_points(table: Table, chosen: NDArray[np.bool_], shrinkage: float) -> Action:
    """The action with points fitted on the chosen pictures, rounded to integers.

    A picture counts by its person with the most declared points.
    """
    rows = _deciding_persons(table, chosen)
    design, truth = _ranges(table)[rows], table.positive[table.owner[rows]].astype(float)
    weights = _ridge(design, truth, shrinkage)[1:]
    largest = max(max(map(abs, column.declared.scale.points)) for column in table.columns if column.declared.scale)
    points = np.rint(weights * largest / max(float(np.abs(weights).max()), 1e-9))
    return _with_points(table.action, points)


def _deciding_persons(table: Table, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    totals = np.sum([np.nan_to_num(column.verdicts(0.0)) for column in table.columns], axis=0)
    best: dict[int, int] = {}
    for row in np.flatnonzero(chosen[table.owner]):
        owner = int(table.owner[row])
        if owner not in best or totals[row] > totals[best[owner]]:
            best[owner] = int(row)
    return np.array(sorted(best.values()), dtype=np.int64)


def _ranges(table: Table) -> NDArray[np.float64]:
    """(persons, points of all signs): what each of a sign's points counts for a person; 0 where it was not seen."""
    return np.concatenate([_shares(column) for column in table.columns], axis=1)


def _shares(column: Column) -> NDArray[np.float64]:
    """(persons, points): 1 for the range in which the value lies; between two interpolated points what each counts."""
    scale = column.declared.scale
    assert scale is not None  # a card has nothing else
    unseen = np.isnan(column.value)
    if scale.is_linear:
        value = np.clip(np.where(unseen, scale.bounds[0], column.value), scale.bounds[0], scale.bounds[-1])
        shares = np.array([np.interp(value, scale.bounds, unit) for unit in np.eye(len(scale.bounds))]).T
    else:
        number = np.searchsorted(scale.bounds, column.value, side="right")
        shares = (number[:, None] == np.arange(len(scale.points))).astype(np.float64)
    shares[unseen] = 0
    return shares


def _ridge(design: NDArray[np.float64], truth: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Intercept and weights of a ridge logistic regression, by Newton's steps."""
    full = np.column_stack([np.ones(len(design)), design])
    penalty = np.full(full.shape[1], shrinkage)
    penalty[0] = 1e-6
    weights = np.zeros(full.shape[1])
    for _ in range(MOST_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(full @ weights, -30, 30)))
        slope = full.T @ (truth - likely) - penalty * weights
        curvature = (full * (likely * (1 - likely))[:, None]).T @ full + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _with_points(action: Action, points: NDArray[np.float64]) -> Action:
    criteria, start = [], 0
    for one in action.criteria:
        assert one.scale is not None
        count = len(one.scale.points)
        scale = replace(one.scale, points=tuple(float(value) for value in points[start : start + count]))
        criteria.append(replace(one, scale=scale))
        start += count
    kept = tuple(one for one in criteria if one.scale is not None and any(one.scale.points))
    scales = [one.scale for one in kept if one.scale is not None]
    node = action.occurs_when
    assert isinstance(node, PointsAtLeast)
    card: Node = PointsAtLeast(
        needed=max(1.0, sum(scale.most for scale in scales) / 2),
        evidence=node.evidence,
        labels=tuple(one.label for one in kept),
        spans=tuple(scale.span for scale in scales),
        most=tuple(scale.most for scale in scales),
    )
    return replace(action, criteria=kept, occurs_when=card)
