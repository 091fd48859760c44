"""Measures an action's rule against labels: confusion, precision, recall and F1, and a page of the misjudged pictures.

Saved results are judged anew from their keypoints, so that a changed declaration is measured without running the
network.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from src.actions.evaluation.labelled import JudgedPicture, judge_picture
from src.actions.evaluation.scoring import Confusion, Share, count, report
from src.tools.actions.labelled_results import action_parser, chosen_action, collect, run_tool, written_into
from src.tools.actions.misjudged import misjudged_page

PAGE, NUMBERS = "misjudged.html", "evaluation.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = action_parser("evaluate_action", __doc__)
    parser.add_argument("--output", type=Path, default=Path("evaluation"), help=f"folder for {PAGE} and {NUMBERS}")
    return run_tool(evaluate, parser, argv)


def evaluate(arguments: argparse.Namespace) -> str:
    """Judge all labelled pictures, write page and numbers, and return the lines to print."""
    action = chosen_action(arguments)
    pictures, unread = collect(arguments)
    judged = [judge_picture(picture, action) for picture in pictures]
    confusion = count((one.picture.positive, one.occurred) for one in judged)
    page = misjudged_page(f"{action.name}: misjudged pictures", judged)
    numbers = _numbers(action.name, confusion, judged, unread)
    with written_into(arguments.output):
        (arguments.output / PAGE).write_text(page, encoding="utf-8")
        (arguments.output / NUMBERS).write_text(json.dumps(numbers, ensure_ascii=False, indent=2), encoding="utf-8")
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
