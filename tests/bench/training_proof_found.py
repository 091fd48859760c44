"""Who is found on photographs: of the people who do an action, how many are found at all, and how they are judged.

    python -m tests.bench.training_proof_found CHECKPOINT … [--shared=/path/to/shared] [--infer_insize=192]

Each checkpoint of mobilenet_v2 gets a line for each action. "bystanders" are those labelled as doing neither action;
"alarms" are verdicts "yes" on them; "unlabelled" are found people whom no label knows, with their alarms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from src.actions.evaluation.labelled import RESULTS_FILE
from src.actions.evaluation.persons import Outcome
from src.tools import evaluate_action
from tests.bench.real_people import POSITIVE

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = (Outcome.NOT_FOUND, Outcome.BAD_JOINTS, Outcome.JUDGED_NO, Outcome.UNDECIDED, Outcome.HIT)
COLUMNS = (
    "people",
    "not found",
    "few joints",
    "no",
    "undecided",
    "yes",
    "bystanders",
    "alarms",
    "unlabelled",
    "alarms",
)
HEADER = f"{'checkpoint':<26}{'action':<18}" + "".join(f"{column:>11}" for column in COLUMNS)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared")))
    parser.add_argument("--infer_insize", default="192")
    parser.add_argument("--infer_scales", default="1")
    given = parser.parse_args(argv)
    photographs = given.shared / "people" / "photographs"
    if not photographs.is_dir():
        sys.exit(f"error: {photographs}: no photographs there; name the folder with --shared")
    print(HEADER)
    settings = {"infer_insize": given.infer_insize, "infer_scales": given.infer_scales}
    labels, pictures = photographs / "labels.json", photographs / "pictures"
    for checkpoint in given.checkpoints:
        for line in found_lines(checkpoint.name, checkpoint, labels, pictures, settings):
            print(line, flush=True)
    return 0


def found_lines(
    label: str, checkpoint: Path, labels: Path, pictures: Path, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A table line for each action; the network runs once, with these settings of inference."""
    with tempfile.TemporaryDirectory() as folder:
        place = _labelled_only(labels, pictures, Path(folder) / "pictures")
        for action in POSITIVE:
            given = {
                "target_action_type": action,
                "labels": labels,
                "ignored_labels": ",".join(other for other in POSITIVE if other != action),
                "results": place,
                "output": Path(folder) / action,
                "network": "mobilenet_v2",
                "checkpoint_folder_path_relative": checkpoint.parent,
                "checkpoint_filename": checkpoint.name,
                **(settings or {}),
            }
            yield f"{label:<26}{action:<18}{_line(_evaluate(given))}"
            place = next(iter(Path(folder).rglob(RESULTS_FILE)))


def _labelled_only(labels: Path, pictures: Path, target: Path) -> Path:
    """A folder with the labelled ones of many pictures: inference goes through all of a folder."""
    target.mkdir()
    for name in json.loads(labels.read_text(encoding="utf-8")):
        shutil.copyfile(pictures / name, target / name)
    return target


def _evaluate(given: Mapping[str, object]) -> Mapping[str, Mapping[str, int]]:
    """The numbers of one evaluation of an action."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = evaluate_action.main([f"--{name}={value}" for name, value in given.items()])
    if code:
        sys.exit(code)
    numbers = json.loads((Path(str(given["output"])) / evaluate_action.NUMBERS).read_text(encoding="utf-8"))
    return {**numbers["outcomes"], "unlabelled": numbers["unlabelled"]}


def _line(numbers: Mapping[str, Mapping[str, int]]) -> str:
    doing, others, unlabelled = numbers["positive"], numbers["negative"], numbers["unlabelled"]
    split = [doing[outcome.name.lower()] for outcome in OUTCOMES]
    alarms = others[Outcome.HIT.name.lower()]
    values = [sum(split), *split, sum(others.values()), alarms, unlabelled["found"], unlabelled["alarms"]]
    return "".join(f"{value:>11}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
