"""Bridging: the parts of a person whose neck was not found, joined by the proportions of the body.

All limbs between arms, legs and head run through the neck. Where it is hidden, a person falls apart into an arm or a
leg each, and nothing in the fields connects them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.pose.peaks import Peaks
from src.pose.skeleton import JointType

J = JointType

#: Length over body height, after Drillis and Contini (1966): bones that tell a fragment's size …
_BONES: tuple[tuple[JointType, JointType, float], ...] = (
    (J.RightShoulder, J.RightElbow, 0.186),
    (J.LeftShoulder, J.LeftElbow, 0.186),
    (J.RightElbow, J.RightHand, 0.146),
    (J.LeftElbow, J.LeftHand, 0.146),
    (J.RightWaist, J.RightKnee, 0.245),
    (J.LeftWaist, J.LeftKnee, 0.245),
    (J.RightKnee, J.RightFoot, 0.246),
    (J.LeftKnee, J.LeftFoot, 0.246),
)
#: … and the gaps between the fragments of one person.
_GAPS: tuple[tuple[JointType, JointType, float], ...] = (
    (J.RightShoulder, J.LeftShoulder, 0.259),
    (J.RightWaist, J.LeftWaist, 0.191),
    (J.RightShoulder, J.RightWaist, 0.288),
    (J.LeftShoulder, J.LeftWaist, 0.288),
)
_BONE_ENDS, _BONE_SHARES = np.array([bone[:2] for bone in _BONES]), np.array([bone[2] for bone in _BONES], np.float32)
# Each gap in both directions: which fragment has which end is not known.
_GAP_ENDS = np.array([ends for a, b, _ in _GAPS for ends in ((a, b), (b, a))])
_GAP_SHARES = np.repeat(np.array([gap[2] for gap in _GAPS], np.float32), 2)

#: A gap may be this much longer: people differ, and what is nearer looks larger.
_GAP_SLACK = 1.25
#: Parts of one person may differ this much in size, because limbs point towards the camera.
_SIZE_RATIO = 2.0
#: Only the strongest fragments are looked at: the maps of an untrained network hold thousands.
_MOST_FRAGMENTS = 64


def bridge(
    peaks: Peaks, members: NDArray[np.intp], strength: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Join fragments (F, 18) without a neck, the best fitting pair first; returns members and strengths as given.

    Two fragments fit where they share no joint, are of one size, and a shoulder or hip of one lies no farther from that
    of the other than on a body of that size.
    """
    loose = np.flatnonzero(members[:, J.Neck] < 0)
    loose = loose[np.argsort(-strength[loose], kind="stable")[:_MOST_FRAGMENTS]]
    if len(loose) < 2:
        return members, strength
    misfit = _misfits(peaks, members[loose])
    pairs = np.argwhere(misfit <= _GAP_SLACK)
    pairs = loose[pairs[np.argsort(misfit[tuple(pairs.T)], kind="stable")]]
    members, strength = members.copy(), strength.copy()
    stands_for = np.arange(len(members))
    for a, b in pairs:
        a, b = stands_for[a], stands_for[b]
        if a == b or ((members[a] >= 0) & (members[b] >= 0)).any():
            continue
        members[a] = np.maximum(members[a], members[b])
        strength[a] += strength[b]
        stands_for[stands_for == b] = a
    kept = stands_for == np.arange(len(members))
    return members[kept], strength[kept]


def _misfits(peaks: Peaks, members: NDArray[np.intp]) -> NDArray[np.float32]:
    """(F, F): the narrowest gap between two fragments over its length on a body; infinite on and below the diagonal and
    where two cannot be one person.
    """
    xy = np.append(peaks.xy_cell, np.full((1, 2), np.nan, np.float32), axis=0)[members]
    height = _body_heights(xy)
    small, large = np.minimum.outer(height, height), np.maximum.outer(height, height)
    gaps = np.hypot(*np.moveaxis(xy[:, None, _GAP_ENDS[:, 0]] - xy[None, :, _GAP_ENDS[:, 1]], -1, 0)) / _GAP_SHARES
    narrowest = np.fmin.reduce(gaps, axis=2) / np.maximum(large, 1e-6)
    possible = np.triu((small * _SIZE_RATIO >= large) & (small > 0), 1) & np.isfinite(narrowest)
    return np.where(possible, narrowest, np.float32(np.inf))


def _body_heights(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) heights in cells of the bodies that the longest bones, each for its kind, belong to; 0 without bones."""
    lengths = np.hypot(*np.moveaxis(xy[:, _BONE_ENDS[:, 0]] - xy[:, _BONE_ENDS[:, 1]], -1, 0))
    return np.fmax.reduce(lengths / _BONE_SHARES, axis=1, initial=0)
