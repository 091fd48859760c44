"""Finds better thresholds for an action: sweeps thresholds and required counts over labelled results.

The network is not run again. Says by cross-validation what to expect on pictures not seen; prints and plots the
precision/recall curve; and writes the declaration with the chosen thresholds, to replace the one under `actions:`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from src.actions import Action, declaration_of
from src.actions.evaluation.scoring import Confusion, report
from src.actions.evaluation.tuning import Setting, Table, best_curve, cross_validate, measure_all, tune
from src.errors import DataError
from src.tools.actions.labelled_results import action_parser, chosen_action, collect, run_tool, written_into

DECLARATION, PLOT = "actions.yaml", "precision_recall.png"
MOST_CURVE_LINES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = action_parser("tune_action", __doc__)
    parser.add_argument("--output", type=Path, default=Path("tuning"), help=f"folder for {DECLARATION} and {PLOT}")
    parser.add_argument("--folds", type=int, default=5, help="parts for cross-validation (default 5)")
    parser.add_argument("--beta", type=float, default=1.0, help="how many times as much recall weighs as precision")
    return run_tool(tune_action, parser, argv)


def tune_action(arguments: argparse.Namespace) -> str:
    """Tune, write declaration and plot, and return the lines to print."""
    action = chosen_action(arguments)
    pictures, _ = collect(arguments)
    table = measure_all(action, pictures)
    _check_enough(table, arguments.folds, arguments.beta)
    best, tried = tune(table, arguments.beta)
    expected = cross_validate(table, arguments.folds, arguments.beta)
    curve = best_curve(table, tried)
    tuned = table.declare(best)
    text = yaml.safe_dump({"actions": {tuned.name: declaration_of(tuned)}}, allow_unicode=True, sort_keys=False)
    with written_into(arguments.output):
        (arguments.output / DECLARATION).write_text(text, encoding="utf-8")
        plot_curve(curve, table.confusion(table.declared_setting()), table.confusion(best), arguments.output / PLOT)
    return "\n".join(
        (
            f"declared: {_line(table.confusion(table.declared_setting()))}",
            f"tuned:    {_line(table.confusion(best))}  (on the very pictures it was tuned on)",
            f"expected on unseen pictures, by {arguments.folds}-fold cross-validation:",
            report(expected),
            _curve_lines(table, curve),
            _changes(action, tuned),
            f"declaration: {arguments.output / DECLARATION}\ncurve: {arguments.output / PLOT}",
        )
    )


def plot_curve(curve: Sequence[tuple[Setting, Confusion]], declared: Confusion, tuned: Confusion, path: Path) -> None:
    """Write the precision/recall curve as a PNG, with the declared and the tuned setting marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5))
    axes = figure.add_subplot()
    axes.plot([one.recall.value for _, one in curve], [one.precision.value for _, one in curve], ".-", label="settings")
    for name, one, marker in (("declared", declared, "s"), ("tuned", tuned, "*")):
        axes.plot([one.recall.value], [one.precision.value], marker, markersize=12, label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    FigureCanvasAgg(figure).print_png(path)


def _check_enough(table: Table, folds: int, beta: float) -> None:
    if not 0 < beta <= 100:
        raise DataError(f"--beta {beta:g}: must be above 0 and at most 100; 1 weighs precision and recall alike")
    fewest = min(int(table.positive.sum()), int((~table.positive).sum()))
    if folds < 2 or fewest < folds:
        raise DataError(
            f"--folds {folds}: needs at least 2 folds and as many positive and as many negative pictures; "
            f"the smaller group has {fewest}"
        )


def _line(one: Confusion) -> str:
    return f"precision {one.precision.value:.3f}  recall {one.recall.value:.3f}  F1 {one.f1.value:.3f}"


def _curve_lines(table: Table, curve: Sequence[tuple[Setting, Confusion]]) -> str:
    """The curve as a table: at most MOST_CURVE_LINES settings, evenly chosen."""
    step = max(1, -(-len(curve) // MOST_CURVE_LINES))
    swept = [column.declared for column in table.columns if column.fixed is None]
    lines = ["precision/recall curve (best settings tried):", "recall  precision  F1      changed thresholds; counts"]
    for (thresholds, counts), one in curve[::step]:
        changed = [f"{old.label} {value:g}" for old, value in zip(swept, thresholds) if value != old.threshold]
        shown = ", ".join(changed) or "none"
        wanted = "; at least " + ", ".join(f"{value:g}" for value in counts) if counts else ""
        lines.append(f"{one.recall.value:.3f}   {one.precision.value:.3f}      {one.f1.value:.3f}   {shown}{wanted}")
    return "\n".join(lines)


def _changes(before: Action, after: Action) -> str:
    changed = [
        f"  {old.label}: {old.threshold} -> {new.threshold}"
        for old, new in zip(before.criteria, after.criteria)
        if old.threshold != new.threshold
    ]
    return "\n".join(["changed thresholds:", *changed]) if changed else "no threshold changed"


if __name__ == "__main__":
    sys.exit(main())
