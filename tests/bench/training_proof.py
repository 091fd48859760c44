"""Does training improve a network on real people, and keep what it knew? Continued training measured before and after.

    python -m tests.bench.training_proof --epochs=2 --work=/tmp/proof [--further=1] [--fresh] [--set NAME=VALUE …]

Imports the real weights, continues training them on Leeds Sports (one annotated person a picture, no nose, eyes, ears),
and measures them at the start and after each epoch on its dev part and on COCO pictures, which training never sees.
`--further=N` continues from there for N epochs with more people who climb or vault mixed in, at a rate that falls to
nothing. `--fresh` also trains from scratch on the same data for as long. The folder --work keeps the runs, with their
training pages; called again, a stopped run is resumed, and `--measure_only` measures what is there.

A second table tells who is found on the dev part and on photographs, at the start and at the end of each run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelarts.runtime.entry import training_job
from src.train.checkpoints.manifest import CheckpointName
from tests.bench.training_proof_found import HEADER, found_lines
from tests.bench.training_proof_measure import COLUMNS, NETWORK, measure
from tests.bench.training_proof_sets import further_climbers, labelled_boxes, with_necks

ROOT = Path(__file__).resolve().parents[2]
AT_SIZE = {"infer_insize": str(NETWORK["insize"])}
START, TRAIN_FILE = "start.ckpt", "train_with_necks.json"
CONTINUED, FURTHER, FRESH = "continued", "further", "fresh"
LSP, COCO = "LSP dev", "COCO mini"


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print."""
    given = _arguments().parse_args(argv)
    people = given.shared / "people"
    if not people.is_dir():
        sys.exit(f"error: {people}: no annotated people there; name the folder with --shared")
    given.work.mkdir(parents=True, exist_ok=True)
    _import_start(given.shared, given.work)
    sets = {
        LSP: (people / "lsp_extended" / "keypoints_dev.json", people / "lsp_extended" / "pictures"),
        COCO: (people / "coco_mini" / "person_keypoints.json", people / "coco_mini" / "pictures"),
    }
    print(f"{'checkpoint':<26}{'pictures':<12}" + "".join(f"{column:>9}" for column in COLUMNS), flush=True)
    ends = {"start": given.work / START}
    _print_rows("start", ends["start"], sets, given.pictures)
    for run in _runs(given):
        if not given.measure_only:
            _train(run, given, sets[LSP], _settings(run, given))
        for epoch, checkpoint in _epochs(given.work / run):
            _print_rows(f"{run}, epoch {epoch}", checkpoint, sets, given.pictures)
            ends[run] = checkpoint
        print(f"training page: {given.work / run / 'index.html'}", flush=True)
    _print_found(ends, people, given.work)
    return 0


def _runs(given: argparse.Namespace) -> tuple[str, ...]:
    return (CONTINUED, *([FURTHER] if given.further else []), *([FRESH] if given.fresh else []))


def _settings(run: str, given: argparse.Namespace) -> dict[str, object]:
    """The settings in which a run differs from the continued one; those of the command line come last."""
    leeds = given.shared / "people" / "lsp_extended"
    settings: dict[str, object] = {}
    if run == FRESH:
        settings = {"load_pretrain": False}
    if run == FURTHER:
        _, start = _epochs(given.work / CONTINUED)[-1]
        more = further_climbers(leeds, given.work / "further_climbers.json")
        settings = {
            **{"pretrained_model_folder_path_relative": start.parent, "pretrained_model_filename": start.name},
            **{"imgpath_train": f"{leeds / 'pictures'},{leeds / 'pictures'}", "data_weights": "0.5,2"},
            "jsonpath_train": f"{given.work / TRAIN_FILE},{more}",
            **{"max_epoch_train": given.further, "lr": 1.5e-4, "lr_type": "cosine", "warmup_epoch": 0},
        }
    return {**settings, **dict(pair.split("=", 1) for pair in given.set)}


def _print_found(checkpoints: Mapping[str, Path], people: Path, work: Path) -> None:
    leeds = people / "lsp_extended"
    dev = labelled_boxes(leeds, work / "dev_labels.json")
    photographs = people / "photographs"
    for name, labels, pictures in (
        ("Leeds Sports, dev part", dev, leeds / "pictures"),
        ("photographs", photographs / "labels.json", photographs / "pictures"),
    ):
        print(f"\nfound on {name}\n{HEADER}", flush=True)
        for label, checkpoint in checkpoints.items():
            for line in found_lines(label, checkpoint, labels, pictures, AT_SIZE):
                print(line, flush=True)


def _print_rows(label: str, checkpoint: Path, sets: Mapping[str, tuple[Path, Path]], limit: int) -> None:
    for name, (labels, pictures) in sets.items():
        print(f"{label:<26}{name:<12}{measure(checkpoint, labels, pictures, name == LSP, limit)}", flush=True)


def _train(name: str, given: argparse.Namespace, validation: tuple[Path, Path], more: Mapping[str, object]) -> None:
    """Train, or go on where an earlier run in this folder was stopped; every epoch's checkpoint stays."""
    people = given.shared / "people" / "lsp_extended"
    settings = {
        **NETWORK,
        "jsonpath_train": with_necks(people / "keypoints_train.json", given.work / TRAIN_FILE),
        "imgpath_train": people / "pictures",
        "jsonpath_val": validation[0],
        "imgpath_val": validation[1],
        "train_url": given.work / name,
        "scratch_path": given.work / "scratch" / name,
        "max_epoch_train": given.epochs,
        "load_pretrain": True,
        "pretrained_model_folder_path_relative": given.work,
        "pretrained_model_filename": START,
        "ignore_unannotated": True,
        "keep_checkpoint_max": 0,
        "export_format": "none",
        **more,
    }
    began = time.monotonic()
    code = training_job([f"--{key}={value}" for key, value in settings.items()])
    if code:
        sys.exit(f"error: training {name} ended with code {code}")
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def _epochs(run: Path) -> list[tuple[int, Path]]:
    """(epoch, the last checkpoint of it), in order."""
    moments = {CheckpointName.parse(path.name): path for path in (run / "ckpt_0").glob("*.ckpt")}
    last = {name.epoch: path for name, path in sorted((n, p) for n, p in moments.items() if n is not None)}
    return sorted(last.items())


def _import_start(shared: Path, work: Path) -> None:
    from src.tools import import_weights

    weights = shared / "weights" / "openpose_mobilenet_v2.npz"
    code = import_weights.main([f"--input={weights}", "--network=mobilenet_v2", f"--output={work / START}", "--force"])
    if code:
        sys.exit(code)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=shared, help="folder with people/ and weights/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=10_000, help="most pictures of each set to measure on")
    parser.add_argument("--measure_only", action="store_true", help="measure what an earlier run has left")
    parser.add_argument("--further", type=int, default=0, help="epochs of the run with more climbers; 0: none")
    parser.add_argument("--fresh", action="store_true", help="also train from scratch for comparison")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="further settings of the training")
    return parser


if __name__ == "__main__":
    sys.exit(main())
