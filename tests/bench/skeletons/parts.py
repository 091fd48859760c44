"""What stances of all classes are put together from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from tests.bench.skeletons.body import ANKLE_HEIGHT, LEFT, RIGHT, Stance, Vector, vector

Pair = tuple[Vector, Vector]


def two_feet(
    rng: Generator, width: float, depth: float, ahead: float = 0.0, heel: float = 0.0, up: float = 0.0
) -> Pair:
    """Both feet side by side, a little apart in depth."""
    height = ANKLE_HEIGHT + heel + up
    jitter = rng.normal(0, 0.015, (2, 2))
    return (
        vector(width + jitter[0, 0], height, ahead + depth + jitter[0, 1]),
        vector(-width + jitter[1, 0], height, ahead - depth + jitter[1, 1]),
    )


def two_hands(rng: Generator, width: float, level: float, ahead: float, spread: float) -> Pair:
    """Both hands at one height."""
    jitter = rng.normal(0, spread, (2, 3))
    return vector(width, level, ahead) + jitter[0], vector(-width, level, ahead) + jitter[1]


def idle_hands(rng: Generator, pelvis: Vector) -> Pair:
    """Hands of somebody who stands: down, on the hips, crossed, in front, or one at the ear."""
    down = two_hands(rng, 0.14, 0.49, 0.02, 0.02)
    chest = float(pelvis[1]) + 0.2
    kind = rng.choice(["down", "hips", "crossed", "front", "ear"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
    if kind == "hips":
        return two_hands(rng, 0.11, float(pelvis[1]) + 0.07, 0.03, 0.015)
    if kind == "crossed":
        return two_hands(rng, -0.06, chest, 0.1, 0.02)
    if kind == "front":
        return two_hands(rng, 0.04, chest + rng.uniform(-0.05, 0.1), 0.2, 0.03)
    if kind == "ear":
        return with_one(rng, down, lambda side: vector(side * 0.08, chest + 0.19, 0.04))
    return down


def sitting_hands(rng: Generator, seat: float) -> Pair:
    """Hands of somebody who sits: in the lap, on a desk, at the ear, or propped behind."""
    kind = rng.choice(["lap", "desk", "ear", "behind"], p=[0.5, 0.3, 0.1, 0.1])
    lap = two_hands(rng, 0.09, seat + 0.07, 0.18, 0.03)
    if kind == "desk":
        return two_hands(rng, 0.12, seat + rng.uniform(0.12, 0.2), 0.28, 0.04)
    if kind == "ear":
        return with_one(rng, lap, lambda side: vector(side * 0.08, seat + 0.39, 0.05))
    if kind == "behind":
        return two_hands(rng, 0.2, max(seat, 0.05), -0.15, 0.03)
    return lap


def with_one(rng: Generator, pair: Pair, place: Callable[[float], Vector]) -> Pair:
    """The pair with its left or right one moved to `place(side)`."""
    return (place(LEFT), pair[1]) if rng.random() < 0.5 else (pair[0], place(RIGHT))


def poles(aside: float, up: float, ahead: float) -> Pair:
    """Where the left and right knee or elbow point to."""
    return vector(aside, up, ahead), vector(-aside, up, ahead)


def look(rng: Generator, stance: Stance) -> Stance:
    """The same stance with the head turned somewhere."""
    return replace(stance, head_pitch=stance.head_pitch + rng.normal(3, 12), head_yaw=rng.normal(0, 25))
