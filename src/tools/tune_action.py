"""Finds better thresholds for an action: sweeps thresholds and required counts over labelled results.

The network is not run again. Says by cross-validation what to expect on pictures not seen; prints and plots the
precision/recall curve; and writes the declaration with the chosen thresholds, to replace the one under `actions:`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from src.actions import Action, declaration_of
from src.actions.evaluation.labelled import Picture
from src.actions.evaluation.points import counted, is_card, repointed, sum_curve, tune_card
from src.actions.evaluation.scoring import Confusion, report
from src.actions.evaluation.sides import busiest_side
from src.actions.evaluation.tuning import Setting, Table, best_curve, cross_validate, measure_all, tune
from src.errors import DataError
from src.tools.actions.labelled_persons import add_label_arguments, read_person_labels
from src.tools.actions.labelled_results import action_parser, chosen_action, collect, run_tool, written_into

SPLITS = ("group", "folder", "picture")
MOST_FALSE_ALARMS, MANY_FALSE_ALARMS = 0.5, 0.15
FEW_POSITIVES = 20
DECLARATION, PLOT = "actions.yaml", "precision_recall.png"
MOST_CURVE_LINES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = action_parser("tune_action", __doc__)
    add_label_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("tuning"), help=f"folder for {DECLARATION} and {PLOT}")
    parser.add_argument("--folds", type=int, default=5, help="parts for cross-validation (default 5)")
    parser.add_argument("--beta", type=float, default=1.0, help="how many times as much recall weighs as precision")
    parser.add_argument(
        "--split_by",
        choices=SPLITS,
        default="group",
        help="what stays on one side of a split: a group of the labels (scene, source; default), a picture's folder, "
        "or nothing but the picture itself",
    )
    return run_tool(tune_action, parser, argv)


def tune_action(arguments: argparse.Namespace) -> str:
    """Tune, write declaration and plot, and return the lines to print."""
    action = chosen_action(arguments)
    side = busiest_side(action, _labelled_pictures(arguments, action))
    table = measure_all(side.action, side.pictures)
    _check_enough(table, arguments.folds, arguments.beta)
    result = _tune_card(table, arguments) if is_card(side.action) else _tune_thresholds(table, arguments)
    warnings = _check_useful(result.expected, int(table.positive.sum()))
    measured = f"measured by {arguments.folds}-fold cross-validation, each part by what was fitted on the others"
    text = yaml.safe_dump(
        {"actions": {action.name: declaration_of(side.put_back(result.action))}}, allow_unicode=True, sort_keys=False
    )
    comment = "".join(f"# {line}\n" for line in (f"{action.name}, {measured}:", *_measured_lines(result.expected)))
    with written_into(arguments.output):
        (arguments.output / DECLARATION).write_text(comment + text, encoding="utf-8")
        plot_curve(result.curve, result.declared, result.fitted, arguments.output / PLOT)
    return "\n".join(
        (
            f"declared: {_line(result.declared)}",
            f"tuned:    {_line(result.fitted)}  (on the very pictures it was tuned on)",
            f"expected on unseen pictures, by {arguments.folds}-fold cross-validation:",
            report(result.expected),
            *warnings,
            *filter(None, [str(side)]),
            result.changes,
            f"declaration: {arguments.output / DECLARATION}\ncurve: {arguments.output / PLOT}",
        )
    )


@dataclass(frozen=True)
class Tuned:
    """A tuned action: its counts as declared, on what it was fitted to and on what not; the curve; what changed."""

    action: Action
    declared: Confusion
    fitted: Confusion
    expected: Confusion
    curve: Sequence[tuple[Setting, Confusion]]
    changes: str


def _labelled_pictures(arguments: argparse.Namespace, action: Action) -> list[Picture]:
    if arguments.labels is None:
        pictures, _ = collect(arguments)
    else:
        pictures = read_person_labels(arguments, action).as_pictures(action)
    if arguments.split_by == "group":
        return pictures
    folders = arguments.split_by == "folder"
    return [replace(one, group=str((one.folder / one.file).parent) if folders else "") for one in pictures]


def _tune_thresholds(table: Table, arguments: argparse.Namespace) -> Tuned:
    best, tried = tune(table, arguments.beta)
    curve = best_curve(table, tried)
    tuned = table.declare(best)
    return Tuned(
        action=tuned,
        declared=table.confusion(table.declared_setting()),
        fitted=table.confusion(best),
        expected=cross_validate(table, arguments.folds, arguments.beta),
        curve=curve,
        changes=f"{_curve_lines(table, curve)}\n{_changes(table.action, tuned)}",
    )


def _tune_card(table: Table, arguments: argparse.Namespace) -> Tuned:
    card = tune_card(table, arguments.beta, arguments.folds)
    curve = [(setting, one) for setting, one in sum_curve(table, card.action) if one.true_yes]
    kept = "kept: no fit did better" if card.shrinkage is None else f"fitted (shrinkage {card.shrinkage:g})"
    old, new = counted(table.action), counted(card.action)
    return Tuned(
        action=card.action,
        declared=table.confusion(table.declared_setting()),
        fitted=repointed(table, card.action).confusion(((), new)),
        expected=card.expected,
        curve=curve,
        changes=f"points {kept}; {len(card.action.criteria)} signs; sum needed: {old[0]:g} -> {new[0]:g}",
    )


def _check_useful(expected: Confusion, positives: int) -> list[str]:
    """Warnings; DataError for a result that alarms for more people than not."""
    alarms = expected.false_alarm_rate.value
    if alarms > MOST_FALSE_ALARMS:
        raise DataError(
            f"the tuned rule would alarm for {alarms:.0%} of those who do nothing of the kind, so nothing is written; "
            "check the labels, add negatives, or lower --beta"
        )
    warnings = []
    if alarms > MANY_FALSE_ALARMS:
        warnings.append(f"WARNING: alarms are expected for {alarms:.0%} of those who do nothing of the kind")
    if positives < FEW_POSITIVES:
        warnings.append(
            f"WARNING: only {positives} positives; the numbers may be far off, label at least {FEW_POSITIVES}"
        )
    return warnings


def _measured_lines(expected: Confusion) -> list[str]:
    return [f"recall {expected.recall}", f"false alarms {expected.false_alarm_rate}", f"precision {expected.precision}"]


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
