"""The sentence beside a verdict: what was measured on which joints, and what it would have needed."""

from __future__ import annotations

import re

from src.actions.action import ANY_SIDE, EACH_SIDE, FOUND_SIDES, DeclaredCriterion, Threshold
from src.actions.combination import UNJUDGED, Tally
from src.actions.criteria import Criterion
from src.actions.measuring import Measurement
from src.actions.pose import Pose
from src.actions.readings import WAISTS, Kind
from src.pose.skeleton import JointType


def explain(declared: DeclaredCriterion, found: Measurement, pose: Pose) -> str:
    """One clause, such as "left hand 31 px (0.24 torso) above left shoulder; needs > 0".

    `pose`: the person with all joints that were found, also those below the criterion's minimum confidence.
    """
    if found.verdict == UNJUDGED:
        return f"cannot be judged: {_why_not(declared, found, pose)}"
    return f"{_measured(declared.criterion, found)}; needs {_needs(declared)}"


def explain_verdict(standing: Tally) -> str:
    """How a person's verdict came about, such as "6 of 11 signs hold, 3 cannot be judged; 8 needed"."""
    unsure = f", {standing.open:g} cannot be judged" if standing.open else ""
    return f"{standing.held:g} of {standing.total:g} signs hold{unsure}; {standing.needed:g} needed"


def verdict_words(occurred: bool | None) -> str:
    """The verdict on a person in words."""
    return {True: "occurs", False: "does not occur", None: "undecided"}[occurred]


def joint_words(joint: JointType) -> str:
    """The joint's name in words: LeftHand is "left hand"."""
    return " ".join(re.findall(r"[A-Z][a-z]+", joint.name)).lower()


def needs(criterion: Criterion, threshold: Threshold) -> str:
    """The condition in words: "> 0.25 torso", "< 0.4 torso below", "< 90°" or "between 30° and 60°"."""
    if isinstance(threshold, tuple):
        return f"between {_bound(threshold[0], criterion)} and {_bound(threshold[1], criterion)}"
    if criterion.kind is Kind.HEIGHT and threshold < 0:
        return f"< {_bound(threshold, criterion)}"
    return f"{criterion.relation} {_with_unit(threshold, criterion)}"


def _needs(declared: DeclaredCriterion) -> str:
    scope = {ANY_SIDE: "", EACH_SIDE: " on each side", FOUND_SIDES: " on each side that was found"}[declared.sides]
    return needs(declared.criterion, declared.threshold) + scope


def _measured(criterion: Criterion, found: Measurement) -> str:
    words = _places(found.joints)
    if criterion.kind is Kind.HEIGHT:
        above = (found.length_px or 0.0) >= 0
        return f"{words[0]} {_length(found)} {'above' if above else 'below'} {words[1]}"
    if criterion.kind is Kind.DISTANCE:
        return f"{words[0]} and {words[1]} {_length(found)} apart"
    if criterion.kind is Kind.WIDTH:
        return f"{words[0]} and {words[1]} {_length(found)} apart sideways"
    degrees = f"{found.value:.0f}°"
    if criterion.kind is Kind.INNER_ANGLE:
        return f"angle at {words[1]} between {words[0]} and {words[2]} {degrees}"
    axis = "vertical" if criterion.kind is Kind.TO_VERTICAL else "horizontal"
    return f"line from {words[0]} to {words[1]} {degrees} off the {axis}"


def _places(joints: tuple[JointType, ...]) -> list[str]:
    """The words of the joints; both waists behind another joint are the middle between them."""
    if len(joints) > len(WAISTS) and joints[-2:] == WAISTS:
        return [*map(joint_words, joints[:-2]), "middle of the waist"]
    return [joint_words(joint) for joint in joints]


def _length(found: Measurement) -> str:
    pixels = f"{abs(found.length_px or 0.0):.3g} px"
    return pixels if found.unit == "px" else f"{pixels} ({abs(found.value or 0.0):.2f} torso)"


def _bound(threshold: float, criterion: Criterion) -> str:
    """One end of a range; a height below zero is a depth."""
    if criterion.kind is not Kind.HEIGHT or threshold == 0:
        return _with_unit(threshold, criterion)
    return f"{_with_unit(abs(threshold), criterion)} {'below' if threshold < 0 else 'above'}"


def _with_unit(threshold: float, criterion: Criterion) -> str:
    if not criterion.kind.is_length:
        return f"{threshold:g}°"
    return "0" if threshold == 0 else f"{threshold:g} torso"


def _why_not(declared: DeclaredCriterion, found: Measurement, pose: Pose) -> str:
    reasons = [_why_joint(joint, declared.min_confidence, pose) for joint in found.joints]
    lacking = [reason for reason in reasons if reason]
    if lacking:
        return ", ".join(lacking)
    if declared.criterion.kind.is_length:
        return "no limb shows the body's size"
    return "the joints are too close together to give a direction"


def _why_joint(joint: JointType, min_confidence: float, pose: Pose) -> str:
    confidence = pose.confidence(joint)
    if confidence <= 0:
        return f"{joint_words(joint)} not found"
    if confidence < min_confidence:
        return f"{joint_words(joint)} too uncertain ({confidence:.2f}, needs {min_confidence:g})"
    return ""
