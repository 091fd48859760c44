"""How well the declared actions judge real people, and drawn skeletons: `python -m tests.bench.actions`.

First the real ones, by their hand-annotated joints with no network in the way: athletes of Leeds Sports Pose Extended
(`train`, on which the default rules were fitted, and `dev`, on which they were chosen), and everyday people of COCO.
Then the same with joints missing and displaced as a network would have them, and with `--results` by what a network
found of them (whoever was not found counts as undecided). Each row stands before (the rules of version 1,
tests/bench/rules/drawn.yaml) and after. Last the drawn skeletons (tests.bench.drawn_actions): a check.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.actions import Action, default_actions, judge_persons, load_actions
from src.actions.evaluation.scoring import Share, wilson
from tests.bench import drawn_actions
from tests.bench.real_people import (
    ATHLETE,
    EVERYDAY_FILE,
    LEEDS_FILE,
    POSITIVE,
    People,
    as_detected,
    detected_people,
    everyday_people,
    leeds_people,
)

ROOT = Path(__file__).resolve().parents[2]
BEFORE = ROOT / "tests/bench/rules/drawn.yaml"
HEADER = f"{'set':30s}{'rules':8s}{'recall':>28s}{'undecided':>11s}{'false alarms':>28s}"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.actions", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared")))
    parser.add_argument("--actions_file", default="", help="measure these rules instead of the default ones")
    parser.add_argument(
        "--everyday", type=Path, help="more everyday people, such as COCO's person_keypoints_val2017.json"
    )
    parser.add_argument(
        "--results", type=Path, help="results.jsonl of a network for pictures of people/lsp_extended/pictures"
    )
    parser.add_argument("--per_class", type=int, default=100, help="drawn skeletons of each class; 0: none")
    arguments = parser.parse_args(argv)
    after = load_actions(arguments.actions_file) if arguments.actions_file else default_actions()
    rules = {"before": load_actions(BEFORE), "after": after}
    if (arguments.shared / "people").is_dir():
        report_real(arguments.shared, rules, arguments.everyday, arguments.results)
    else:
        print(f"real people: not here ({arguments.shared}/people); give --shared")
    if arguments.per_class:
        report_drawn(arguments.per_class, rules)
    return 0


def report_real(
    shared: Path, rules: Mapping[str, Mapping[str, Action]], more: Path | None = None, results: Path | None = None
) -> None:
    """A table for each action: train, dev, everyday people; as annotated, and as a network might see them.

    `more`: another COCO keypoints file of everyday people. `results`: what a network found of train and dev.
    """
    sets = {"train": leeds_people(shared, "train"), "dev": leeds_people(shared, "dev")}
    parts = ("train", "dev") if results else ()
    detected = {part: detected_people(shared / LEEDS_FILE, results, part) for part in parts if results}
    everyday = {"everyday people": everyday_people(shared / EVERYDAY_FILE)}
    if more:
        everyday["everyday, ids fitted on (even)"] = everyday_people(more, lambda picture_id: picture_id % 2 == 0)
        everyday["everyday, ids not fitted (odd)"] = everyday_people(more, lambda picture_id: picture_id % 2 == 1)
    for action in POSITIVE:
        print(f"\n=== {action}, real people\n{HEADER}")
        for name, people in sets.items():
            for words, change in (("as annotated", np.array), ("joints missing and displaced", _seen)):
                for which, declared in rules.items():
                    print(_row(f"{name}, {words}"[:29], which, people, declared[action], change))
        for name, people in detected.items():
            for which, declared in rules.items():
                print(_row(f"{name}, found by a network", which, people, declared[action], np.array))
        for name, people in everyday.items():
            for which, declared in rules.items():
                alarms, undecided = _judge(people.keypoints, declared[action])
                print(_line(name, which, f"{len(people.labels)} people", undecided, alarms))


def report_drawn(per_class: int, rules: Mapping[str, Mapping[str, Action]]) -> None:
    """The drawn skeletons of the held seed, a sanity check."""
    drawn = drawn_actions.draw_set("held", per_class)
    print(f"\n=== drawn skeletons, {per_class} of each class\n{HEADER}")
    for action in POSITIVE:
        for which, declared in rules.items():
            one = drawn_actions.confusion_of(drawn_actions.judge_set(drawn, declared[action]), action)
            persons = one.true_yes + one.missed + one.false_yes + one.true_no
            undecided = (one.undecided_positive + one.undecided_negative) / persons
            print(_line(action, which, _share(one.recall), undecided, one.false_alarm_rate))


def measured(people: People, action: Action, of: str) -> tuple[Share, Share, float]:
    """Recall among the labelled people, false alarms among athletes, and the share of all these that is undecided."""
    positive, negative = people.of(POSITIVE[of]), people.of((ATHLETE,))
    recall, open_positive = _judge(positive, action)
    alarms, open_negative = _judge(negative, action)
    undecided = (open_positive * len(positive) + open_negative * len(negative)) / (len(positive) + len(negative))
    return recall, alarms, undecided


def _row(words: str, which: str, people: People, action: Action, change: object) -> str:
    assert callable(change)
    changed = People(change(people.keypoints), people.labels)
    recall, alarms, undecided = measured(changed, action, action.name)
    return _line(words, which, _share(recall), undecided, alarms)


def _line(words: str, which: str, recall: str, undecided: float, alarms: Share) -> str:
    return f"{words:30s}{which:8s}{recall:>28s}{undecided:10.1%} {_share(alarms):>28s}"


def _judge(keypoints: NDArray[np.float64], action: Action) -> tuple[Share, float]:
    verdicts = [one.occurred for one in judge_persons(keypoints, action)]
    return wilson(verdicts.count(True), len(verdicts)), verdicts.count(None) / max(len(verdicts), 1)


def _seen(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    return as_detected(keypoints, seed=0)


def _share(share: Share) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
