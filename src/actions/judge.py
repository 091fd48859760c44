"""Applies an action to one person: a verdict for each criterion with what it was measured on, and one for the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.actions.action import Action, DeclaredCriterion, Threshold
from src.actions.combination import UNJUDGED, decide, objections, tally
from src.actions.explain import explain, explain_verdict
from src.actions.measuring import measure
from src.actions.pose import Pose, as_pose
from src.pose.skeleton import JointType

#: Confidences in results: enough to tell them apart, few enough to read.
DECIMALS = 4


@dataclass(frozen=True)
class CriterionResult:
    """What one criterion says about one person.

    `verdict`: 1 holds, 0 does not, -1 cannot be judged. `measured` and `threshold` are in `unit` ("torso", "deg"; "px"
    where no limb told the body's size). `joints`: the joints it was decided on, or lacked, with their confidence.
    `objection`: it speaks against the action when it holds.
    """

    verdict: int
    measured: float | None
    threshold: Threshold
    unit: str
    joints: tuple[tuple[JointType, float], ...]
    text: str
    objection: bool = False

    @property
    def sign(self) -> int:
        """1 for the action, 0 against it, -1 cannot be judged: the verdict, turned round for an objection."""
        return 1 - self.verdict if self.objection and self.verdict != UNJUDGED else self.verdict

    def to_json(self) -> dict[str, Any]:
        """Plain values for results.jsonl."""
        return {
            "verdict": self.verdict,
            "measured": None if self.measured is None else round(self.measured, DECIMALS),
            "threshold": list(self.threshold) if isinstance(self.threshold, tuple) else self.threshold,
            "unit": self.unit,
            "joints": [{"joint": joint.name, "confidence": round(value, DECIMALS)} for joint, value in self.joints],
            "text": self.text,
            "objection": self.objection,
        }


@dataclass(frozen=True)
class Judgement:
    """Whether the action occurs: True, False, or None when the person is too incomplete to tell; `text` says why."""

    occurred: bool | None
    text: str
    criteria: Mapping[str, CriterionResult]

    def to_json(self) -> dict[str, Any]:
        """{"occurred": …, "text": …, "criteria": {label: …}} for results.jsonl."""
        return {
            "occurred": self.occurred,
            "text": self.text,
            "criteria": {label: result.to_json() for label, result in self.criteria.items()},
        }


def judge_person(keypoints: Any, action: Action) -> Judgement:
    """Judge one person, given as 18 x (x_px, y_px, confidence); DataError when the keypoints have another shape."""
    pose = as_pose(keypoints)
    trusted = {least: pose.trusting(least) for least in {one.min_confidence for one in action.criteria}}
    against = objections(action.occurs_when)
    results = {
        one.label: judge_criterion(pose, trusted[one.min_confidence], one, one.label in against)
        for one in action.criteria
    }
    verdicts = {label: one.verdict for label, one in results.items()}
    why = explain_verdict(tally(action.occurs_when, verdicts))
    return Judgement(decide(action.occurs_when, verdicts), why, results)


def judge_criterion(pose: Pose, trusted: Pose, declared: DeclaredCriterion, objection: bool = False) -> CriterionResult:
    """Apply one criterion to the joints that are sure enough (`trusted`); `pose` has all that were found."""
    found = measure(trusted, declared.criterion, declared.threshold, declared.sides)
    return CriterionResult(
        verdict=found.verdict,
        measured=found.value,
        threshold=declared.threshold,
        unit=found.unit,
        joints=tuple((joint, pose.confidence(joint)) for joint in found.joints),
        text=explain(declared, found, pose),
        objection=objection,
    )
