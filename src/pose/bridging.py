"""Bridging: the parts of a person that a hidden joint separates, joined by the proportions of the body.

All limbs between arms, legs and head run through the neck, and a forearm or shank hangs on its elbow or knee alone.
Where the neck, a shoulder or a hip is hidden, a person falls apart, and nothing in the fields connects the parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.pose.peaks import Peaks
from src.pose.skeleton import CONFIRMING_LIMBS, JOINT_COUNT, LIMBS, JointType

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
_NECK_TO_SHOULDER, _NECK_TO_NOSE, _FACE = 0.129, 0.13, 0.04
#: … and the bones beside those, by which joints of two fragments can be apart.
_TRUNK: tuple[tuple[JointType, JointType, float], ...] = (
    (J.Neck, J.RightShoulder, _NECK_TO_SHOULDER),
    (J.Neck, J.LeftShoulder, _NECK_TO_SHOULDER),
    (J.RightShoulder, J.RightWaist, 0.288),
    (J.LeftShoulder, J.LeftWaist, 0.288),
    (J.RightWaist, J.LeftWaist, 0.191),
    (J.Neck, J.RightWaist, 0.3),
    (J.Neck, J.LeftWaist, 0.3),
    (J.Neck, J.Nose, _NECK_TO_NOSE),
    (J.Nose, J.RightEye, _FACE),
    (J.Nose, J.LeftEye, _FACE),
    (J.RightEye, J.RightEar, _FACE),
    (J.LeftEye, J.LeftEar, _FACE),
)


def _reaches() -> NDArray[np.float32]:
    """(18, 18): how far two joints can be apart over the body's height: the bones between them, stretched out."""
    reach = np.full((JOINT_COUNT, JOINT_COUNT), np.inf, np.float32)
    np.fill_diagonal(reach, 0)
    for a, b, length in (*_BONES, *_TRUNK):
        reach[a, b] = reach[b, a] = length
    for joint in J:  # Floyd and Warshall's shortest paths
        reach = np.minimum(reach, reach[:, joint, None] + reach[None, joint])
    return np.maximum(reach, _FACE)


_REACH = _reaches()
#: Pairs of joints that two fragments of one person cannot hold: the same joint, or the two ends of a limb.
_LINKS = np.array(
    [(joint, joint) for joint in J]
    + [ends for limb, (a, b) in enumerate(LIMBS) if limb not in CONFIRMING_LIMBS for ends in ((a, b), (b, a))]
)
_BONE_ENDS, _BONE_SHARES = np.array([bone[:2] for bone in _BONES]), np.array([bone[2] for bone in _BONES], np.float32)

#: A gap may be this much longer: people differ, and what is nearer looks larger.
_GAP_SLACK = 1.25
#: Parts of one person may differ this much in size, because limbs point towards the camera …
_SIZE_RATIO = 2.5
#: … and a single bone may look this much shorter than the rest of the body.
_BONE_RATIO = 4.0
#: Only the strongest fragments are looked at: the maps of an untrained network hold thousands.
_MOST_FRAGMENTS = 64


def bridge(
    peaks: Peaks, members: NDArray[np.intp], strength: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Join fragments (F, 18) without a neck to each other and to persons, the best fitting pair first; returns members
    and strengths as given.

    Two fragments fit where the fields say nothing against it, both are of one size, and no joint of one lies farther
    from one of the other than the bones between them would reach on a body of that size.
    """
    loose = _strongest(np.flatnonzero(members[:, J.Neck] < 0), strength)
    if not len(loose) or len(members) < 2:
        return members, strength
    others = _strongest(np.arange(len(members)), strength)
    misfit = _misfits(peaks, members[loose], members[others])
    misfit[loose[:, None] == others] = np.inf
    pairs = np.argwhere(misfit <= _GAP_SLACK)
    pairs = pairs[np.argsort(misfit[tuple(pairs.T)], kind="stable")]
    members, strength = members.copy(), strength.copy()
    stands_for = np.arange(len(members))
    for a, b in zip(loose[pairs[:, 0]], others[pairs[:, 1]]):
        a, b = stands_for[a], stands_for[b]
        if a == b or not _unlinked(members[a : a + 1] >= 0, members[b : b + 1] >= 0):
            continue
        members[a] = np.maximum(members[a], members[b])
        strength[a] += strength[b]
        stands_for[stands_for == b] = a
    kept = stands_for == np.arange(len(members))
    return members[kept], strength[kept]


def _strongest(fragments: NDArray[np.intp], strength: NDArray[np.float32]) -> NDArray[np.intp]:
    return fragments[np.argsort(-strength[fragments], kind="stable")[:_MOST_FRAGMENTS]]


def _misfits(peaks: Peaks, pieces: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.float32]:
    """(A, B): how far two fragments (A, 18), (B, 18) are apart, over how far they could be in one person.

    Of all pairs of joints the farthest counts; infinite where two cannot be one person.
    """
    places = np.append(peaks.xy_cell, np.full((1, 2), np.nan, np.float32), axis=0)
    height, other_height = _body_heights(places[pieces])[:, None], _body_heights(places[others])[None]
    bones, other_bones = ((indices >= 0).sum(axis=1) - 1 for indices in (pieces, others))
    ratio = np.maximum(height, other_height) / np.maximum(np.minimum(height, other_height), 1e-6)
    smaller_is_bone = np.where(height < other_height, bones[:, None] == 1, other_bones[None] == 1)
    sized = np.minimum(height, other_height) > 0
    possible = (
        sized & _unlinked(pieces >= 0, others >= 0) & (ratio <= np.where(smaller_is_bone, _BONE_RATIO, _SIZE_RATIO))
    )
    misfits = np.full(possible.shape, np.inf, np.float32)
    a, b = np.nonzero(possible)
    apart = places[pieces[a]][:, :, None] - places[others[b]][:, None]  # (P, 18, 18, xy)
    farthest = np.fmax.reduce(np.hypot(apart[..., 0], apart[..., 1]) / _REACH, axis=(1, 2), initial=0)
    misfits[a, b] = farthest / np.maximum(height, other_height)[a, b]
    return misfits


def _unlinked(held: NDArray[np.bool_], other_held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(A, B): that two fragments share no joint, and that there is no limb of which they hold an end each.

    Where both ends of a limb were found, the fields have had their say: they did not connect them.
    """
    linked = held[:, _LINKS[:, 0]].astype(np.float32) @ other_held[:, _LINKS[:, 1]].T.astype(np.float32)
    return linked == 0


def _body_heights(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) heights in cells of the bodies that the longest bones, each for its kind, belong to; 0 without bones."""
    lengths = np.hypot(*np.moveaxis(xy[:, _BONE_ENDS[:, 0]] - xy[:, _BONE_ENDS[:, 1]], -1, 0))
    return np.fmax.reduce(lengths / _BONE_SHARES, axis=1, initial=0)
