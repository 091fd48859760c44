"""How well found people match annotated ones: COCO's AP, and PCK over the labelled joints. NumPy only.

Object keypoint similarity and AP follow COCO's keypoint evaluation (cocodataset.org/#keypoints-eval); PCK@0.2 counts a
joint as found within a fifth of the torso's diagonal (Sapp and Taskar, CVPR 2013: left shoulder to right hip).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import JOINT_COUNT
from src.pose.skeleton import JointType as J

Floats = NDArray[np.float64]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
FOUND_MAX = 20  # people of a picture that count, best first, as in COCO
PCK_SHARE = 0.2

#: COCO's standard deviations of annotated joints, as shares of the square root of the person's area. COCO has no neck.
_SIGMAS = np.zeros(JOINT_COUNT)
for _sigma, _joints in (
    (0.026, (J.Nose,)),
    (0.025, (J.LeftEye, J.RightEye)),
    (0.035, (J.LeftEar, J.RightEar)),
    (0.079, (J.LeftShoulder, J.RightShoulder)),
    (0.072, (J.LeftElbow, J.RightElbow)),
    (0.062, (J.LeftHand, J.RightHand)),
    (0.107, (J.LeftWaist, J.RightWaist)),
    (0.087, (J.LeftKnee, J.RightKnee)),
    (0.089, (J.LeftFoot, J.RightFoot)),
):
    _SIGMAS[list(_joints)] = _sigma


@dataclass(frozen=True)
class PictureScore:
    """One picture: annotated people, labelled joints and how many of them were found close, and for each found person
    (best first, at most FOUND_MAX) its score, whether it lies where nothing is known, and at which THRESHOLDS (10,) it
    matches somebody."""

    persons: int
    joints: int
    close: int
    scores: Floats
    ignored: NDArray[np.bool_]
    matched: NDArray[np.bool_]


def score_picture(
    found: Floats, scores: Floats, annotated: Floats, areas: Floats, unknown: NDArray[np.bool_]
) -> PictureScore:
    """Compare found people (P, 18, 3) with `scores` (P,) to annotated ones (A, 18, 3) with their `areas` (A,).

    All in pixels of one space; `unknown` (P,) marks found people who lie where the annotations say nothing.
    """
    best = np.argsort(-scores, kind="stable")[:FOUND_MAX]
    found, scores, unknown = found[best], scores[best], unknown[best]
    matched = match(similarities(found, annotated, areas))
    joints, close = close_joints(found, annotated)
    return PictureScore(len(annotated), joints, close, scores, unknown, matched)


def similarities(found: Floats, annotated: Floats, areas: Floats) -> Floats:
    """(P, A) object keypoint similarity; a labelled joint that was not found counts 0."""
    similarity = np.zeros((len(found), len(annotated)))
    for column, (person, area) in enumerate(zip(annotated, areas)):
        labelled = (person[:, 2] > 0) & (_SIGMAS > 0)
        if not labelled.any():
            continue
        square = ((found[:, labelled, :2] - person[labelled, :2]) ** 2).sum(axis=2)
        spread = 2 * max(float(area), 1.0) * (2 * _SIGMAS[labelled]) ** 2
        similarity[:, column] = (np.exp(-square / spread) * (found[:, labelled, 2] > 0)).mean(axis=1)
    return similarity


def match(similarity: Floats) -> NDArray[np.bool_]:
    """(P, 10): at each threshold, found people take in turn the most similar annotated one that is still free."""
    matched = np.zeros((len(similarity), len(THRESHOLDS)), bool)
    for column, threshold in enumerate(THRESHOLDS):
        free = similarity.copy()
        for row in range(len(similarity)):
            if free.shape[1] and free[row].max() >= threshold:
                matched[row, column] = True
                free[:, int(free[row].argmax())] = -1
    return matched


def torso(person: Floats) -> float:
    """Pixels from the left shoulder to the right waist joint, else along the other diagonal; 0 where neither is
    labelled."""
    for shoulder, waist in ((J.LeftShoulder, J.RightWaist), (J.RightShoulder, J.LeftWaist)):
        if person[shoulder, 2] > 0 and person[waist, 2] > 0:
            return float(np.hypot(*(person[shoulder, :2] - person[waist, :2])))
    return 0.0


def close_joints(found: Floats, annotated: Floats) -> tuple[int, int]:
    """(labelled joints, how many of them were found within PCK_SHARE of the torso), over people with a torso.

    Each annotated person is paired with another found one, those with most close joints first.
    """
    people = [(person, size) for person in annotated if (size := torso(person)) > 0]
    close = np.zeros((len(found), len(people)), int)
    joints = 0
    for column, (person, size) in enumerate(people):
        labelled = (person[:, 2] > 0) & (_SIGMAS > 0)
        joints += int(labelled.sum())
        distance = np.sqrt(((found[:, labelled, :2] - person[labelled, :2]) ** 2).sum(axis=2))
        close[:, column] = ((distance <= PCK_SHARE * size) & (found[:, labelled, 2] > 0)).sum(axis=1)
    total = 0
    while close.size and close.max() > 0:
        at, whom = np.unravel_index(int(close.argmax()), close.shape)
        total += int(close[at, whom])
        close[at], close[:, whom] = 0, 0
    return joints, total


def average_precision(pictures: list[PictureScore]) -> float:
    """COCO's AP over THRESHOLDS and RECALLS; -1 where nobody is annotated.

    A found person who matches nobody and lies where nothing is known is neither right nor wrong.
    """
    persons = sum(picture.persons for picture in pictures)
    if persons == 0:
        return -1.0
    scores = np.concatenate([picture.scores for picture in pictures])
    ignored = np.concatenate([picture.ignored for picture in pictures])
    matched = np.concatenate([picture.matched for picture in pictures])
    order = np.argsort(-scores, kind="mergesort")
    return float(np.mean([_precision(matched[order, t], ignored[order], persons) for t in range(len(THRESHOLDS))]))


def _precision(matched: NDArray[np.bool_], ignored: NDArray[np.bool_], persons: int) -> float:
    right = matched[matched | ~ignored]
    if not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / persons, RECALLS - 1e-12, side="left")
    return float(np.where(places < len(precision), precision[np.minimum(places, len(precision) - 1)], 0).mean())
