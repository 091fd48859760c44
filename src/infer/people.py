"""Which of the persons found are judged, drawn and counted; the others stay in the results, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A person with at most this share of another's joints, nearly all inside the other's box, is a piece of it.
_PIECE_JOINTS = 0.5
_PIECE_INSIDE = 0.9


@dataclass(frozen=True)
class PersonLimits:
    """A person counts from this score (0 … 1) and this number of joints on; the defaults are those of the job."""

    min_score: float = 0.05
    min_joints: int = 5


EVERYBODY = PersonLimits(0.0, 0)


def reasons_to_ignore(poses: NDArray[np.float32], scores: NDArray[np.float32], limits: PersonLimits) -> list[str]:
    """For each person (P, 18, 3), best first: "" when it counts, else "score", "joints" or "piece"."""
    if limits == EVERYBODY:
        return [""] * len(poses)
    joints = (poses[..., 2] > 0).sum(axis=1)
    pieces = _pieces(poses, joints)
    return list(_reasons(scores, joints, pieces, limits))


def _reasons(
    scores: NDArray[np.float32], joints: NDArray[np.intp], pieces: NDArray[np.bool_], limits: PersonLimits
) -> Iterator[str]:
    for score, count, piece in zip(scores, joints, pieces):
        if count < limits.min_joints:
            yield "joints"
        elif score < limits.min_score:
            yield "score"
        else:
            yield "piece" if piece else ""


def _pieces(poses: NDArray[np.float32], joints: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(P,): whether a person is a piece of another one, such as a second arm found beside the whole body."""
    found = poses[..., 2] > 0
    low = np.where(found[..., None], poses[..., :2], np.inf).min(axis=1)
    high = np.where(found[..., None], poses[..., :2], -np.inf).max(axis=1)
    places = poses[:, None, :, :2]  # of each person, against each other's box
    inside = ((places >= low[None, :, None]) & (places <= high[None, :, None])).all(axis=-1) & found[:, None]
    share = inside.sum(axis=2) / np.maximum(joints, 1)[:, None]
    smaller = joints[:, None] <= _PIECE_JOINTS * joints[None, :]
    return (smaller & (share >= _PIECE_INSIDE)).any(axis=1)
