"""Draws labelled persons: a stance of a class, a body, a side to see it from, and the errors of finding it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from src.pose.skeleton import JointType
from tests.bench.skeletons.body import Proportions, Stance, build, rotation, within_limits
from tests.bench.skeletons.camera import Errors, View, photograph
from tests.bench.skeletons.climbing import CLIMBING, MAX_FOLD_OVER_FENCE
from tests.bench.skeletons.everyday import ALSO_SEEN, EVERYDAY, LYING

J = JointType
CLASSES: Mapping[str, Callable[[Generator], Stance]] = {
    **EVERYDAY,
    **ALSO_SEEN,
    **{name: draw for kinds in CLIMBING.values() for name, draw in kinds.items()},
}
MOST_TRIES = 500


def draw_class(
    name: str, count: int, seed: int, view: View | None = None, errors: Errors | None = None
) -> NDArray[np.float64]:
    """`count` found persons of a class (count x 18 x 3); the same for the same arguments."""
    return np.stack([draw_one(name, seed, place, view or View(), errors or Errors()) for place in range(count)])


def draw_one(name: str, seed: int, place: int, view: View, errors: Errors) -> NDArray[np.float64]:
    """The person number `place` of a class (18 x 3)."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed, place])
    return photograph(draw_body(name, rng), rng, view, errors)


def draw_body(name: str, rng: Generator) -> NDArray[np.float64]:
    """The joints in space (18 x 3); stances that joints do not allow, or that are not of the class, are drawn again."""
    body = _proportions(rng)
    for _ in range(MOST_TRIES):
        stance = CLASSES[name](rng)
        joints = build(stance, body)
        if within_limits(joints, stance) and (name not in CLIMBING["climb_over_fence"] or _is_folded(joints)):
            return _laid_down(joints, rng) if name == LYING else joints
    raise RuntimeError(f"no stance of {name} is inside the joints' limits in {MOST_TRIES} tries")


def fold(joints: NDArray[np.float64]) -> float:
    """The smaller of both sides' angles at the waist between neck and knee, in space, in degrees."""
    sides = ((J.RightWaist, J.RightKnee), (J.LeftWaist, J.LeftKnee))
    return min(_angle(joints[J.Neck] - joints[waist], joints[knee] - joints[waist]) for waist, knee in sides)


def _is_folded(joints: NDArray[np.float64]) -> bool:
    return fold(joints) <= MAX_FOLD_OVER_FENCE


def _angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    cosine = float(first @ second) / float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _proportions(rng: Generator) -> Proportions:
    """A grown-up's segments, each a little off the average; one in ten has a child's large head and short legs."""
    usual = Proportions()
    factors = {name: float(rng.normal(1, 0.05)) for name in usual.__dataclass_fields__}
    if rng.random() < 0.1:
        factors["head"] *= 1.35
        factors["thigh"] *= 0.88
        factors["shank"] *= 0.88
    return Proportions(**{name: getattr(usual, name) * factor for name, factor in factors.items()})


def _laid_down(joints: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """On the back, the front or a side, the head anywhere."""
    how = rotation(*(("x", -90.0), ("x", 90.0), ("z", 90.0), ("z", -90.0))[rng.choice(4, p=[0.4, 0.2, 0.2, 0.2])])
    return np.asarray(joints @ how.T)
