"""The handbook's judge of actions: 28 static methods over 18 x (x, y, confidence), a thin face of src.actions.

`keypoints` is the flat list, or an 18 x 3 array, in the order of JointType, in picture pixels with y pointing down. A
joint of confidence 0 was not found and decides nothing. Criteria answer 1 (holds), 0 (does not), -1 (cannot be judged).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from src.actions import find_action, judge_person
from src.actions.action import ANY_SIDE, DeclaredCriterion
from src.actions.combination import FAILS, HOLDS, UNJUDGED
from src.actions.criteria import CRITERIA
from src.actions.measures.geometry import degrees_of_gradient, gradient, inner_angle
from src.actions.measures.pose import as_pose, trusting
from src.actions.measuring import Measures
from src.pose.skeleton import JointType

#: Every criterion's usual threshold: torsos for heights and distances, degrees for angles.
USUAL = {name: criterion.threshold for name, criterion in CRITERIA.items()}


class ActionTypeJudger:
    """Judges one person by the rules declared under `actions:`; also offers each rule and its geometry alone."""

    @staticmethod
    def judge_action_type_through_criterions(keypoints: ArrayLike, target_action_type: str) -> int:
        """1 when the declared action occurs, 0 when it does not or the person is too incomplete to tell.

        ValueError (a ConfigError that names the nearest action) when the action is not declared.
        """
        return int(judge_person(keypoints, find_action(target_action_type)).occurred is True)

    # --- tools -------------------------------------------------------------------------------------------------------

    @staticmethod
    def get_joint_from_keypoints(keypoints: ArrayLike, joint_type: JointType) -> list[float]:
        """[x, y, confidence] of one joint; [0, 0, 0] when it was not found."""
        return list(as_pose(keypoints).joints[JointType(joint_type)])

    @staticmethod
    def compute_acute_angle_formed_by_three_points(
        first: Sequence[float], vertex: Sequence[float], second: Sequence[float]
    ) -> float:
        """The inner angle at `vertex`, 0 to 180 degrees; NaN when another point coincides with it."""
        return float(inner_angle(_point(first), _point(vertex), _point(second)))

    @staticmethod
    def convert_2d_location_to_gradient(first: Sequence[float], second: Sequence[float]) -> float:
        """Slope of the line, positive when it falls to the right in the picture; infinite when vertical."""
        return gradient(_point(first), _point(second))

    @staticmethod
    def convert_gradient_to_degree(slope: float) -> float:
        """The angle of a slope to the horizontal, -90 to 90 degrees."""
        return degrees_of_gradient(slope)

    @staticmethod
    def compute_2d_location_to_degree(first: Sequence[float], second: Sequence[float]) -> float:
        """The angle of the line through two points to the horizontal, -90 to 90 degrees; NaN when they coincide."""
        return degrees_of_gradient(gradient(_point(first), _point(second)))

    @staticmethod
    def construct_criterion_list_by_target_action_type(target_action_type: str) -> list[Callable[[ArrayLike], int]]:
        """The declared criteria of an action, in order, each a function from keypoints to 1, 0 or -1."""
        return [_as_function(declared) for declared in find_action(target_action_type).criteria]

    @staticmethod
    def check_three_points_and_inner_angle(
        first: Sequence[float], vertex: Sequence[float], second: Sequence[float], threshold: float
    ) -> int:
        """1 when the inner angle at `vertex` is above `threshold` degrees, 0 when not.

        The points are (x, y, confidence); -1 when one was not found or coincides with the vertex.
        """
        if not all(_is_found(point) for point in (first, vertex, second)):
            return UNJUDGED
        angle = inner_angle(_point(first), _point(vertex), _point(second))
        return UNJUDGED if math.isnan(angle) else (HOLDS if angle > threshold else FAILS)

    # --- heights -----------------------------------------------------------------------------------------------------

    @staticmethod
    def judge_by_hand_over_shoulder(keypoints: ArrayLike, threshold: float = USUAL["hand_over_shoulder"]) -> int:
        """1 when a hand is more than `threshold` torsos above the shoulder of its side."""
        return _judge("hand_over_shoulder", keypoints, threshold)

    @staticmethod
    def judge_by_hand_over_neck(keypoints: ArrayLike, threshold: float = USUAL["hand_over_neck"]) -> int:
        """1 when a hand is more than `threshold` torsos above the neck."""
        return _judge("hand_over_neck", keypoints, threshold)

    @staticmethod
    def judge_by_foot_over_knee(keypoints: ArrayLike, threshold: float = USUAL["foot_over_knee"]) -> int:
        """1 when a foot is more than `threshold` torsos above a knee, of either leg."""
        return _judge("foot_over_knee", keypoints, threshold)

    @staticmethod
    def judge_by_foot_over_hand(keypoints: ArrayLike, threshold: float = USUAL["foot_over_hand"]) -> int:
        """1 when a foot is more than `threshold` torsos above a hand, of either side."""
        return _judge("foot_over_hand", keypoints, threshold)

    @staticmethod
    def judge_by_waist_over_hand(keypoints: ArrayLike, threshold: float = USUAL["waist_over_hand"]) -> int:
        """1 when the waist is more than `threshold` torsos above a hand (the handbook's code; its table says head)."""
        return _judge("waist_over_hand", keypoints, threshold)

    @staticmethod
    def judge_by_waist_over_elbow(keypoints: ArrayLike, threshold: float = USUAL["waist_over_elbow"]) -> int:
        """1 when the waist is more than `threshold` torsos above an elbow, of either side."""
        return _judge("waist_over_elbow", keypoints, threshold)

    @staticmethod
    def judge_by_elbow_over_shoulder(keypoints: ArrayLike, threshold: float = USUAL["elbow_over_shoulder"]) -> int:
        """1 when an elbow is more than `threshold` torsos above the shoulder of its side."""
        return _judge("elbow_over_shoulder", keypoints, threshold)

    # --- angles of a line to a fixed axis ----------------------------------------------------------------------------

    @staticmethod
    def judge_by_body_acute_angle_betweeen_vertical_line(
        keypoints: ArrayLike, threshold: float = USUAL["body_acute_angle_betweeen_vertical_line"]
    ) -> int:
        """1 when the line from neck to waist is at least `threshold` degrees off the vertical."""
        return _judge("body_acute_angle_betweeen_vertical_line", keypoints, threshold)

    @staticmethod
    def judge_by_neck_nose_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["neck_nose_line_horizontal"]
    ) -> int:
        """1 when the line from neck to nose is less than `threshold` degrees off the horizontal."""
        return _judge("neck_nose_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_hand_foot_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["hand_foot_line_horizontal"]
    ) -> int:
        """1 when a line from hand to foot is less than `threshold` degrees off the horizontal."""
        return _judge("hand_foot_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_elbow_knee_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["elbow_knee_line_horizontal"]
    ) -> int:
        """1 when a line from elbow to knee is less than `threshold` degrees off the horizontal."""
        return _judge("elbow_knee_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_neck_foot_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["neck_foot_line_horizontal"]
    ) -> int:
        """1 when a line from neck to foot is less than `threshold` degrees off the horizontal."""
        return _judge("neck_foot_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_hand_knee_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["hand_knee_line_horizontal"]
    ) -> int:
        """1 when a line from hand to knee is less than `threshold` degrees off the horizontal."""
        return _judge("hand_knee_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_knee_foot_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["knee_foot_line_horizontal"]
    ) -> int:
        """1 when a line from knee to foot of one leg is less than `threshold` degrees off the horizontal."""
        return _judge("knee_foot_line_horizontal", keypoints, threshold)

    @staticmethod
    def judge_by_neck_waist_line_horizontal(
        keypoints: ArrayLike, threshold: float = USUAL["neck_waist_line_horizontal"]
    ) -> int:
        """1 when the line from neck to waist is less than `threshold` degrees off the horizontal."""
        return _judge("neck_waist_line_horizontal", keypoints, threshold)

    # --- inner angles ------------------------------------------------------------------------------------------------

    @staticmethod
    def judge_by_hand_elbow_shoulder_inner_angle(
        keypoints: ArrayLike, threshold: float = USUAL["hand_elbow_shoulder_inner_angle"]
    ) -> int:
        """1 when the angle at an elbow, between hand and shoulder, is below `threshold` degrees."""
        return _judge("hand_elbow_shoulder_inner_angle", keypoints, threshold)

    @staticmethod
    def judge_by_waist_knee_foot_inner_angle(
        keypoints: ArrayLike, threshold: float = USUAL["waist_knee_foot_inner_angle"]
    ) -> int:
        """1 when the angle at a knee, between waist and foot, is below `threshold` degrees."""
        return _judge("waist_knee_foot_inner_angle", keypoints, threshold)

    @staticmethod
    def judge_by_neck_waist_knee_inner_angle(
        keypoints: ArrayLike, threshold: float = USUAL["neck_waist_knee_inner_angle"]
    ) -> int:
        """1 when the angle at a side of the waist, between neck and knee, is below `threshold` degrees."""
        return _judge("neck_waist_knee_inner_angle", keypoints, threshold)

    # --- distances ---------------------------------------------------------------------------------------------------

    @staticmethod
    def judge_by_knees(keypoints: ArrayLike, threshold: float = USUAL["knees"]) -> int:
        """1 when the knees are more than `threshold` torsos apart."""
        return _judge("knees", keypoints, threshold)

    @staticmethod
    def judge_by_distance_between_feet(keypoints: ArrayLike, threshold: float = USUAL["distance_between_feet"]) -> int:
        """1 when the feet are more than `threshold` torsos apart."""
        return _judge("distance_between_feet", keypoints, threshold)


def _judge(name: str, keypoints: ArrayLike, threshold: float) -> int:
    declared = DeclaredCriterion(name, CRITERIA[name], threshold, ANY_SIDE, 0.0, 1.0)
    return _verdict(keypoints, declared)


def _verdict(keypoints: ArrayLike, declared: DeclaredCriterion) -> int:
    return int(Measures([declared]).on(trusting([as_pose(keypoints)], declared.min_confidence)).verdict[0, 0])


def _as_function(declared: DeclaredCriterion) -> Callable[[ArrayLike], int]:
    def judge(keypoints: ArrayLike) -> int:
        return _verdict(keypoints, declared)

    judge.__name__ = judge.__qualname__ = f"judge_by_{declared.criterion.name}"
    judge.__doc__ = declared.criterion.description
    return judge


def _point(location: Sequence[float]) -> tuple[float, float]:
    return (float(location[0]), float(location[1]))


def _is_found(joint: Sequence[float]) -> bool:
    return len(joint) > 2 and joint[2] > 0 and all(math.isfinite(value) for value in joint)
