"""The criteria: what each measures, in which unit, and what it usually has to exceed or stay below.

A criterion is one row in CRITERIA: its kind (hence its unit), relation and usual threshold, and the pairs of spots that
it reads, one for each pair or side it may look at. One that chooses its joints by where they are, or needs a scene, has
a function from Persons to what it chose of them instead. Its name and the sentence that says when it holds are in
src/translations/criteria.yaml. It can then be declared, explained, evaluated and tuned like the others.

The picture's y axis points down: "a over b" measures y_b - y_a, positive when a is higher. Heights and distances are
divided by the torso's length (see pose.torso_lengths), so a scaled copy measures the same; angles are unsigned and in
degrees, so a mirrored copy measures the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from src.actions.measures import extremes, scene_lines
from src.actions.measures.persons import Chosen, Persons
from src.actions.measures.readings import Kind
from src.actions.measures.spots import (
    ELBOWS,
    FEET,
    HANDS,
    KNEES,
    NECK,
    NOSE,
    SHOULDER_LINE,
    SHOULDERS,
    WAISTS,
    Spots,
    each,
    either,
    own,
)
from src.translations import lookup

Measure = Callable[[Persons], Chosen]


@dataclass(frozen=True)
class Criterion:
    """One row of the table: holds when `measured relation threshold` for any (or each) of its readings."""

    name: str  # the word that declarations use
    kind: Kind
    relation: str  # ">", ">=" or "<"
    threshold: float  # usual threshold, in the kind's unit
    read: tuple[Spots, ...] | Measure

    @property
    def description(self) -> str:
        """When it holds, in one sentence."""
        return self.hint()

    def display_name(self, language: str = "en") -> str:
        """Its name for readers."""
        return lookup(f"criterion_name.{self.name}", language) or self.name.replace("_", " ")

    def hint(self, language: str = "en") -> str:
        """When it holds, in one sentence of that language, or in English where there is none."""
        message_id = f"criterion_hint.{self.name}"
        return lookup(message_id, language) or lookup(message_id, "en") or self.display_name(language)


#: The word in a declaration -> the criterion. The first twenty are the handbook's (`judge_by_<word>`).
CRITERIA: Mapping[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        Criterion("hand_over_shoulder", Kind.HEIGHT, ">", 0.0, own(HANDS, SHOULDERS)),
        Criterion("hand_over_neck", Kind.HEIGHT, ">", 0.0, each(HANDS, NECK)),
        Criterion("foot_over_knee", Kind.HEIGHT, ">", 0.0, either(FEET, KNEES)),
        Criterion("foot_over_hand", Kind.HEIGHT, ">", 0.0, either(FEET, HANDS)),
        Criterion("waist_over_hand", Kind.HEIGHT, ">", 0.0, either(WAISTS, HANDS)),
        Criterion("waist_over_elbow", Kind.HEIGHT, ">", 0.0, either(WAISTS, ELBOWS)),
        Criterion("elbow_over_shoulder", Kind.HEIGHT, ">", 0.0, own(ELBOWS, SHOULDERS)),
        Criterion("body_acute_angle_betweeen_vertical_line", Kind.TO_VERTICAL, ">=", 45.0, ((NECK, WAISTS),)),
        Criterion("neck_nose_line_horizontal", Kind.TO_HORIZONTAL, "<", 30.0, ((NECK, NOSE),)),
        Criterion("hand_foot_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, either(HANDS, FEET)),
        Criterion("elbow_knee_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, either(ELBOWS, KNEES)),
        Criterion("neck_foot_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, either(NECK, FEET)),
        Criterion("hand_knee_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, either(HANDS, KNEES)),
        Criterion("knee_foot_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, own(KNEES, FEET)),
        Criterion("neck_waist_line_horizontal", Kind.TO_HORIZONTAL, "<", 20.0, ((NECK, WAISTS),)),
        Criterion("hand_elbow_shoulder_inner_angle", Kind.INNER_ANGLE, "<", 90.0, own(HANDS, ELBOWS, SHOULDERS)),
        Criterion("waist_knee_foot_inner_angle", Kind.INNER_ANGLE, "<", 90.0, own(WAISTS, KNEES, FEET)),
        Criterion("neck_waist_knee_inner_angle", Kind.INNER_ANGLE, "<", 90.0, own(NECK * 2, WAISTS, KNEES)),
        Criterion("knees", Kind.DISTANCE, ">", 0.7, own(KNEES[:1], KNEES[1:])),
        Criterion("distance_between_feet", Kind.DISTANCE, ">", 1.0, own(FEET[:1], FEET[1:])),
        Criterion("hand_over_waist", Kind.HEIGHT, ">", 0.0, either(HANDS, WAISTS)),
        Criterion("hand_over_foot", Kind.HEIGHT, ">", 0.0, either(HANDS, FEET)),
        Criterion("knee_over_waist", Kind.HEIGHT, ">", -0.5, either(KNEES, WAISTS)),
        Criterion("waist_over_foot", Kind.HEIGHT, ">", 1.0, either(WAISTS, FEET)),
        Criterion("foot_over_waist", Kind.HEIGHT, ">", -0.5, either(FEET, WAISTS)),
        Criterion("leg_raised", Kind.HEIGHT, ">", 0.5, own(FEET + KNEES, FEET[::-1] + KNEES[::-1])),
        Criterion("foot_over_other_knee", Kind.HEIGHT, ">", 0.0, own(FEET, KNEES[::-1])),
        Criterion("lower_foot_line_horizontal", Kind.TO_HORIZONTAL, "<", 45.0, extremes.lower_foot_line_horizontal),
        Criterion("hands_at_foot", Kind.DISTANCE, "<", 0.5, extremes.hands_at_foot),
        Criterion("joint_confidence", Kind.CONFIDENCE, ">=", 0.9, extremes.joint_confidence),
        Criterion("body_width", Kind.WIDTH, ">", 1.5, extremes.body_width),
        # points cards
        Criterion("body_height", Kind.HEIGHT, ">", 1.5, extremes.body_height),
        Criterion("elbow_over_foot", Kind.HEIGHT, ">", 0.0, either(ELBOWS, FEET)),
        Criterion("elbow_over_knee", Kind.HEIGHT, ">", 0.0, either(ELBOWS, KNEES)),
        Criterion("elbow_over_knees", Kind.HEIGHT, ">", 0.0, each(ELBOWS, KNEES)),
        Criterion("elbow_over_shoulder_line", Kind.HEIGHT, ">", 0.0, each(ELBOWS, SHOULDER_LINE)),
        Criterion("feet_uneven", Kind.HEIGHT, ">", 0.2, own(FEET, FEET[::-1])),
        Criterion("hand_over_lowest_joint", Kind.HEIGHT, ">", 0.0, extremes.hand_over_lowest_joint),
        Criterion("hand_over_own_foot", Kind.HEIGHT, ">", 0.0, own(HANDS, FEET)),
        Criterion("hand_over_own_knee", Kind.HEIGHT, ">", 0.0, own(HANDS, KNEES)),
        Criterion("hand_over_waist_middle", Kind.HEIGHT, ">", 0.0, each(HANDS, WAISTS)),
        Criterion("highest_joint_over_hand", Kind.HEIGHT, ">", 0.3, extremes.highest_joint_over_hand),
        Criterion("knee_over_feet", Kind.HEIGHT, ">", 0.0, each(KNEES, FEET)),
        Criterion("knee_over_foot", Kind.HEIGHT, ">", 0.0, either(KNEES, FEET)),
        Criterion("shoulder_over_knees", Kind.HEIGHT, ">", 0.0, each(SHOULDERS, KNEES)),
        Criterion("shoulder_over_own_elbow", Kind.HEIGHT, ">", 0.0, own(SHOULDERS, ELBOWS)),
        Criterion("shoulder_over_own_foot", Kind.HEIGHT, ">", 0.0, own(SHOULDERS, FEET)),
        Criterion("shoulder_over_own_hand", Kind.HEIGHT, ">", 0.0, own(SHOULDERS, HANDS)),
        Criterion("shoulder_over_waist", Kind.HEIGHT, ">", 0.0, either(SHOULDERS, WAISTS)),
        Criterion("shoulders_uneven", Kind.HEIGHT, ">", 0.2, own(SHOULDERS, SHOULDERS[::-1])),
        Criterion("waist_over_feet", Kind.HEIGHT, ">", 0.0, each(WAISTS, FEET)),
        Criterion("waist_tilted", Kind.HEIGHT, ">", 0.2, own(WAISTS, WAISTS[::-1])),
        Criterion("elbow_knee_distance", Kind.DISTANCE, ">", 1.0, either(ELBOWS, KNEES)),
        Criterion("elbow_knee_rise", Kind.ELEVATION, ">", 45.0, either(ELBOWS, KNEES)),
        Criterion("elbow_own_hand_rise", Kind.ELEVATION, ">", 45.0, own(ELBOWS, HANDS)),
        Criterion("elbow_own_knee_rise", Kind.ELEVATION, ">", 45.0, own(ELBOWS, KNEES)),
        Criterion("elbow_own_knee_width", Kind.WIDTH, ">", 0.5, own(ELBOWS, KNEES)),
        Criterion("elbow_own_waist_rise", Kind.ELEVATION, ">", 45.0, own(ELBOWS, WAISTS)),
        Criterion("elbow_shoulder_line_distance", Kind.DISTANCE, ">", 1.0, each(ELBOWS, SHOULDER_LINE)),
        Criterion("elbow_shoulder_waist_inner_angle", Kind.INNER_ANGLE, ">", 90.0, own(ELBOWS, SHOULDERS, WAISTS)),
        Criterion("elbow_waist_distance", Kind.DISTANCE, ">", 1.0, either(ELBOWS, WAISTS)),
        Criterion("hand_foot_rise", Kind.ELEVATION, ">", 45.0, either(HANDS, FEET)),
        Criterion("hand_knee_distance", Kind.DISTANCE, ">", 1.0, either(HANDS, KNEES)),
        Criterion("hand_knee_rise", Kind.ELEVATION, ">", 45.0, either(HANDS, KNEES)),
        Criterion("hand_own_knee_distance", Kind.DISTANCE, ">", 1.0, own(HANDS, KNEES)),
        Criterion("hand_own_waist_distance", Kind.DISTANCE, ">", 1.0, own(HANDS, WAISTS)),
        Criterion("hand_own_waist_rise", Kind.ELEVATION, ">", 45.0, own(HANDS, WAISTS)),
        Criterion("hand_shoulder_line_distance", Kind.DISTANCE, ">", 1.0, each(HANDS, SHOULDER_LINE)),
        Criterion("hand_shoulder_line_rise", Kind.ELEVATION, ">", 45.0, each(HANDS, SHOULDER_LINE)),
        Criterion("hand_shoulder_waist_inner_angle", Kind.INNER_ANGLE, ">", 90.0, own(HANDS, SHOULDERS, WAISTS)),
        Criterion("hand_waist_distance", Kind.DISTANCE, ">", 1.0, either(HANDS, WAISTS)),
        Criterion("hands_apart_sideways", Kind.WIDTH, ">", 0.7, own(HANDS[:1], HANDS[1:])),
        Criterion("knee_own_foot_rise", Kind.ELEVATION, ">", 45.0, own(KNEES, FEET)),
        Criterion("knee_shoulder_line_distance", Kind.DISTANCE, ">", 1.0, each(KNEES, SHOULDER_LINE)),
        Criterion("knee_shoulder_line_rise", Kind.ELEVATION, ">", 45.0, each(KNEES, SHOULDER_LINE)),
        Criterion("knees_apart_sideways", Kind.WIDTH, ">", 0.7, own(KNEES[:1], KNEES[1:])),
        Criterion("knees_feet_rise", Kind.ELEVATION, ">", 45.0, ((KNEES, FEET),)),
        Criterion("shoulder_own_foot_width", Kind.WIDTH, ">", 0.5, own(SHOULDERS, FEET)),
        Criterion("shoulder_own_knee_distance", Kind.DISTANCE, ">", 1.0, own(SHOULDERS, KNEES)),
        Criterion("shoulder_own_waist_distance", Kind.DISTANCE, ">", 1.0, own(SHOULDERS, WAISTS)),
        Criterion("shoulder_waist_rise", Kind.ELEVATION, ">", 45.0, either(SHOULDERS, WAISTS)),
        Criterion("shoulders_elbows_rise", Kind.ELEVATION, ">", 45.0, ((SHOULDERS, ELBOWS),)),
        Criterion("shoulders_feet_rise", Kind.ELEVATION, ">", 45.0, ((SHOULDERS, FEET),)),
        Criterion("shoulders_seen_from_front", Kind.SIDEWAYS, ">", 0.0, ((SHOULDERS[1:], SHOULDERS[:1]),)),
        Criterion("waist_knee_rise", Kind.ELEVATION, ">", 45.0, either(WAISTS, KNEES)),
        Criterion("waist_middle_knees_rise", Kind.ELEVATION, ">", 45.0, ((WAISTS, KNEES),)),
        Criterion("waist_own_foot_distance", Kind.DISTANCE, ">", 1.0, own(WAISTS, FEET)),
        Criterion("waist_own_foot_rise", Kind.ELEVATION, ">", 45.0, own(WAISTS, FEET)),
        Criterion("waist_own_knee_width", Kind.WIDTH, ">", 0.5, own(WAISTS, KNEES)),
        Criterion("waist_seen_from_front", Kind.SIDEWAYS, ">", 0.0, ((WAISTS[1:], WAISTS[:1]),)),
        # where a scene is declared
        Criterion("hand_near_fence", Kind.LINE_DISTANCE, "<", 0.3, scene_lines.hand_near_fence),
        Criterion("waist_over_fence", Kind.LINE_HEIGHT, ">", 0.0, scene_lines.waist_over_fence),
        Criterion("feet_on_either_side_of_fence", Kind.LINE_SIDES, ">", 0.0, scene_lines.feet_on_either_side_of_fence),
        Criterion("foot_over_ground", Kind.LINE_HEIGHT, ">", 0.3, scene_lines.foot_over_ground),
    )
}
