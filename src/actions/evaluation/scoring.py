"""How well an action's rule agrees with labels: confusion, precision, recall, F1, each with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

Z95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; all NaN where nothing was counted."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "  n/a (nothing to count)"
        return f"{self.value:.3f} (95 %: {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Confusion:
    """Counts of pictures (or persons) by label and verdict; "undecided" raises no alarm, so it counts with "no"."""

    true_yes: int
    false_yes: int
    missed: int
    true_no: int
    undecided_positive: int = 0  # those of `missed` that were undecided
    undecided_negative: int = 0  # those of `true_no` that were undecided

    @property
    def precision(self) -> Share:
        """Of the alarms, the share that is right."""
        return wilson(self.true_yes, self.true_yes + self.false_yes)

    @property
    def recall(self) -> Share:
        """Of the pictures in which the action occurs, the share with an alarm."""
        return wilson(self.true_yes, self.true_yes + self.missed)

    @property
    def false_alarm_rate(self) -> Share:
        """Of the pictures in which it does not occur, the share with an alarm; does not depend on how many they are."""
        return wilson(self.false_yes, self.false_yes + self.true_no)

    @property
    def f1(self) -> Share:
        """Harmonic mean of precision and recall.

        F1 = 2J / (1 + J) with J = true_yes / (true_yes + false_yes + missed), a plain share and rising with it, so the
        ends of J's Wilson interval give those of F1.
        """
        overlap = wilson(self.true_yes, self.true_yes + self.false_yes + self.missed)
        return Share(*(2 * j / (1 + j) for j in (overlap.value, overlap.low, overlap.high)))

    def f_beta(self, beta: float) -> float:
        """The mean that weighs recall `beta` times as much as precision; 0 when there is no right alarm."""
        weighted = (1 + beta**2) * self.true_yes
        return weighted / max(weighted + beta**2 * self.missed + self.false_yes, 1)


def wilson(hits: int, total: int) -> Share:
    """The share hits / total with Wilson's score interval (Wilson 1927), which stays in 0 to 1 and never collapses."""
    if total == 0:
        return Share(math.nan, math.nan, math.nan)
    share = hits / total
    spread = 1 + Z95**2 / total
    middle = (share + Z95**2 / (2 * total)) / spread
    half = Z95 * math.sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2)) / spread
    return Share(share, max(0.0, middle - half), min(1.0, middle + half))


def count(outcomes: Iterable[tuple[bool, bool | None]]) -> Confusion:
    """Count pairs (label, verdict); the verdict None is undecided."""
    pairs = list(outcomes)
    return Confusion(
        true_yes=pairs.count((True, True)),
        false_yes=pairs.count((False, True)),
        missed=pairs.count((True, False)) + pairs.count((True, None)),
        true_no=pairs.count((False, False)) + pairs.count((False, None)),
        undecided_positive=pairs.count((True, None)),
        undecided_negative=pairs.count((False, None)),
    )


def any_person(verdicts: Iterable[bool | None]) -> bool | None:
    """The verdict on a picture from those on its persons: yes when it occurs in one, undecided when it might."""
    found = list(verdicts)
    if True in found:
        return True
    return None if None in found else False


def report(confusion: Confusion) -> str:
    """The confusion table and the shares, as lines to print."""
    c = confusion
    return "\n".join(
        (
            "                    judged yes   judged no   (of these undecided)",
            f"label positive      {c.true_yes:10d}  {c.missed:10d}   {c.undecided_positive:10d}",
            f"label negative      {c.false_yes:10d}  {c.true_no:10d}   {c.undecided_negative:10d}",
            f"precision  {c.precision}",
            f"recall     {c.recall}",
            f"F1         {c.f1}",
            f"false alarms among negatives  {c.false_alarm_rate}",
        )
    )
