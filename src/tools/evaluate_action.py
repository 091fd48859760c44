"""Measures an action's rule against labels on pictures or on persons.

Labels on pictures (--positive, --negative): confusion, precision, recall and F1, and a page of the misjudged pictures.
Labels on persons (--labels): hits, the kinds of misses, and false alarms on bystanders.

Saved results are judged anew from their keypoints, so that a changed declaration is measured without running the
network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from src.actions.action import Action
from src.actions.evaluation.labelled import JudgedPicture, judge_picture
from src.actions.evaluation.persons import Outcome, PersonResult, report_persons
from src.actions.evaluation.scoring import Confusion, Share, count, report
from src.files import write_atomically
from src.json_files import to_json_text
from src.tools.actions.error_report import PAGE, write_error_report
from src.tools.actions.labelled_persons import add_label_arguments, read_person_labels
from src.tools.actions.labelled_results import action_parser, chosen_action, collect, run_tool, written_into

NUMBERS = "evaluation.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = action_parser("evaluate_action", __doc__)
    add_label_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("evaluation"), help=f"folder for {PAGE} and {NUMBERS}")
    return run_tool(evaluate, parser, argv)


def evaluate(arguments: argparse.Namespace) -> str:
    """Judge all labelled pictures, write page and numbers, and return the lines to print."""
    action = chosen_action(arguments)
    if arguments.labels is not None:
        return _evaluate_persons(arguments, action)
    pictures, unread = collect(arguments)
    judged = [judge_picture(picture, action) for picture in pictures]
    confusion = count((one.picture.positive, one.occurred) for one in judged)
    numbers = _numbers(action.name, confusion, judged, unread)
    with written_into(arguments.output):
        page = write_error_report(arguments.output, judged, action)
        write_atomically(arguments.output / NUMBERS, to_json_text(numbers, indent=2))
    lines = [f"{action.name} on {len(judged)} pictures", report(confusion)]
    if unread:
        lines.append(f"left out because they could not be read: {len(unread)}")
    lines.append(f"misjudged pictures: {page}")
    return "\n".join(lines)


def _evaluate_persons(arguments: argparse.Namespace, action: Action) -> str:
    """Score the labelled persons, write the numbers, and return the lines to print."""
    scores = read_person_labels(arguments, action).score(action)
    numbers = {
        "action": action.name,
        "confusion": asdict(scores.confusion),
        "recall": _plain(scores.recall),
        "false_alarm_rate": _plain(scores.false_alarm_rate),
        "outcomes": {
            kind: {outcome.name.lower(): scores.counts(positive)[outcome] for outcome in Outcome}
            for kind, positive in (("positive", True), ("negative", False))
        },
        "unlabelled": {"found": scores.unlabelled, "alarms": scores.unlabelled_alarms},
        "persons": [_person_line(one) for one in scores.results],
        "unreadable": list(scores.unread),
    }
    with written_into(arguments.output):
        write_atomically(arguments.output / NUMBERS, to_json_text(numbers, indent=2))
    heading = f"{action.name} on {len(scores.results)} labelled persons"
    return f"{heading}\n{report_persons(scores)}\neach person: {arguments.output / NUMBERS}"


def _person_line(one: PersonResult) -> dict[str, object]:
    return {
        "file": one.file,
        "person": one.number,
        "label": one.person.label,
        "outcome": one.outcome.name.lower(),
        "occurred": one.occurred,
    }


def _numbers(
    name: str, confusion: Confusion, judged: Sequence[JudgedPicture], unread: Sequence[str]
) -> dict[str, object]:
    shares = {part: _plain(getattr(confusion, part)) for part in ("precision", "recall", "f1", "false_alarm_rate")}
    return {
        "action": name,
        "confusion": asdict(confusion),
        **shares,
        "misjudged": [one.picture.file for one in judged if one.is_misjudged],
        "unreadable": list(unread),
    }


def _plain(share: Share) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {part: None if value != value else round(value, 6) for part, value in asdict(share).items()}


if __name__ == "__main__":
    sys.exit(main())
