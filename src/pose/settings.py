"""The decoder's settings: what counts as a peak, as a limb and as a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecodeSettings:
    """Thresholds of the decoder. Heatmap and PAF values lie in 0 … 1, lengths are in map cells.

    `weak_threshold`: least heatmap value of a joint; `peak_threshold`: a limb needs at least one end this sure, so weak
    peaks (occluded or blurred joints) are found beside sure ones, and noise alone makes no person.
    `max_peaks_per_joint`: only the strongest are kept, with a warning; bounds the time that maps of an untrained
    network take, far above any crowd that a picture shows.
    `limb_samples`: points at which the PAF is read between the two ends of a candidate limb.
    `limb_threshold`: least projection of the PAF on the limb's direction at a point that supports the limb.
    `limb_support`: least share of supporting points.
    `short_limb_cells`: below this length a limb's direction is mostly the peaks' rounding; the shorter the limb, the
    more the field's strength counts in place of its projection.
    `min_joints`, `min_mean_score`: persons with fewer joints, or less confidence and limb score per joint, are dropped.
    `min_score`: so are persons whose final score is smaller: an arm of four faint joints is no one to judge.
    `half_score_cells`: diagonal of a person whose score is halved because a joint's usual error (0.8 cells) is as
    large as the tolerance that object keypoint similarity gives to a person of that size.
    """

    weak_threshold: float = 0.02
    peak_threshold: float = 0.05
    max_peaks_per_joint: int = 256
    limb_samples: int = 10
    limb_threshold: float = 0.02
    limb_support: float = 0.7
    short_limb_cells: float = 2.0
    min_joints: int = 3
    min_mean_score: float = 0.2
    min_score: float = 0.02
    half_score_cells: float = 7.0
