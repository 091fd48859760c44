"""From pictures to verdicts on real people: `python -m tests.bench.people_end_to_end`.

Runs the shared small network (or `--checkpoint`) over the photographs of `people/photographs` and prints, for each
action, what became of every labelled person: not found, found with wrong or missing joints, judged no, undecided, or a
hit; and the alarms on bystanders. Those who do the other action are left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from src.tools import evaluate_action, import_weights
from tests.bench.real_people import POSITIVE

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.people_end_to_end", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared")))
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint of mobilenet_v2, instead of the shared weights")
    parser.add_argument("--infer_insize", type=int, default=368)
    parser.add_argument("--actions_file", default="")
    arguments = parser.parse_args(argv)
    photographs = arguments.shared / "people/photographs"
    if not photographs.is_dir():
        print(f"real people: not here ({photographs}); give --shared", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        return _evaluate_all(arguments, photographs, Path(folder))


def _evaluate_all(arguments: argparse.Namespace, photographs: Path, folder: Path) -> int:
    """Evaluate both actions; the network runs once, the second action is judged from what it found."""
    checkpoint = arguments.checkpoint or folder / "small.ckpt"
    if arguments.checkpoint is None:
        weights = arguments.shared / "weights/openpose_mobilenet_v2.npz"
        code = import_weights.main([f"--input={weights}", "--network=mobilenet_v2", f"--output={checkpoint}"])
        if code:
            return code
    results = photographs / "pictures"
    for action in POSITIVE:
        others = ",".join(other for other in POSITIVE if other != action)
        given = [f"--target_action_type={action}", f"--ignored_labels={others}", f"--output={folder / action}"]
        given += [f"--labels={photographs / 'labels.json'}", f"--results={results}", "--network=mobilenet_v2"]
        given += [f"--infer_insize={arguments.infer_insize}", f"--actions_file={arguments.actions_file}"]
        given += [f"--checkpoint_folder_path_relative={checkpoint.parent}", f"--checkpoint_filename={checkpoint.name}"]
        code = evaluate_action.main(given)
        if code:
            return code
        if results.name == "pictures":
            results = folder / action / "results"
    return 0


if __name__ == "__main__":
    sys.exit(main())
