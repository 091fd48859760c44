"""From pictures to verdicts on real people: `python -m tests.bench.people_end_to_end`.

Runs the shared small network (or `--checkpoint`) over the photographs of `people/photographs` and prints, for each
action, what became of every labelled person: not found, found with wrong or missing joints, judged no, undecided, or a
hit; and the alarms on bystanders. Those who do the other action are left out. Each rule file is judged on the same
skeletons: first the rules of version 1 ("before"), then the default ones. A third of the photographs are pictures of
Leeds Sports, from which rules and networks were fitted to people: a last line tells the others apart. With `--output`,
what was found is kept there and used again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from src.actions.evaluation.labelled import RESULTS_FILE
from src.actions.evaluation.persons import Outcome
from src.actions.evaluation.scoring import wilson
from src.tools import evaluate_action, import_weights
from tests.bench.actions import BEFORE
from tests.bench.real_people import POSITIVE

ROOT = Path(__file__).resolve().parents[2]
LEEDS_SPORTS = "axelcarlier/lsp"  # the repository in sources.tsv
NEITHER = "neither"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.people_end_to_end", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared")))
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint of mobilenet_v2, instead of the shared weights")
    parser.add_argument("--infer_insize", type=int, default=368)
    parser.add_argument("--infer_scales", default="1")
    parser.add_argument("--infer_flip", default="False")
    parser.add_argument("--actions_file", default="", help="these rules instead of the default ones")
    parser.add_argument("--output", type=Path, help="keep what was found here, and use what is kept")
    arguments = parser.parse_args(argv)
    photographs = arguments.shared / "people/photographs"
    if not photographs.is_dir():
        print(f"real people: not here ({photographs}); give --shared", file=sys.stderr)
        return 2
    if arguments.output:
        return _evaluate_all(arguments, photographs, arguments.output)
    with tempfile.TemporaryDirectory() as folder:
        return _evaluate_all(arguments, photographs, Path(folder))


def _evaluate_all(arguments: argparse.Namespace, photographs: Path, folder: Path) -> int:
    """Evaluate both actions with both rule files; the network runs once."""
    found = folder / "first/results"
    if not (found / RESULTS_FILE).is_file():
        checkpoint = arguments.checkpoint or _shared_checkpoint(arguments.shared, folder)
        given = [f"--checkpoint_folder_path_relative={checkpoint.parent}", f"--checkpoint_filename={checkpoint.name}"]
        given += [f"--{name}={getattr(arguments, name)}" for name in ("infer_insize", "infer_scales", "infer_flip")]
        results, network = photographs / "pictures", [*given, "--network=mobilenet_v2", f"--output={folder / 'first'}"]
        if code := evaluate_action.main([*_labels("climb_up", photographs), f"--results={results}", *network]):
            return code
    for rules, file in (("before", str(BEFORE)), ("after", arguments.actions_file)):
        for action in POSITIVE:
            print(f"\n=== {action}, rules {rules}", flush=True)
            more = [f"--results={found}", f"--actions_file={file}", f"--output={folder / rules / action}"]
            if code := evaluate_action.main([*_labels(action, photographs), *more]):
                return code
            print(_apart_line(folder / rules / action / "evaluation.json", action, photographs))
    return 0


def _apart_line(evaluation: Path, action: str, photographs: Path) -> str:
    """What became of the people in photographs that are not of Leeds Sports."""
    with (photographs / "sources.tsv").open(encoding="utf-8") as table:
        apart = {row["file"] for row in csv.DictReader(table, delimiter="\t") if row["repository"] != LEEDS_SPORTS}
    persons = [one for one in json.loads(evaluation.read_text(encoding="utf-8"))["persons"] if one["file"] in apart]
    counts = Counter(one["outcome"] for one in persons if one["label"] == action)
    others = [one["occurred"] for one in persons if one["label"] == NEITHER]
    hits, missing = (counts[outcome.name.lower()] for outcome in (Outcome.HIT, Outcome.NOT_FOUND))
    return (
        f"in the {len(apart)} photographs that are not of Leeds Sports: judged yes {hits} of {sum(counts.values())}, "
        f"{wilson(hits, sum(counts.values()))}; not found {missing}; "
        f"alarms on {others.count(True)} of {len(others)} bystanders"
    )


def _labels(action: str, photographs: Path) -> list[str]:
    others = ",".join(other for other in POSITIVE if other != action)
    return [f"--target_action_type={action}", f"--labels={photographs / 'labels.json'}", f"--ignored_labels={others}"]


def _shared_checkpoint(shared: Path, folder: Path) -> Path:
    """The shared weights as a checkpoint in `folder`; exits where they cannot be imported."""
    checkpoint, weights = folder / "small.ckpt", shared / "weights/openpose_mobilenet_v2.npz"
    folder.mkdir(parents=True, exist_ok=True)
    if import_weights.main([f"--input={weights}", "--network=mobilenet_v2", f"--output={checkpoint}", "--force"]):
        sys.exit(f"{weights}: cannot be imported")
    return checkpoint


if __name__ == "__main__":
    sys.exit(main())
