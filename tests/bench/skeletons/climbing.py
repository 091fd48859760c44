"""Stances of the two classes that climb; see everyday.py for what the numbers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.random import Generator

from tests.bench.skeletons.body import LEFT, RIGHT, Stance, Vector, vector
from tests.bench.skeletons.parts import Pair, look, poles

TRUNK = 0.288  # hip to neck


def climb_up(rng: Generator, kind: str) -> Stance:
    """On a ladder, up a wall or fence with the knees out, or stepping high onto its top; the hands hold on above."""
    pelvis, lean, wall = vector(rng.normal(0, 0.02), 1.0, 0), rng.normal(6, 8), rng.uniform(0.12, 0.3)
    outward = rng.uniform(0.7, 1.6) if kind == "spread" else rng.uniform(0, 0.7)
    return look(
        rng,
        Stance(
            pelvis=pelvis,
            feet=_feet_on_wall(rng, kind, pelvis, wall),
            hands=_hands_on_wall(rng, kind, _neck(pelvis, lean), wall),
            lean=lean,
            flexion=rng.normal(0, 6),
            tilt=rng.normal(0, 6),
            twist=rng.normal(0, 8),
            knees=poles(outward, 0.3, 1.0),
            elbows=poles(rng.uniform(0.3, 1.2), -1.0, -0.2),
            head_pitch=rng.normal(-12, 14),
        ),
    )


def climb_over_fence(rng: Generator, kind: str) -> Stance:
    """Across the top of a fence, hands on it: astride and leaning along it, belly on it, or a leg swung up to it."""
    side = LEFT if rng.random() < 0.5 else RIGHT
    low, high = {"astride": (40, 75), "belly": (60, 105), "swing": (35, 70)}[kind]
    above_top = {"astride": (0.02, 0.09), "belly": (-0.02, 0.06), "swing": (-0.02, 0.10)}[kind]
    lean, pelvis = rng.uniform(low, high), vector(0, 1.0, 0)
    return look(
        rng,
        Stance(
            pelvis=pelvis,
            feet=_ordered(side, _leading_foot(rng, kind, pelvis, side), _trailing_foot(rng, kind, pelvis, side)),
            hands=_hands_on_top(rng, kind, 1.0 - rng.uniform(*above_top)),
            lean=lean * 0.6,
            flexion=lean * 0.4 + rng.normal(0, 5),
            tilt=side * rng.uniform(-15, 5),
            twist=rng.normal(0, 12),
            knees=_ordered(side, *_knees_at_top(rng, kind, side)),
        ),
    )


#: action -> its kinds, each a class of its own.
CLIMBING: Mapping[str, Mapping[str, Callable[[Generator], Stance]]] = {
    draw.__name__: {f"{draw.__name__}/{kind}": partial(draw, kind=kind) for kind in kinds}
    for draw, kinds in (
        (climb_up, ("ladder", "spread", "high_step")),
        (climb_over_fence, ("astride", "belly", "swing")),
    )
}

#: The action is a body folded over the fence: the smaller angle between neck, waist and knee in space is at most this.
MAX_FOLD_OVER_FENCE = 90.0


def _neck(pelvis: Vector, lean: float) -> Vector:
    return pelvis + TRUNK * vector(0, float(np.cos(np.radians(lean))), float(np.sin(np.radians(lean))))


def _hands_on_wall(rng: Generator, kind: str, neck: Vector, wall: float) -> Pair:
    """One hand as high as the arm goes or at the edge being climbed, the other up to a forearm below the neck."""
    side = LEFT if rng.random() < 0.5 else RIGHT
    width = {"ladder": 0.10, "spread": 0.2, "high_step": 0.15}[kind]
    highest, second = (0.05, 0.02) if kind == "high_step" else (0.33, 0.2)
    ahead = max(wall - float(neck[2]), 0.08)

    def hold(of: float, low: float, high: float) -> Vector:
        return neck + vector(of * abs(rng.normal(width, 0.05)), rng.uniform(low, high), ahead)

    return _ordered(side, hold(side, -0.02, highest), hold(-side, -0.12, second))


def _feet_on_wall(rng: Generator, kind: str, pelvis: Vector, wall: float) -> Pair:
    """One leg carries, nearly stretched; the other foot is one or two rungs higher, or close to the hip's height."""
    side = LEFT if rng.random() < 0.5 else RIGHT
    support = rng.uniform(0.36, 0.485)
    step = rng.uniform(0.24, 0.42) if kind == "high_step" else rng.uniform(0.12, 0.34)
    spread = rng.uniform(0.08, 0.22) if kind == "spread" else rng.uniform(0.03, 0.11)

    def foot(of: float, below: float) -> Vector:
        return pelvis + vector(of * spread, -below, wall - rng.uniform(0.0, 0.06))

    return _ordered(side, foot(side, support - step), foot(-side, support))


def _leading_foot(rng: Generator, kind: str, pelvis: Vector, side: float) -> Vector:
    """The foot that is over already, hooked onto the top beside the hip, or on its way up there."""
    if kind == "astride":
        place = (rng.uniform(0.10, 0.25), rng.uniform(-0.25, -0.05), rng.uniform(0.05, 0.32))
    elif kind == "belly":
        place = (rng.uniform(0.15, 0.35), rng.uniform(-0.14, 0.06), rng.uniform(-0.12, 0.20))
    else:
        place = (rng.uniform(0.12, 0.38), rng.uniform(-0.16, 0.08), rng.uniform(0.08, 0.36))
    return pelvis + vector(side * place[0], place[1], place[2])


def _trailing_foot(rng: Generator, kind: str, pelvis: Vector, side: float) -> Vector:
    hanging = {"astride": (0.3, 0.46), "belly": (0.4, 0.485), "swing": (0.38, 0.48)}[kind]
    return pelvis + vector(-side * rng.uniform(0.04, 0.16), -rng.uniform(*hanging), rng.uniform(-0.22, 0.1))


def _knees_at_top(rng: Generator, kind: str, side: float) -> Pair:
    aside, up = {"astride": (1.0, 0.0), "belly": (1.0, -0.2), "swing": (0.8, 0.1)}[kind]
    return vector(side * aside, up, rng.uniform(0.2, 0.9)), vector(-side * rng.uniform(0.0, 0.4), -0.2, 1.0)


def _hands_on_top(rng: Generator, kind: str, top: float) -> Pair:
    """On the top of the fence ahead; with the belly on it, also further down on its other side."""
    ahead = rng.uniform(0.15, 0.4)
    below = rng.uniform(0.0, 0.25) if kind == "belly" else rng.uniform(-0.02, 0.06)

    def hand(side: float) -> Vector:
        return vector(side * rng.uniform(0.04, 0.2), top - below + rng.normal(0, 0.02), ahead + rng.normal(0, 0.05))

    return hand(LEFT), hand(RIGHT)


def _ordered(side: float, own: Vector, other: Vector) -> Pair:
    """(left, right) from what belongs to `side` and to the other."""
    return (own, other) if side > 0 else (other, own)
