"""Applies an action to one person: a verdict for each criterion with what it was measured on, and one for the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, TypedDict

from numpy.typing import ArrayLike

from src.actions.action import Action, DeclaredCriterion, Threshold
from src.actions.combination import UNJUDGED, IfElse, Node, asked_labels, decide_each, labels_of, objections
from src.actions.explain import Joints, explain, explain_measured
from src.actions.explain_verdict import explain_verdict
from src.actions.measurement import Column, Measured, Measurement
from src.actions.measures.pose import Pose, as_pose, as_poses, trusting
from src.actions.measures.scene import Scene
from src.actions.measuring import Measures
from src.pose.skeleton import JointType
from src.translations import Message

JOINT_NAMES = tuple(joint.name for joint in JointType)
#: Decimals of measured values in results: more than any threshold has.
DECIMALS = 4


Results = Mapping[str, "CriterionResult"]


class CriterionLine(TypedDict, total=False):
    """A criterion's measurement in results.jsonl; `px`, `points` where there are any."""

    verdict: int
    measured: float | None
    unit: str
    joints: list[str]
    px: float | None
    points: float


class JudgementLine(TypedDict, total=False):
    """A person's judgement in results.jsonl, and the keypoints (18 x [x_px, y_px, confidence]) it is of."""

    keypoints: list[list[float]]
    occurred: bool | None
    criteria: dict[str, CriterionLine]


class CriterionResult(NamedTuple):
    """What one criterion says about one person.

    `pose`: the person with all joints that were found. `objection`: it speaks against the action when it holds. The
    sentences are made when they are asked for.
    """

    declared: DeclaredCriterion
    found: Measurement
    pose: Pose
    objection: bool = False

    @property
    def joints(self) -> Joints:
        """The joints it was decided on, or lacked, with their confidence in the person."""
        return tuple((joint, self.pose.confidence(joint)) for joint in self.found.joints)

    @property
    def verdict(self) -> int:
        """1 holds, 0 does not, -1 cannot be judged."""
        return self.found.verdict

    @property
    def sign(self) -> int:
        """1 for the action, 0 against it, -1 cannot be judged: the verdict, turned round for an objection."""
        return 1 - self.verdict if self.objection and self.verdict != UNJUDGED else self.verdict

    @property
    def measured(self) -> float | None:
        """The measured value in `unit`."""
        return self.found.value

    @property
    def unit(self) -> str:
        """ "torso", "deg", or "px" where no limb told the body's size."""
        return self.found.unit

    @property
    def threshold(self) -> Threshold:
        """What the action asks for, in the criterion's unit."""
        return self.declared.threshold

    @property
    def points(self) -> float | None:
        """The points that a sign with a scale gives; None for others and where nothing was seen."""
        return self.found.points

    @property
    def answer(self) -> float:
        """What combinations ask for: the verdict, or the points of a sign with a scale (NaN where it was not seen)."""
        if self.declared.scale is None:
            return self.verdict
        return math.nan if self.points is None else self.points

    @property
    def explanation(self) -> Message:
        """What was measured on which joints, and what it needs; or why it cannot be judged."""
        return explain(self.declared, self.found, self.joints)

    @property
    def reading(self) -> Message:
        """The explanation without what it needs, for where that is said already."""
        return explain_measured(self.declared, self.found, self.joints)

    @property
    def text(self) -> str:
        """The explanation in English."""
        return str(self.explanation)

    def to_json(self) -> CriterionLine:
        """The measurement as plain values for results.jsonl; thresholds and sentences follow from the declaration."""
        verdict, value, unit, joints, length_px, points = self.found
        line: CriterionLine = {
            "verdict": verdict,
            "measured": _rounded(value, DECIMALS),
            "unit": unit,
            "joints": [JOINT_NAMES[joint] for joint in joints],
        }
        if length_px is not None and unit != "px":
            line["px"] = round(length_px, 2)
        if points is not None:
            line["points"] = points
        return line

    @staticmethod
    def from_json(line: CriterionLine, declared: DeclaredCriterion, objection: bool, pose: Pose) -> CriterionResult:
        """What `to_json` wrote of this criterion for the person `pose`."""
        joints = tuple(JointType[name] for name in line["joints"])
        measured, unit = line["measured"], str(line["unit"])
        length_px = measured if unit == "px" else line.get("px")
        found = Measurement(int(line["verdict"]), measured, unit, joints, length_px, line.get("points"))
        return CriterionResult(declared, found, pose, objection)


@dataclass(frozen=True)
class Judgement:
    """Whether the action occurs: True, False, or None when the person is too incomplete to tell.

    `criteria`: those that were asked of this person, by label; of a rule with `if` only the side that was taken.
    """

    action: Action
    occurred: bool | None
    criteria: Mapping[str, CriterionResult]

    @property
    def explanation(self) -> Message:
        """How the verdict came about."""
        return explain_verdict(self.action, self.criteria)

    @property
    def text(self) -> str:
        """The explanation in English."""
        return str(self.explanation)

    def to_json(self) -> JudgementLine:
        """{"occurred": …, "criteria": {label: measurement}} for results.jsonl."""
        return {
            "occurred": self.occurred,
            "criteria": {label: result.to_json() for label, result in self.criteria.items()},
        }

    @staticmethod
    def from_json(line: JudgementLine, action: Action) -> Judgement:
        """What `to_json` wrote; `line` also has the person's "keypoints". KeyError for another declaration's."""
        pose, against = as_pose(line["keypoints"]), _against(action)
        measured = line["criteria"]
        results = {
            one.label: CriterionResult.from_json(measured[one.label], one, one.label in against, pose)
            for one in action.criteria
            if one.label in measured
        }
        if measured.keys() != set(asked_labels(action.occurs_when, _answers(results))):
            raise KeyError("the criteria are those of another declaration")
        return Judgement(action, line["occurred"], results)


def judge_person(keypoints: ArrayLike, action: Action, scene: Scene | None = None) -> Judgement:
    """Judge one person, given as 18 x (x_px, y_px, confidence); DataError when the keypoints have another shape.

    `scene`: the fence and the ground in the same picture, for criteria that ask for them.
    """
    return judge_persons([keypoints], action, scene)[0]


def judge_persons(persons: Sequence[ArrayLike], action: Action, scene: Scene | None = None) -> list[Judgement]:
    """Judge all persons of a picture as `judge_person` does; many at once cost little more than one."""
    poses = as_poses(persons, scene)
    if not poses:
        return []
    measured = _measure(action, action.occurs_when, poses)
    return [
        Judgement(action, occurred, _WhenAsked(partial(_results, action, measured, number, pose)))
        for number, (pose, occurred) in enumerate(zip(poses, decide_each(action.occurs_when, _columns(measured))))
    ]


def sides_taken(persons: Sequence[ArrayLike], action: Action, scene: Scene | None = None) -> list[tuple[Node, ...]]:
    """Which side of an action's outermost `if` each person takes: one, or both where that cannot be judged."""
    node = action.occurs_when
    if not isinstance(node, IfElse):
        return [(node,)] * len(persons)
    columns = _columns(_measure(action, node.condition, as_poses(persons, scene)))
    return [node.sides({label: one[number] for label, one in columns.items()}) for number in range(len(persons))]


class _WhenAsked(Mapping[str, CriterionResult]):
    """Results by label that are put together when they are first asked for: the verdict alone needs none of them."""

    def __init__(self, make: Callable[[], dict[str, CriterionResult]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> dict[str, CriterionResult]:
        return self._make()

    def __getitem__(self, label: str) -> CriterionResult:
        return self._made[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _results(action: Action, measured: Sequence[Measured], number: int, pose: Pose) -> dict[str, CriterionResult]:
    """What was asked of the person with this number, in the order of the declaration."""
    against = _against(action)
    found = {
        one.label: CriterionResult(one, result, pose, one.label in against)
        for group in measured
        for one, result in zip(group.declared, group[number])
    }
    asked = set(asked_labels(action.occurs_when, _answers(found)))
    return {one.label: found[one.label] for one in action.criteria if one.label in asked}


@lru_cache(maxsize=32)
def _against(action: Action) -> set[str]:
    return objections(action.occurs_when)


def _answers(results: Results) -> dict[str, float]:
    return {label: one.answer for label, one in results.items()}


def _columns(measured: Sequence[Measured]) -> dict[str, Column]:
    """By label what a combination asks for, of all persons."""
    return {label: column for group in measured for label, column in group.answers().items()}


def _measure(action: Action, node: Node, poses: Sequence[Pose]) -> list[Measured]:
    """All that a combination asks, of every person; of an `if` only the sides that one of them takes."""
    if not isinstance(node, IfElse):
        return [measures.on(trusting(poses, least)) for least, measures in _plan(action, node)]
    measured = _measure(action, node.condition, poses)
    return measured + [one for side in node.sides(_columns(measured)) for one in _measure(action, side, poses)]


@lru_cache(maxsize=128)
def _plan(action: Action, node: Node) -> tuple[tuple[float, Measures], ...]:
    """What is measured together: criteria of one smallest confidence."""
    labels = set(labels_of(node))
    groups: dict[float, list[DeclaredCriterion]] = {}
    for one in action.criteria:
        if one.label in labels:
            groups.setdefault(one.min_confidence, []).append(one)
    return tuple((least, Measures(group)) for least, group in groups.items())


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
