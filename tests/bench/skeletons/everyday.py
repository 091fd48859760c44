"""Stances of everyday classes: the nine that must not be taken for climbing, and two that are only reported.

Each function draws one stance of its class; the numbers are heights and distances over stature, angles in degrees.
They were set from how the things are done (chairs of 25 to 30 % of stature, steps of 18 cm). They were changed once
after results of rules had been seen (docs/actions.md tells what), and not since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from numpy.random import Generator

from tests.bench.skeletons.body import ANKLE_HEIGHT, LEFT, RIGHT, Stance, Vector, vector
from tests.bench.skeletons.parts import (
    idle_hands,
    look,
    poles,
    sitting_hands,
    two_feet,
    two_hands,
    with_one,
)

STANDING_PELVIS = 0.525


def standing(rng: Generator) -> Stance:
    """Upright, arms down, crossed, on the hips, in front, or one at the ear."""
    sway = rng.normal(0, 0.02)
    feet = two_feet(rng, width=rng.uniform(0.04, 0.14), depth=rng.normal(0, 0.03))
    stance = Stance(
        pelvis=vector(sway, STANDING_PELVIS - abs(rng.normal(0, 0.008)), 0),
        feet=feet,
        hands=idle_hands(rng, vector(sway, STANDING_PELVIS, 0)),
        lean=rng.normal(2, 4),
        flexion=rng.normal(3, 4),
        tilt=rng.normal(0, 3),
        twist=rng.normal(0, 8),
    )
    return look(rng, stance)


def walking(rng: Generator) -> Stance:
    """A step of any phase, arms swinging against it."""
    step, lift = rng.uniform(0.12, 0.38), rng.uniform(0, 0.10) * (rng.random() < 0.6)
    front = 1 if rng.random() < 0.5 else -1
    pelvis = vector(0, STANDING_PELVIS - 0.13 * step * step / 0.14, 0)
    left = vector(0.05, ANKLE_HEIGHT + (lift if front < 0 else 0), front * step / 2)
    right = vector(-0.05, ANKLE_HEIGHT + (lift if front > 0 else 0), -front * step / 2)
    swing = 0.5 * step * front
    hands = (
        vector(rng.uniform(0.11, 0.18), 0.49 + abs(swing) * 0.2, -swing + rng.normal(0, 0.03)),
        vector(-rng.uniform(0.11, 0.18), 0.49 + abs(swing) * 0.2, swing + rng.normal(0, 0.03)),
    )
    if rng.random() < 0.2:
        hands = idle_hands(rng, pelvis)
    lean, twist = rng.normal(4, 4), -front * 15 * step
    return look(rng, Stance(pelvis, (left, right), hands, lean=lean, flexion=rng.normal(3, 4), twist=twist))


def sitting(rng: Generator) -> Stance:
    """On a chair, a stool or the ground; legs straight down, stretched or crossed; hands on lap, desk or ears."""
    kind = rng.choice(["chair", "stool", "ground"], p=[0.7, 0.15, 0.15])
    height = {"chair": rng.uniform(0.25, 0.31), "stool": rng.uniform(0.15, 0.24), "ground": rng.uniform(0.05, 0.09)}[
        kind
    ]
    ahead = rng.uniform(0.30, 0.44) if kind == "ground" else rng.uniform(0.16, 0.38)
    feet = two_feet(rng, width=rng.uniform(0.04, 0.2), depth=rng.normal(0, 0.05), ahead=ahead)
    lean = rng.normal(0, 9)
    pelvis = vector(0, height, 0)
    if kind == "chair" and rng.random() < 0.2:  # one ankle on the other knee
        feet = with_one(rng, feet, lambda side: vector(-side * 0.06, height + 0.05, 0.22))
    return look(
        rng,
        Stance(
            pelvis=pelvis,
            feet=feet,
            hands=sitting_hands(rng, height),
            lean=lean,
            flexion=rng.normal(10, 8),
            tilt=rng.normal(0, 4),
            twist=rng.normal(0, 10),
            knees=poles(rng.uniform(0, 0.6), 0.8, 0.8),
        ),
    )


def squatting(rng: Generator) -> Stance:
    """Half to fully down on both feet; hands ahead, on the knees or at the ground."""
    height = rng.uniform(0.11, 0.36)
    back, bent = rng.uniform(0.02, 0.12), rng.uniform(8, 50)
    feet = two_feet(rng, width=rng.uniform(0.08, 0.28), depth=rng.normal(0, 0.04), heel=rng.uniform(0, 0.04))
    hands_at = rng.choice(["ahead", "knees", "ground", "face"], p=[0.3, 0.35, 0.25, 0.1])
    level = {"ahead": height + 0.2, "knees": 0.27, "ground": 0.06, "face": height + 0.36}[hands_at]
    reach = {"ahead": 0.42, "knees": 0.2, "ground": 0.2, "face": 0.18}[hands_at]
    return look(
        rng,
        Stance(
            pelvis=vector(0, height, -back),
            feet=feet,
            hands=two_hands(rng, 0.12, level, reach, 0.04),
            lean=0.5 * bent,
            flexion=0.5 * bent + rng.normal(12, 8),
            tilt=rng.normal(0, 4),
            knees=poles(rng.uniform(0.2, 1.0), 0.3, 1.0),
        ),
    )


def bending(rng: Generator) -> Stance:
    """Bent over on nearly straight legs, hands towards the ground, a low table, or the knees."""
    down = rng.uniform(35, 100)
    pelvis = vector(0, rng.uniform(0.44, 0.52), -0.0015 * down)
    feet = two_feet(rng, width=rng.uniform(0.05, 0.2), depth=rng.normal(0, 0.07))
    level = rng.uniform(0.05, 0.45)
    hands = two_hands(rng, rng.uniform(0.03, 0.18), level, 0.12 + rng.uniform(0, 0.3), 0.04)
    if rng.random() < 0.25:  # one hand only, the other on the knee
        hands = (hands[0], vector(-0.1, 0.3, 0.08)) if rng.random() < 0.5 else (vector(0.1, 0.3, 0.08), hands[1])
    return look(
        rng,
        Stance(pelvis, feet, hands, lean=down * 0.75, flexion=down * 0.25 + rng.normal(5, 6), twist=rng.normal(0, 8)),
    )


def lying(rng: Generator) -> Stance:
    """Stretched out or curled up; see LYING for how it is laid down."""
    curled = rng.random() < 0.3
    pelvis = vector(0, STANDING_PELVIS, 0)
    if curled:
        feet = two_feet(
            rng, width=0.05, depth=rng.normal(0, 0.05), ahead=rng.uniform(0.1, 0.35), up=rng.uniform(0.15, 0.4)
        )
    else:
        feet = two_feet(rng, width=rng.uniform(0.03, 0.2), depth=0.0, ahead=rng.uniform(0, 0.1))
        if rng.random() < 0.35:  # one or both knees drawn up
            feet = with_one(rng, feet, lambda side: vector(side * 0.07, rng.uniform(0.15, 0.3), 0.02))
    hands = two_hands(rng, rng.uniform(0.05, 0.4), rng.uniform(0.4, 1.15), rng.uniform(-0.02, 0.2), 0.08)
    return look(rng, Stance(pelvis, feet, hands, lean=rng.normal(3, 5), flexion=rng.uniform(0, 25 if curled else 8)))


def reaching_up(rng: Generator) -> Stance:
    """For a high shelf: one or both hands above the head, on toes, sometimes a foot off the ground or on a low step."""
    toes = rng.uniform(0, 0.04)
    feet = two_feet(rng, width=rng.uniform(0.04, 0.14), depth=rng.normal(0, 0.05), heel=toes)
    if rng.random() < 0.25:
        lift = rng.uniform(0.04, 0.11)
        feet = with_one(rng, feet, lambda side: vector(side * 0.07, ANKLE_HEIGHT + lift, rng.choice([-0.18, 0.12])))
    stance = standing(rng)

    def high(side: float) -> Vector:
        return vector(side * rng.uniform(0.0, 0.2), rng.uniform(0.92, 1.22), rng.uniform(0.0, 0.28))

    hands = (high(LEFT), high(RIGHT)) if rng.random() < 0.5 else with_one(rng, stance.hands, high)
    pelvis = vector(0, STANDING_PELVIS + toes, 0.02)
    return replace(stance, pelvis=pelvis, feet=feet, hands=hands, tilt=rng.normal(0, 6), head_pitch=rng.normal(-20, 12))


def waving(rng: Generator) -> Stance:
    """One hand, or both, beside or above the head while standing, walking or sitting."""
    base = rng.choice(["standing", "walking", "sitting"], p=[0.6, 0.2, 0.2])
    stance = {"standing": standing, "walking": walking, "sitting": sitting}[base](rng)
    shoulder = float(stance.pelvis[1]) + 0.28

    def beside(side: float) -> Vector:
        return vector(side * rng.uniform(0.15, 0.38), shoulder + rng.uniform(0.05, 0.34), rng.uniform(-0.02, 0.15))

    hands = (beside(LEFT), beside(RIGHT)) if rng.random() < 0.3 else with_one(rng, stance.hands, beside)
    return replace(stance, hands=hands, elbows=poles(1.0, -0.6, 0.1))


def tying_shoes(rng: Generator) -> Stance:
    """Hands at one foot: bent over, that foot on a step, on one knee, squatting, or seated with the ankle drawn up."""
    kind = rng.choice(["bent", "step", "kneeling", "squatting", "seated"], p=[0.2, 0.25, 0.25, 0.15, 0.15])
    side = LEFT if rng.random() < 0.5 else RIGHT
    stance = {"bent": bending, "step": bending, "kneeling": squatting, "squatting": squatting, "seated": sitting}[kind](
        rng
    )
    ahead = {"bent": 0.1, "step": 0.26, "kneeling": 0.16, "squatting": 0.1, "seated": 0.26}[kind]
    height = {"step": rng.uniform(0.10, 0.26), "seated": rng.uniform(0.04, 0.34)}.get(kind, ANKLE_HEIGHT)
    foot = vector(side * 0.07, height, ahead)
    other = vector(-side * 0.07, ANKLE_HEIGHT, 0.0)
    pelvis, lean = stance.pelvis, rng.uniform(55, 95)
    if kind == "kneeling":  # the other knee on the ground, its foot behind
        pelvis, other = vector(0, rng.uniform(0.22, 0.28), -0.1), vector(-side * 0.06, 0.05, -0.38)
    if kind in ("kneeling", "squatting"):
        lean = rng.uniform(35, 70)
    if kind == "seated":
        pelvis, lean, other = vector(0, 0.28, 0), rng.uniform(25, 60), vector(-side * 0.08, ANKLE_HEIGHT, 0.25)
    down = vector(side * 0.1, 0.4, 1.0), vector(-side * 0.1, -1.0 if kind == "kneeling" else 0.4, 0.6)
    feet, knees = ((foot, other), down) if side > 0 else ((other, foot), down[::-1])
    at = foot + vector(0, 0.02, 0.03)
    hands = (at + vector(0.04, *rng.normal(0, 0.02, 2)), at + vector(-0.04, *rng.normal(0, 0.02, 2)))
    hip = 0.65 if kind == "bent" else 0.35  # with a raised thigh most of the bend is the spine's
    return replace(
        stance,
        pelvis=pelvis,
        feet=feet,
        hands=hands,
        knees=knees,
        lean=hip * lean,
        flexion=(1 - hip) * lean + rng.uniform(5, 20),
        head_pitch=rng.normal(10, 8),
    )


def stairs(rng: Generator) -> Stance:
    """Up a flight of stairs, now and then with a hand on the rail."""
    rise, side = rng.uniform(0.09, 0.2), (LEFT if rng.random() < 0.5 else RIGHT)
    up, down = (
        vector(side * 0.06, ANKLE_HEIGHT + rise, 0.16),
        vector(-side * 0.06, ANKLE_HEIGHT + rng.uniform(0, 0.04), -0.08),
    )
    stance = walking(rng)
    hands = stance.hands if rng.random() < 0.6 else with_one(rng, stance.hands, lambda s: vector(s * 0.22, 0.62, 0.2))
    return replace(stance, feet=(up, down) if side > 0 else (down, up), hands=hands, lean=rng.normal(10, 6))


def running(rng: Generator) -> Stance:
    """In flight or on one foot, the other heel swung up behind or the knee up ahead; elbows bent."""
    side = LEFT if rng.random() < 0.5 else RIGHT
    front = vector(side * 0.05, rng.uniform(0.08, 0.28), rng.uniform(0.05, 0.3))
    rear = vector(-side * 0.05, rng.uniform(0.06, 0.32), -rng.uniform(0.15, 0.42))

    def arm(of: float, ahead: float) -> Vector:
        return vector(of * 0.12, rng.uniform(0.58, 0.78), ahead)

    hands = (arm(LEFT, -0.15 * side + 0.1), arm(RIGHT, 0.15 * side + 0.1))
    pelvis = vector(0, rng.uniform(0.5, 0.55), 0)
    return look(rng, Stance(pelvis, (front, rear) if side > 0 else (rear, front), hands, lean=rng.normal(10, 5)))


EVERYDAY: Mapping[str, Callable[[Generator], Stance]] = {
    draw.__name__: draw
    for draw in (standing, walking, sitting, squatting, bending, lying, reaching_up, waving, tying_shoes)
}
ALSO_SEEN: Mapping[str, Callable[[Generator], Stance]] = {draw.__name__: draw for draw in (stairs, running)}
LYING = "lying"
