"""Paints jointed figures: smooth colours into a picture, and which part lies on top into a map of part numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.data.drawn.figures import HEAD_RADIUS, Pose, Shape, Vector, body_joints, project
from src.pose.skeleton import JOINT_COUNT
from src.pose.skeleton import JointType as J

_EDGE_SHADE = 0.55  # of a part's edge, so that an arm shows before a trunk of its own colour
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel
Colour = NDArray[np.float64]


@dataclass(frozen=True)
class Clothes:
    """What a figure wears, BGR 0…255; `front` and `back` tell its two sides apart in either mirror image."""

    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour
    tie: Colour
    bag: Colour | None
    long_sleeves: bool


@dataclass(frozen=True)
class Figure:
    """One figure placed in a picture: `pelvis_xy` in pixels, `stature` the upright height in pixels."""

    shape: Shape
    pose: Pose
    clothes: Clothes
    yaw: float
    pelvis_xy: tuple[float, float]
    stature: float

    def to_pixels(self, points: Vector) -> Vector:
        """(..., 3) body points to (..., 3): x, y in pixels and nearness in body heights."""
        seen = project(points, self.yaw)
        seen[..., :2] = seen[..., :2] * self.stature + np.asarray(self.pelvis_xy)
        return seen


@dataclass
class Canvas:
    """A picture being painted; `top` holds the number of the part on top of every pixel (0: none)."""

    picture: NDArray[np.uint8]
    top: NDArray[np.uint16]
    owner: list[int] = field(default_factory=lambda: [-1])  # figure of each part number, -1 none
    nearness: list[float] = field(default_factory=lambda: [0.0])
    joints: list[frozenset[int]] = field(default_factory=lambda: [frozenset()])  # joints that show where the part shows

    def new_part(self, owner: int, nearness: float, joints: frozenset[int]) -> int:
        """A fresh part number."""
        self.owner.append(owner)
        self.nearness.append(nearness)
        self.joints.append(joints)
        return len(self.owner) - 1

    def fill(self, outline: Vector, colour: Colour, part: int, edged: bool = False) -> None:
        """Paint a convex outline (n, 2) in pixels, with a darker edge if wished."""
        points = np.round(outline * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(self.picture, points, tuple(np.clip(colour, 0, 255).tolist()), cv2.LINE_AA, _SHIFT)
        if edged:
            edge = tuple(np.clip(colour * _EDGE_SHADE, 0, 255).tolist())
            cv2.polylines(self.picture, [points], True, edge, 1, cv2.LINE_AA, _SHIFT)
        cv2.fillConvexPoly(self.top, points, part, cv2.LINE_8, _SHIFT)


_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 24, False)), np.sin(np.linspace(0, 2 * np.pi, 24, False))], -1)


def hull(points: ArrayLike, radii: ArrayLike) -> Vector:
    """Outline (n, 2) of the convex hull around circles at `points` (k, 2) with `radii` (k,)."""
    circles = np.asarray(points)[:, None] + np.asarray(radii)[:, None, None] * _CIRCLE
    return cv2.convexHull(circles.reshape(-1, 2).astype(np.float32)).reshape(-1, 2).astype(np.float64)


@dataclass(frozen=True)
class _Part:
    outline: Vector
    colour: Colour
    nearness: float
    joints: frozenset[int]


@dataclass
class _Body:
    """The parts of one figure below the head, being gathered."""

    figure: Figure
    joints: Vector  # (18, 3) in body axes
    parts: list[_Part] = field(default_factory=list)

    def add(self, points: Vector, radii: list[float], colour: Colour, shows: set[int], bias: float = 0.0) -> None:
        """A part around `points` (k, 3) in body axes; farther parts are darker, `bias` moves one nearer."""
        seen = self.figure.to_pixels(points)
        near = float(seen[:, 2].mean()) + bias
        shade = 1.0 + 1.3 * float(np.clip(near, -0.25, 0.12))
        outline = hull(seen[:, :2], np.asarray(radii) * self.figure.stature)
        self.parts.append(_Part(outline, colour * shade, near, frozenset(int(joint) for joint in shows)))

    def chain(self, joints: list[J], radii: list[float], colour: Colour, bias: float) -> None:
        """A part around joints, which also shows them."""
        self.add(self.joints[joints], radii, colour, set(joints), bias)


_TRUNK = [J.LeftShoulder, J.RightShoulder, J.LeftWaist, J.RightWaist]
_TOE = np.array([0.0, 0.02, 0.075])  # from the ankle


def _parts(figure: Figure, joints: Vector, head: Vector, axes: Vector) -> list[_Part]:
    """All parts of a figure, farthest first."""
    body = _Body(figure, joints)
    wear, g = figure.clothes, figure.shape.girth**0.5
    body.add(joints[_TRUNK], [0.042 * g, 0.042 * g, 0.052 * g, 0.052 * g], wear.top, {*_TRUNK, J.Neck})
    body.chain([J.LeftWaist, J.RightWaist], [0.056 * g] * 2, wear.trousers, 0.004)
    body.add(np.stack([joints[J.Neck], head]), [0.030 * g, 0.030], wear.skin * 0.85, {J.Neck}, -0.005)
    for side in ("Left", "Right"):
        _add_limbs(body, side, g)
    _add_front_and_back(body, g)
    body.parts.sort(key=lambda part: part.nearness)
    return body.parts + _head_parts(figure, joints, head, axes)


def _add_limbs(body: _Body, side: str, g: float) -> None:
    """One arm and one leg; `g` widens them."""
    wear = body.figure.clothes
    shoulder, elbow, hand = (J[side + name] for name in ("Shoulder", "Elbow", "Hand"))
    hip, knee, foot = (J[side + name] for name in ("Waist", "Knee", "Foot"))
    sleeve = wear.top if wear.long_sleeves else wear.skin
    body.chain([shoulder, elbow], [0.039 * g, 0.034 * g], wear.top * 0.75, 0.02)
    body.chain([elbow, hand], [0.032 * g, 0.027 * g], sleeve * 0.95, 0.025)
    body.chain([hand], [0.038], wear.skin, 0.03)
    body.chain([hip, knee], [0.052 * g, 0.040 * g], wear.trousers * 0.95, 0.006)
    body.chain([knee, foot], [0.038 * g, 0.027 * g], wear.trousers, 0.004)
    body.add(np.stack([body.joints[foot], body.joints[foot] + _TOE]), [0.030, 0.024], wear.shoes, {foot}, 0.008)


def _add_front_and_back(body: _Body, g: float) -> None:
    """A tie on the chest and, for some, a bag on the back: they tell front from back, and so left from right."""
    wear, joints = body.figure.clothes, body.joints
    chest = joints[_TRUNK].mean(axis=0)
    up = joints[J.Neck] / np.linalg.norm(joints[J.Neck])
    across = joints[J.LeftShoulder] - joints[J.RightShoulder]
    ahead = np.cross(up, across)
    ahead /= np.linalg.norm(ahead) * (-1 if ahead[2] < 0 else 1)
    if project(ahead, body.figure.yaw)[2] > 0.25:
        tie = np.stack([chest + ahead * 0.03 + up * distance for distance in (0.09, -0.05)])
        body.add(tie, [0.024 * g, 0.024 * g], wear.tie, set(_TRUNK), 0.012)
    if wear.bag is not None:
        corners = [chest - ahead * 0.07 + up * d + across * s for d in (0.1, -0.08) for s in (0.22, -0.22)]
        body.add(np.stack(corners), [0.035] * 4, wear.bag, {J.LeftShoulder, J.RightShoulder}, 0.035)


def _head_parts(figure: Figure, joints: Vector, head: Vector, axes: Vector) -> list[_Part]:
    """Skull, hair, ears and face, farthest first; the face only where it looks at the camera."""
    wear, size = figure.clothes, figure.stature
    names = frozenset(int(j) for j in (J.Nose, J.LeftEye, J.RightEye, J.LeftEar, J.RightEar))
    parts: list[_Part] = []

    def add(local: list[tuple[float, float, float]], radii: list[float], colour: Colour) -> None:
        points = figure.to_pixels(head + np.asarray(local) @ axes.T * HEAD_RADIUS)
        parts.append(
            _Part(hull(points[:, :2], np.array(radii) * HEAD_RADIUS * size), colour, points[:, 2].mean(), names)
        )

    add([(0, -0.12, 0), (0, 0.22, 0.08)], [0.92, 0.74], wear.skin)
    add([(0, -0.28, -0.24), (0, 0.1, -0.34)], [0.95, 0.8], wear.hair)
    add([(0.9, -0.05, -0.02), (0.9, 0.05, -0.02)], [0.2, 0.17], wear.skin * 0.8)
    add([(-0.9, -0.05, -0.02), (-0.9, 0.05, -0.02)], [0.2, 0.17], wear.skin * 0.8)
    parts.sort(key=lambda part: part.nearness)
    ahead = project(axes[:, 2], figure.yaw)[2]
    white, dark = np.array([245.0] * 3), np.array([25.0] * 3)
    for side, joint in ((1, J.LeftEye), (-1, J.RightEye)):
        if project(joints[joint] - head, figure.yaw)[2] > _FACE_NEARNESS:
            add([(side * 0.42, -0.22, 0.86)], [0.21], white)
            add([(side * 0.42, -0.22, 0.90)], [0.11], dark)
    if ahead > -0.2:
        add([(0, -0.08, 0.98), (0, 0.12, 1.05)], [0.09, 0.14], wear.skin * 0.72)
    if ahead > 0.15:
        add([(0.22, 0.48, 0.82), (-0.22, 0.48, 0.82)], [0.06, 0.06], np.array([60.0, 50, 150]))
    return parts


#: How much nearer than the head's centre (body heights) a point of the face must be to be seen.
_FACE_NEARNESS = 0.012
#: A joint is hidden when the part painted over it lies this much nearer (body heights).
_HIDDEN_BEHIND = 0.085


def paint_figure(canvas: Canvas, figure: Figure, owner: int) -> tuple[Vector, NDArray[np.bool_]]:
    """Paint one figure; return its joints (18, 3) in pixels with nearness, and (18,) which of them face away."""
    joints, head, axes = body_joints(figure.shape, figure.pose)
    for part in _parts(figure, joints, head, axes):
        canvas.fill(part.outline, part.colour, canvas.new_part(owner, part.nearness, part.joints), edged=True)
    seen = figure.to_pixels(joints)
    relative = seen[:, 2] - project(head, figure.yaw)[2]
    away = np.zeros(JOINT_COUNT, bool)
    face = [J.Nose, J.LeftEye, J.RightEye]
    away[face] = relative[face] < _FACE_NEARNESS
    ears = [J.LeftEar, J.RightEar]
    away[ears] = relative[ears] < -0.035
    return seen, away


def joint_visibility(canvas: Canvas, owner: int, seen: Vector, away: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(18,) COCO flags once everything is painted: 2 visible, 1 hidden (by itself too), 0 outside the picture."""
    height, width = canvas.top.shape
    flags = np.zeros(len(seen), np.int64)
    for joint, (x, y, nearness) in enumerate(seen):
        column, row = round(float(x)), round(float(y))
        if not (0 <= column < width and 0 <= row < height):
            continue
        part = int(canvas.top[row, column])
        on_top = canvas.owner[part] == owner and joint in canvas.joints[part]
        covered = joint < J.RightEye and joint != J.Nose and canvas.nearness[part] - nearness > _HIDDEN_BEHIND
        flags[joint] = 2 if on_top and not covered and not away[joint] else 1
    return flags
