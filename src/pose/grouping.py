"""Grouping: peaks joined to persons by their limbs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.pose.limbs import Connections
from src.pose.peaks import Peaks
from src.pose.skeleton import CONFIRMING_LIMBS, JOINT_COUNT, LIMB_COUNT


class Fragments:
    """Disjoint sets of peaks, each of which holds a joint at most once.

    Each peak starts as a fragment of its own. `strength[root]` is the sum of the limb scores in that fragment.
    """

    def __init__(self, peaks: Peaks) -> None:
        self.joint: list[int] = peaks.joint.tolist()
        self.strength = [0.0] * len(self.joint)
        self._parent = list(range(len(self.joint)))
        self._held = [1 << joint for joint in self.joint]

    def root(self, peak: int) -> int:
        """The peak that stands for the fragment `peak` is in."""
        parent = self._parent
        while parent[peak] != peak:
            parent[peak] = parent[parent[peak]]
            peak = parent[peak]
        return peak

    def join(self, a: int, b: int, score: float) -> bool:
        """Make one fragment of those of peaks `a` and `b`; False, and nothing done, where both hold the same joint.

        Within one fragment the limb only adds its score: it confirms what other limbs joined.
        """
        a, b = self.root(a), self.root(b)
        if a != b:
            if self._held[a] & self._held[b]:
                return False
            self._parent[b] = a
            self._held[a] |= self._held[b]
            self.strength[a] += self.strength[b]
        self.strength[a] += score
        return True

    def members(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """(F, 18) peaks of every fragment that has a limb, -1 where a joint is missing, and its strength (F,)."""
        row_of: dict[int, int] = {}
        rows: list[list[int]] = []
        strength: list[float] = []
        for peak, joint in enumerate(self.joint):
            root = self.root(peak)
            if self.strength[root] == 0:
                continue
            if root not in row_of:
                row_of[root] = len(rows)
                rows.append([-1] * JOINT_COUNT)
                strength.append(self.strength[root])
            rows[row_of[root]][joint] = peak
        return np.array(rows, np.intp).reshape(-1, JOINT_COUNT), np.array(strength, np.float32)


def group(peaks: Peaks, connections: Connections) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Join peaks to persons, the strongest limb first and the confirming limbs last.

    Returns (P, 18) indices of peaks, -1 where a joint is missing, and the sum of the limb scores (P,). That every
    fragment holds a joint once makes the choice one-to-one for each limb and keeps two people apart who touch.
    """
    fragments = Fragments(peaks)
    confirming = np.isin(connections.limb, list(CONFIRMING_LIMBS))
    order = np.lexsort((-connections.score, confirming))
    # A peak that has its partner for a limb takes no other: its fragment holds that joint already.
    first_of_limb = connections.limb[order, None] * len(peaks)
    marks = (first_of_limb + connections.ends[order]).tolist()
    has_end, has_start = bytearray(LIMB_COUNT * len(peaks)), bytearray(LIMB_COUNT * len(peaks))
    ends, scores = connections.ends[order].tolist(), connections.score[order].tolist()
    for (a, b), (mark_a, mark_b), score in zip(ends, marks, scores):
        if not has_end[mark_a] and not has_start[mark_b] and fragments.join(a, b, score):
            has_end[mark_a] = has_start[mark_b] = 1
    return fragments.members()
