"""Draws labelled persons: a stance of a class, a body, a side to see it from, and the errors of finding it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.bench.skeletons.body import Proportions, Stance, build, rotation, within_limits
from tests.bench.skeletons.camera import Errors, photograph
from tests.bench.skeletons.climbing import CLIMBING
from tests.bench.skeletons.everyday import ALSO_SEEN, EVERYDAY, LYING

CLASSES: Mapping[str, Callable[[Generator], Stance]] = {**EVERYDAY, **ALSO_SEEN, **CLIMBING}
MOST_TRIES = 200


def draw_class(name: str, count: int, seed: int, errors: Errors | None = None) -> NDArray[np.float64]:
    """`count` found persons of a class (count x 18 x 3); the same for the same name, count and seed."""
    return np.stack([draw_one(name, seed, place, errors or Errors()) for place in range(count)])


def draw_one(name: str, seed: int, place: int, errors: Errors) -> NDArray[np.float64]:
    """The person number `place` of a class (18 x 3)."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed, place])
    return photograph(draw_body(name, rng), rng, errors)


def draw_body(name: str, rng: Generator) -> NDArray[np.float64]:
    """The joints in space (18 x 3); stances that joints do not allow are drawn again."""
    body = _proportions(rng)
    for _ in range(MOST_TRIES):
        stance = CLASSES[name](rng)
        joints = build(stance, body)
        if within_limits(joints, stance):
            return _laid_down(joints, rng) if name == LYING else joints
    raise RuntimeError(f"no stance of {name} is inside the joints' limits in {MOST_TRIES} tries")


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
