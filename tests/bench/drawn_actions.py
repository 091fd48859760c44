"""How well the declared actions judge drawn skeletons: `python -m tests.bench.drawn_actions`.

Sets with different seeds: `tuning`, on which the default rules were chosen (docs/actions.md says which rule on which
seed); `held`, which was drawn after they were and is only reported; `seen`, held out for earlier versions of the rules
whose numbers on it were looked at; `hard`, never tuned on, seen steeply from above with twice the noise. Positives are
the action's kinds, negatives the nine everyday classes, as many of each class. `--save DIR` writes a set as
results.jsonl for evaluate_action and tune_action. Precision depends on how many negatives there are for a positive; the
false alarm rate does not. The same persons are judged again with a leg, both legs or the arms taken away, as behind a
car or a desk: what is not seen must not raise alarms.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.actions import Action, default_actions, judge_persons, load_actions
from src.actions.evaluation.scoring import Confusion, count, report
from src.pose.skeleton import JointType
from tests.bench.skeletons.camera import Errors, View
from tests.bench.skeletons.climbing import CLIMBING
from tests.bench.skeletons.draw import CLASSES, draw_class
from tests.bench.skeletons.everyday import EVERYDAY

J = JointType
Set = Mapping[str, NDArray[np.float64]]

SEEDS: Mapping[str, tuple[int, ...]] = {
    "tuning": (1, *range(11, 24)),
    "held": (42,),
    "seen": (2, 4, 41),
    "hard": (3,),
}
REPORTED = ("held", "seen", "hard")
HARD_VIEW, HARD_ERRORS = View(pitch=(20.0, 35.0), distance=(2.0, 6.0)), Errors(noise=1.0)
PER_CLASS = 400

LEG, OTHER_LEG = (J.RightKnee, J.RightFoot), (J.LeftKnee, J.LeftFoot)
ARMS = (J.RightElbow, J.RightHand, J.LeftElbow, J.LeftHand)
HIDDEN: Mapping[str, tuple[JointType, ...]] = {
    "a leg": LEG,
    "both feet": (J.RightFoot, J.LeftFoot),
    "both legs": (*LEG, *OTHER_LEG),
    "all below the shoulders but the arms": (*LEG, *OTHER_LEG, J.RightWaist, J.LeftWaist),
    "both arms": ARMS,
}


def draw_set(name: str, per_class: int = PER_CLASS, classes: Sequence[str] = tuple(CLASSES)) -> Set:
    """`per_class` persons of each class (per_class x 18 x 3) for each seed of a set of SEEDS."""
    view, errors = (HARD_VIEW, HARD_ERRORS) if name == "hard" else (View(), Errors())
    return {
        one: np.concatenate([draw_class(one, per_class, seed, view, errors) for seed in SEEDS[name]]) for one in classes
    }


def judge_set(drawn: Set, action: Action) -> dict[str, list[bool | None]]:
    """The verdict on every person, by class."""
    return {name: [one.occurred for one in judge_persons(persons, action)] for name, persons in drawn.items()}


def confusion_of(verdicts: Mapping[str, Sequence[bool | None]], action: str) -> Confusion:
    """The action's kinds against the everyday classes; other classes are left out."""
    return count(
        (name in CLIMBING[action], verdict)
        for name, of_class in verdicts.items()
        if name in CLIMBING[action] or name in EVERYDAY
        for verdict in of_class
    )


def without(drawn: Set, joints: Sequence[JointType]) -> Set:
    """The same persons, these joints not found."""
    seen = np.ones((len(J), 1))
    seen[list(joints)] = 0
    return {name: persons * seen for name, persons in drawn.items()}


def save_results(drawn: Set, folder: Path, action: str) -> None:
    """Write `positive/results.jsonl` and `negative/results.jsonl`, one drawn person a line, as inference would."""
    for label, classes in (("positive", list(CLIMBING[action])), ("negative", list(EVERYDAY))):
        (folder / label).mkdir(parents=True, exist_ok=True)
        with (folder / label / "results.jsonl").open("w", encoding="utf-8") as file:
            for name in classes:
                for number, person in enumerate(drawn[name]):
                    line = {
                        "file": f"{name}/{number:04d}.jpg",
                        "status": "ok",
                        "persons": [{"keypoints": person.tolist()}],
                    }
                    file.write(json.dumps(line) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drawn_actions", description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SEEDS), default=REPORTED, help="tuning takes minutes")
    parser.add_argument("--per_class", type=int, default=PER_CLASS)
    parser.add_argument("--actions_file", default="")
    parser.add_argument("--save", type=Path, help="also write each set as results.jsonl below this folder")
    arguments = parser.parse_args(argv)
    actions = load_actions(arguments.actions_file) if arguments.actions_file else default_actions()
    for name in arguments.sets:
        drawn = draw_set(name, arguments.per_class)
        for action in CLIMBING:
            _report(name, drawn, actions[action])
            if arguments.save:
                save_results(drawn, arguments.save / name / action, action)
    return 0


def _report(name: str, drawn: Set, action: Action) -> None:
    started = time.perf_counter()
    verdicts = judge_set(drawn, action)
    persons = sum(map(len, verdicts.values()))
    microseconds = 1e6 * (time.perf_counter() - started) / persons
    print(f"\n=== {action.name}, set {name}: {persons} persons, {microseconds:.0f} µs each")
    print(report(confusion_of(verdicts, action.name)))
    print("class                     judged yes  undecided")
    for one, of_class in verdicts.items():
        yes, undecided = (100 * of_class.count(verdict) / len(of_class) for verdict in (True, None))
        role = "positive" if one in CLIMBING[action.name] else "negative" if one in EVERYDAY else "not counted"
        print(f"{one:26s}{yes:8.1f} %{undecided:10.1f} %   {role}")
    print("not seen                                found of positives  false alarms")
    for words, joints in HIDDEN.items():
        confusion = confusion_of(judge_set(without(drawn, joints), action), action.name)
        shares = (100 * share.value for share in (confusion.recall, confusion.false_alarm_rate))
        print("{:40s}{:8.1f} %{:13.1f} %".format(words, *shares))


if __name__ == "__main__":
    sys.exit(main())
