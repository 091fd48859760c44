"""The sentences beside a verdict: what was measured on which joints, and what it would have needed.

Everything here is a `Message`, so that results, pictures and reports can say it in any language.
"""

from __future__ import annotations

from collections.abc import Mapping

from src.actions.action import ANY_SIDE, EACH_SIDE, FOUND_SIDES, DeclaredCriterion, PointScale, Threshold
from src.actions.combination import UNJUDGED
from src.actions.criteria import Criterion
from src.actions.measurement import Measurement
from src.actions.measures.readings import SCENE_KINDS, Kind
from src.actions.measures.spots import ELBOWS, FEET, HANDS, KNEES, SHOULDERS, WAISTS
from src.pose.skeleton import JointType
from src.translations import Message, say

#: The pairs of which the middle is measured, with the word for it.
MIDDLES: Mapping[tuple[JointType, ...], str] = {
    **{HANDS: "hands", ELBOWS: "elbows", SHOULDERS: "shoulders"},
    **{WAISTS: "waist", KNEES: "knees", FEET: "feet"},
}

#: Kinds of which a value below zero is a depth.
SIGNED_HEIGHTS = (Kind.HEIGHT, Kind.LINE_HEIGHT)

#: The words for a value of each unit.
VALUES = {"torso": "value_torso", "deg": "value_degrees", "": "value_share"}

#: The joints of a measurement, with the confidence of each in the person.
Joints = tuple[tuple[JointType, float], ...]


def explain(declared: DeclaredCriterion, found: Measurement, joints: Joints) -> Message:
    """One clause, such as "left hand 31 px (0.24 torso) above left shoulder; needs: above"."""
    measured = explain_measured(declared, found, joints)
    if found.verdict == UNJUDGED:
        return measured
    words = "measured_and_needed" if declared.scale is None else "measured_and_scale"
    return say(words, measured=measured, needed=requirement(declared))


def explain_measured(declared: DeclaredCriterion, found: Measurement, joints: Joints) -> Message:
    """What was measured, "left hand 31 px (0.24 torso) above left shoulder", or why nothing could be."""
    if found.verdict == UNJUDGED:
        return say("cannot_be_judged", reasons=_why_not(declared, joints))
    measured = _measured(declared.criterion, found)
    if found.points is None:
        return measured
    return say("gives_points", measured=measured, points=count_points(found.points, _points(found.points)))


def requirement(declared: DeclaredCriterion) -> Message:
    """The condition that an action sets, such as "at least 0.25 torso above, on each side"."""
    if declared.scale is not None:
        return _points_by_range(declared.criterion, declared.scale)
    needed = needs(declared.criterion, declared.threshold)
    scope = {ANY_SIDE: "", EACH_SIDE: "on_each_side", FOUND_SIDES: "on_each_side_found"}[declared.sides]
    return say(scope, needed=needed) if scope else needed


def needs(criterion: Criterion, threshold: Threshold) -> Message:
    """A threshold as a condition: "more than 0.7 torso", "at most 0.4 torso below", "between 30° and 60°"."""
    if isinstance(threshold, tuple):
        low, high = (_signed(bound, criterion) for bound in threshold)
        return say("needs_between", low=low, high=high)
    if criterion.kind in SIGNED_HEIGHTS:
        return _needed_height(threshold, criterion)
    if criterion.kind is Kind.SIDEWAYS:
        return say("needs_more" if criterion.relation != "<" else "needs_less", value=_signed(threshold, criterion))
    words = {">": "needs_more", ">=": "needs_at_least", "<": "needs_less"}[criterion.relation]
    return say(words, value=_amount(threshold, criterion))


def joint_message(joint: JointType) -> Message:
    """The joint's name: LeftHand is "left hand"."""
    return say(f"joint.{joint.name}")


def _measured(criterion: Criterion, found: Measurement) -> Message:
    kind = criterion.kind
    if kind in SCENE_KINDS:
        return _measured_line(kind, found)
    if kind is Kind.CONFIDENCE:
        return say("mean_confidence", joints=str(len(found.joints)), value=f"{found.value:.2f}")
    places = _places(found.joints, 3 if kind is Kind.INNER_ANGLE else 2)
    if kind.is_length:
        words = {
            Kind.HEIGHT: "height_above" if (found.value or 0.0) >= 0 else "height_below",
            Kind.DISTANCE: "distance_apart",
            Kind.WIDTH: "width_apart",
            Kind.SIDEWAYS: "to_the_right" if (found.value or 0.0) >= 0 else "to_the_left",
        }[kind]
        return say(words, joint=places[0], length=_length(found), other=places[1])
    degrees = f"{found.value:.0f}"
    if kind is Kind.INNER_ANGLE:
        return say("angle_at", vertex=places[1], joint=places[0], other=places[2], degrees=degrees)
    if kind is Kind.ELEVATION:
        words = "rises" if (found.value or 0.0) >= 0 else "falls"
        return say(words, joint=places[0], other=places[1], degrees=degrees.lstrip("-"))
    words = "line_off_vertical" if kind is Kind.TO_VERTICAL else "line_off_horizontal"
    return say(words, joint=places[0], other=places[1], degrees=degrees)


def _measured_line(kind: Kind, found: Measurement) -> Message:
    """A place and a line of the scene; the criterion's name says which line."""
    above = (found.value or 0.0) >= 0
    if kind is Kind.LINE_SIDES:
        return say("on_either_side" if above else "on_one_side", length=_length(found))
    place = _places(found.joints, 1)[0]
    if kind is Kind.LINE_DISTANCE:
        return say("from_line", joint=place, length=_length(found))
    return say("above_line" if above else "below_line", joint=place, length=_length(found))


def _places(joints: tuple[JointType, ...], count: int) -> list[Message]:
    """The names of the measured places, the last ones first to be pairs: both waists together are their middle."""
    places: list[Message] = []
    left = list(joints)
    while left:
        wanted = count - len(places)
        is_pair = len(left) > wanted and tuple(left[-2:]) in MIDDLES
        places.insert(0, say(f"middle.{MIDDLES[tuple(left[-2:])]}") if is_pair else joint_message(left[-1]))
        del left[-2 if is_pair else -1 :]
    return places


def _length(found: Measurement) -> Message:
    if found.unit == "px":
        return say("value_px", value=_pixels(found))
    return say("length_px_torso", px=_pixels(found), torso=f"{abs(found.value or 0.0):.2f}")


def _pixels(found: Measurement) -> str:
    return f"{abs(found.length_px or 0.0):.3g}"


def _points_by_range(criterion: Criterion, scale: PointScale) -> Message:
    """All ranges with their points, such as "+2 up to 0.4 torso below, -1 beyond"."""
    bounds = [_signed(bound, criterion) for bound in scale.bounds]
    points = [_points(one) for one in scale.points]
    if scale.is_linear:
        values = tuple(say("points_at", points=one, at=at) for one, at in zip(points, bounds))
        return say("points_by_value", values=values)
    ranges = tuple(say("points_up_to", points=one, high=high) for one, high in zip(points, bounds))
    return say("points_by_range", ranges=(*ranges, say("points_beyond", points=points[-1])))


def count_points(points: float, text: str) -> Message:
    """A number of points, written as `text`, with its noun."""
    return say("point_count_one" if abs(points) == 1 else "point_count", points=text)


def _points(points: float) -> str:
    return f"{points:+g}" if points else "0"


def _needed_height(threshold: float, criterion: Criterion) -> Message:
    """A height below zero is a depth, and to be more than -0.4 above is to be at most 0.4 below."""
    least = criterion.relation != "<"
    if threshold == 0:
        return say("needs_above" if least else "needs_below")
    amount = _amount(abs(threshold), criterion)
    if threshold > 0:
        return say("needs_at_least_above" if least else "needs_at_most_above", value=amount)
    return say("needs_at_most_below" if least else "needs_at_least_below", value=amount)


def _signed(bound: float, criterion: Criterion) -> Message:
    """One end of a range."""
    is_height = criterion.kind in SIGNED_HEIGHTS
    if not is_height and criterion.kind is not Kind.SIDEWAYS:
        return _amount(bound, criterion)
    if bound == 0:
        return say("level" if is_height else "in_line")
    up, down = ("value_above", "value_below") if is_height else ("value_right", "value_left")
    return say(up if bound > 0 else down, value=_amount(abs(bound), criterion))


def _amount(threshold: float, criterion: Criterion) -> Message:
    return say(VALUES[criterion.kind.unit], value=f"{threshold:g}")


def _why_not(declared: DeclaredCriterion, joints: Joints) -> tuple[Message, ...]:
    lacking = [_why_joint(joint, confidence, declared.min_confidence) for joint, confidence in joints]
    reasons = tuple(reason for reason in lacking if reason)
    if not reasons and declared.criterion.kind in SCENE_KINDS:
        return (say("no_scene"),)
    return reasons or (say("no_body_size" if declared.criterion.kind.is_length else "no_direction"),)


def _why_joint(joint: JointType, confidence: float, min_confidence: float) -> Message | None:
    if confidence <= 0:
        return say("joint_missing", joint=joint_message(joint))
    if confidence < min_confidence:
        shown, needed = f"{confidence:.2f}", f"{min_confidence:g}"
        return say("joint_uncertain", joint=joint_message(joint), confidence=shown, needed=needed)
    return None
