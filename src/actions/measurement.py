"""What was measured of criteria on persons: in arrays, and in full for a person of whom it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

from src.actions.action import EACH_SIDE, DeclaredCriterion
from src.actions.combination import FAILS, HOLDS, UNJUDGED
from src.actions.measures.geometry import Array
from src.actions.measures.persons import Chosen, Joints
from src.actions.measures.pose import Pose
from src.actions.measures.spots import Spots
from src.pose.skeleton import JointType

#: One answer for each person: verdicts, or points of a sign with a scale.
Column = Union[NDArray[np.float64], NDArray[np.int8]]


class Measurement(NamedTuple):
    """What decided: the value in `unit`, the same in pixels for lengths, and the joints it comes from.

    `value` is None when nothing could be measured; `joints` are then all that were wanted. `points`: of a sign with a
    scale, None where it was not seen; its verdict is then whether it gives any.
    """

    verdict: int
    value: float | None
    unit: str
    joints: Joints
    length_px: float | None = None
    points: float | None = None


class Decisive(NamedTuple):
    """The readings that decide, as arrays of persons x criteria; NaN where there is none.

    `value`: in the criterion's unit; in pixels where only its sign can be applied (`is_sign_only`), because no limb
    told the body's size. `margin`: how far it is on the side where the criterion holds. `raw`: in pixels or degrees.
    `number`: which reading it is. `is_partial`: others could not be taken.
    """

    value: Array
    margin: Array
    raw: Array
    number: NDArray[np.int64]
    is_partial: NDArray[np.bool_]
    is_sign_only: NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """All criteria on all persons.

    `verdict`: persons x criteria, 1 holds, 0 does not, -1 cannot be judged. `points`: of signs with a scale, NaN
    where one was not seen and for others. `own`: what criteria read that choose their joints, by the criterion's index.
    """

    declared: tuple[DeclaredCriterion, ...]
    persons: Sequence[Pose]
    own: Mapping[int, Chosen]
    decisive: Decisive
    verdict: NDArray[np.int8]
    points: Array

    def __len__(self) -> int:
        return len(self.persons)

    def __iter__(self) -> Iterator[list[Measurement]]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, person: int) -> list[Measurement]:
        """The measurement of each criterion on one person."""
        pose, decisive = self.persons[person], self.decisive
        own = {index: chosen.joints(person) for index, chosen in self.own.items()}
        columns = (decisive.value, decisive.raw, decisive.number, decisive.is_sign_only, self.points)
        rows = zip(self.declared, self.verdict[person].tolist(), *(column[person].tolist() for column in columns))
        return [
            _full(pose, own.get(index, ()), declared, verdict, value, raw, number, "px" if sign else "", points)
            for index, (declared, verdict, value, raw, number, sign, points) in enumerate(rows)
        ]

    def answers(self) -> dict[str, Column]:
        """By label what a combination asks for, one for each person: the verdict, or the points of a sign."""
        return {
            one.label: self.verdict[:, index] if one.scale is None else self.points[:, index]
            for index, one in enumerate(self.declared)
        }


def verdicts(declared: Sequence[DeclaredCriterion], decisive: Decisive, points: Array) -> NDArray[np.int8]:
    """Persons x criteria: 1 holds, 0 does not, -1 cannot be judged. `points`: of signs, NaN for others."""
    is_at_least = [one.criterion.relation == ">=" and not isinstance(one.threshold, tuple) for one in declared]
    has_scale = np.array([one.scale is not None for one in declared], dtype=bool)
    needs_each = np.array([one.sides == EACH_SIDE for one in declared], dtype=bool) & ~has_scale
    within = np.where(np.array(is_at_least, dtype=bool), decisive.margin >= 0, decisive.margin > 0)
    holds = np.where(has_scale, points > 0, within)
    is_open = np.isnan(decisive.value) | (holds & decisive.is_partial & needs_each)
    return np.where(is_open, UNJUDGED, np.where(holds, HOLDS, FAILS)).astype(np.int8)


def _full(
    pose: Pose,
    own: Sequence[Joints],
    declared: DeclaredCriterion,
    verdict: int,
    value: float,
    raw: float,
    number: int,
    unit: str,
    points: float,
) -> Measurement:
    kind = declared.criterion.kind
    unit = unit or kind.unit
    if verdict == UNJUDGED:
        return Measurement(UNJUDGED, None, unit, tuple(dict.fromkeys(_all_joints(pose, own, declared))))
    joints = own[number] if own else _joints(pose, _spots(declared)[number])
    length_px = raw if kind.is_length else None
    return Measurement(verdict, value, unit, joints, length_px, None if declared.scale is None else points)


def _all_joints(pose: Pose, own: Sequence[Joints], declared: DeclaredCriterion) -> Iterator[JointType]:
    """Those of every reading, whether it could be taken or not."""
    if own:
        return (joint for joints in own for joint in joints)
    return (joint for spots in _spots(declared) for joint in _joints(pose, spots))


def _joints(pose: Pose, spots: Spots) -> Joints:
    return tuple(joint for spot in spots for joint in pose.resting_on(spot))


def _spots(declared: DeclaredCriterion) -> tuple[Spots, ...]:
    read = declared.criterion.read
    assert not callable(read)  # their readings name the joints
    return read
