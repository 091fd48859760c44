"""Measures an action's rule against labels: `python -m src.tools.evaluate_action --target_action_type=climb_up
--positive DIR --negative DIR`.

Prints confusion, precision, recall and F1 with 95 % intervals, and writes a page with the misjudged pictures. Saved
results are judged anew from their keypoints, so that a changed declaration is measured without running the network.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from src.actions.labelled import JudgedPicture, judge_picture
from src.actions.scoring import Confusion, Share, count, report
from src.errors import JobError, OutputError
from src.tools.labelled_pictures import add_arguments, chosen_action, collect
from src.tools.misjudged import misjudged_page

PAGE, NUMBERS = "misjudged.html", "evaluation.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m src.tools.evaluate_action", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("evaluation"), help=f"folder for {PAGE} and {NUMBERS}")
    arguments, hyperparameters = parser.parse_known_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        print(evaluate(arguments, hyperparameters))
    except JobError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def evaluate(arguments: argparse.Namespace, hyperparameters: Sequence[str]) -> str:
    """Judge all labelled pictures, write page and numbers, and return the lines to print."""
    action = chosen_action(arguments)
    pictures, unread = collect(arguments, hyperparameters, arguments.output)
    judged = [judge_picture(picture, action) for picture in pictures]
    confusion = count((one.picture.positive, one.occurred) for one in judged)
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        title = f"{action.name}: misjudged pictures"
        (arguments.output / PAGE).write_text(misjudged_page(title, judged), encoding="utf-8")
        numbers = _numbers(action.name, confusion, judged, unread)
        (arguments.output / NUMBERS).write_text(json.dumps(numbers, ensure_ascii=False, indent=2), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{arguments.output}: cannot be written ({error}); give another folder with --output"
        ) from None
    lines = [f"{action.name} on {len(judged)} pictures", report(confusion)]
    if unread:
        lines.append(f"left out because they could not be read: {len(unread)}")
    lines.append(f"misjudged pictures: {arguments.output / PAGE}")
    return "\n".join(lines)


def _numbers(name: str, confusion: Confusion, judged: Sequence[JudgedPicture], unread: Sequence[str]) -> dict[str, Any]:
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
