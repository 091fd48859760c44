"""The decoder's settings: what counts as a peak, as a limb and as a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecodeSettings:
    """Thresholds of the decoder; heatmap and PAF values lie in 0 … 1.

    `peak_threshold`: least heatmap value of a joint.
    `max_peaks_per_joint`: only the strongest are kept, so that the noise of an untrained network costs milliseconds.
    `limb_samples`: points at which the PAF is read between the two ends of a candidate limb.
    `limb_threshold`: least projection of the PAF on the limb's direction at a point that supports the limb.
    `limb_support`: least share of supporting points.
    `min_joints`, `min_mean_score`: persons with fewer joints, or a smaller score per joint, are dropped.
    """

    peak_threshold: float = 0.05
    max_peaks_per_joint: int = 96
    limb_samples: int = 10
    limb_threshold: float = 0.05
    limb_support: float = 0.8
    min_joints: int = 3
    min_mean_score: float = 0.2
