"""What the README of each case expects: exit codes, words in the output, and what there is afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.cases.conftest import tree_of


@dataclass(frozen=True)
class Outcome:
    """What a case's commands did: exit codes, all they printed, the folder OUT; `before` is what was prepared."""

    case: Path
    out: Path
    codes: list[int]
    output: str
    before: Any

    def results(self) -> dict[str, str]:
        """Status of each picture of an inference job by its name."""
        lines = next(self.out.rglob("results.jsonl")).read_text(encoding="utf-8").splitlines()
        return {line["file"]: line["status"] for line in map(json.loads, lines)}

    def masks(self, folder: str = "masks") -> dict[str, Any]:
        """Each mask's pixels by its name."""
        root = self.out / folder
        found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.png"))}
        return {name: cv2.imdecode(np.fromfile(path, np.uint8), 0) for name, path in found.items()}

    def annotations(self, name: str = "a.json") -> list[dict[str, Any]]:
        """The annotations of the case's own file."""
        content = json.loads((self.case / name).read_text(encoding="utf-8-sig"))
        return list(content["annotations"])


Check = Callable[[Outcome], bool]
Prepare = Callable[[Path, Path, Path], Any]


@dataclass(frozen=True)
class Expected:
    """`codes` of the commands, patterns that the output must have, and checks by what they say."""

    codes: list[int]
    says: tuple[str, ...] = ()
    checks: dict[str, Check] = field(default_factory=dict)
    prepare: Prepare | None = None

    def problem(self, outcome: Outcome) -> str:
        """The first difference; empty where the outcome is the expected one."""
        if "Traceback (most recent" in outcome.output:
            return f"a traceback: {outcome.output.splitlines()[-1]}"
        if outcome.codes != self.codes:
            return f"exit codes {outcome.codes}, not {self.codes}: {outcome.output.splitlines()[-1:]}"
        missing = [pattern for pattern in self.says if not re.search(pattern, outcome.output)]
        wrong = missing or [name for name, holds in self.checks.items() if not holds(outcome)]
        return f"not so: {wrong[0]}" if wrong else ""


def nothing_written(outcome: Outcome) -> bool:
    return not tree_of(outcome.out)


def nobody_is_masked(outcome: Outcome) -> bool:
    return bool(outcome.masks()) and all(mask.all() for mask in outcome.masks().values())


def boxes_are_masked(outcome: Outcome) -> bool:
    """Each person without joints is black in the box."""
    content = json.loads((outcome.case / "a.json").read_text())
    names = {image["id"]: Path(image["file_name"]).stem for image in content["images"]}
    without = [each for each in content["annotations"] if not any(each.get("keypoints") or [])]
    boxes = [(names[each["image_id"]], *(int(value) for value in each["bbox"])) for each in without]
    masks = outcome.masks()
    return bool(boxes) and not any(
        masks[f"{n}.png"][y + 1 : y + h - 1, x + 1 : x + w - 1].any() for n, x, y, w, h in boxes
    )


def same_masks(outcome: Outcome, other: str) -> bool:
    first, second = outcome.masks(), outcome.masks(other)
    return list(first) == list(second) != [] and all((first[name] == second[name]).all() for name in first)


def visibilities(outcome: Outcome) -> list[int]:
    content = json.loads((outcome.out / "a.json").read_text(encoding="utf-8"))
    return [value for each in content["annotations"] for value in each["keypoints"][2::3]]


def in_store(outcome: Outcome) -> set[str]:
    return {path.name for path in (outcome.out / "store").rglob("*") if path.is_file()}


def copied_pictures(cases: Path, out: Path, _weights: Path) -> dict[str, str]:
    """Case 1: the pictures as its setup lays them out, to be compared afterwards."""
    (case,) = cases.glob("01-*")
    subprocess.run(["sh", str(case / "setup.sh"), str(out)], check=True, capture_output=True)
    return tree_of(out / "pics")


def plain_checkpoint(cases: Path, out: Path, weights: Path) -> None:
    """Case 32: the file of case 30 under one of the usual names."""
    (case,) = cases.glob("30-*")
    target = out / "model_best.pth.tar"
    subprocess.run([sys.executable, str(case / "setup.py"), str(weights), str(target)], check=True, capture_output=True)


AP_1 = r"as annotated +AP 1\.000"
REPORTS = {"results.jsonl", "summary.json", "index.html", "results.csv", "a.jpg"}
NOTHING = {"nothing is written": nothing_written}
NOBODY = {"nobody is masked": nobody_is_masked}
PAGE: dict[str, Check] = {"numbers are there": lambda o: (o.out / "evaluation/evaluation.json").stat().st_size > 0}


def good_ones_are_judged(outcome: Outcome) -> bool:
    return {outcome.results()[name] for name in ("a.jpg", "c.jpg")} == {"ok"}


def pictures_are_as_before(outcome: Outcome) -> bool:
    if outcome.before is not None:
        return bool(tree_of(outcome.out / "pics") == outcome.before)
    return tree_of(outcome.out / "images") == tree_of(outcome.case / "images")


def no_cell_is_a_formula(outcome: Outcome) -> bool:
    return "=1+1" in outcome.output and not re.search(r'(^|,)"?=', outcome.output, re.MULTILINE)


EXPECTED: dict[int, Expected] = {
    1: Expected([0, 2], ("file_name",), {"the pictures are as before": pictures_are_as_before}, copied_pictures),
    3: Expected([0], checks={"shards are written": lambda o: (o.out / "packed/shards.json").is_file()}),
    5: Expected([2], (r"1\.jpg", r"1\.png"), NOTHING),
    7: Expected([0, 2], checks={"the pictures are as before": pictures_are_as_before}),
    8: Expected([0, 0], checks={"equal masks": lambda o: same_masks(o, "first"), **NOBODY}),
    10: Expected([0], ("[1-9][0-9]* people trained on",)),
    11: Expected([0], checks=NOBODY),
    12: Expected([0, 0], (AP_1,), NOBODY),
    14: Expected([2], (r"annotation \d+: 'keypoints' has a value that is not a finite number",)),
    16: Expected([2], (r"annotation \d+: damaged run lengths",)),
    17: Expected([0, 0], checks={"AP 1 twice": lambda o: len(re.findall(AP_1, o.output)) == 2}),
    19: Expected([0], ("4 areas taken from outline or box", "0 excluded"), NOBODY),
    21: Expected([0], checks={"the boxes are masked": boxes_are_masked}),
    22: Expected([0, 0], checks={"masks of both": lambda o: bool(o.masks()) and bool(o.masks("flat"))}),
    23: Expected([0, 0], (AP_1,)),
    25: Expected([0], checks={"a.jpg and c.jpg are judged": good_ones_are_judged}),
    27: Expected([0], checks={"all are read": lambda o: set(o.results().values()) == {"ok"}}),
    28: Expected(
        [0],
        (r"not read: .*c\.HEIC", r"not read: .*d\.gif"),
        {"a.jpg and b.jfif are judged": lambda o: o.results() == {"a.jpg": "ok", "b.jfif": "ok"}},
    ),
    30: Expected([0, 0], ("555 parameters",)),
    32: Expected([0], ("555 parameters",), prepare=plain_checkpoint),
    33: Expected([2], ("pelvis",), NOTHING),
    35: Expected([2], (r"annotation \d+: 'image_id' is '",), NOTHING),
    36: Expected([3, 0], checks={"no cell begins with =": no_cell_is_a_formula}),
    37: Expected([0], checks=PAGE),
    38: Expected([0], checks={"some are occluded": lambda o: {1, 2} <= set(visibilities(o))}),
    39: Expected([0], ("is 192x144 where 144x192 is annotated",)),
    41: Expected([0], checks=PAGE),
    43: Expected([0, 0], (r'"max_epoch_train": 10\b',)),
    44: Expected([0, 3], checks={"all else is in the store": lambda o: in_store(o) >= REPORTS}),
}
