"""Draws COCO-format data sets of jointed figures: for the demo, for tests, and to try settings without real data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.drawn.figures import body_joints, draw_pose, draw_shape
from src.data.drawn.painting import Canvas, Clothes, Figure, hull, joint_visibility, paint_figure
from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER

Rng = np.random.Generator

#: Where the annotations lie in a drawn data set.
ANNOTATION_FILE = "annotations/person_keypoints.json"
DEFAULT_SIZES: tuple[tuple[int, int], ...] = ((320, 240), (240, 320), (288, 288), (384, 256), (400, 300))

#: COCO's own drawing order of the 17 keypoints, numbered from 1.
_COCO_SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip

PERSON_CATEGORY: dict[str, object] = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": list(COCO_KEYPOINT_NAMES),
    "skeleton": [list(pair) for pair in _COCO_SKELETON],
}

_SKINS = np.array([[180, 205, 240], [150, 180, 225], [110, 150, 200], [70, 105, 160], [45, 70, 110]], float)
_HAIRS = np.array([[25, 25, 30], [30, 50, 80], [60, 120, 170], [90, 170, 215], [150, 150, 150]], float)


def draw_dataset(
    folder: str | Path,
    pictures: int,
    seed: int = 0,
    sizes: Sequence[tuple[int, int]] = DEFAULT_SIZES,
    person_share: tuple[float, float] = (0.5, 0.9),
    first_id: int = 1,
) -> Path:
    """Write `images/*.jpg` and `annotations/person_keypoints.json` into `folder`; return the annotation file.

    The same arguments always draw the same data set; picture i depends on (seed, i) alone. `sizes` are (width, height),
    taken in turn; `person_share` is the range of a standing person's height as a share of the picture's.
    """
    if pictures < 1 or not sizes:
        raise DataError(f"cannot draw {pictures} pictures of {len(sizes)} sizes: both must be at least 1")
    root = Path(folder)
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / ANNOTATION_FILE).parent.mkdir(exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for index in range(pictures):
        width, height = sizes[index % len(sizes)]
        picture, persons = draw_picture(width, height, np.random.default_rng([seed, index]), person_share)
        picture_id = first_id + index
        name = f"{picture_id:012d}.jpg"
        cv2.imwrite(str(root / "images" / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        images.append({"id": picture_id, "file_name": name, "width": width, "height": height})
        for person in persons:
            annotations.append({"id": len(annotations) + 1, "image_id": picture_id, "category_id": 1, **person})
    target = root / ANNOTATION_FILE
    info = {"description": "drawn figures", "version": "1", "seed": seed}
    content = {"info": info, "images": images, "annotations": annotations, "categories": [PERSON_CATEGORY]}
    target.write_text(json.dumps(content), encoding="utf-8")
    return target


def draw_picture(
    width: int, height: int, rng: Rng, person_share: tuple[float, float] = (0.5, 0.9)
) -> tuple[NDArray[np.uint8], list[dict[str, object]]]:
    """One picture (height, width, 3) BGR and its COCO annotations without ids."""
    canvas = Canvas(_background(width, height, rng), np.zeros((height, width), np.uint16))
    crowd = _paint_crowd(canvas, rng) if rng.random() < 0.1 else None
    figures = _place_figures(width, height, rng, person_share)
    painted = [paint_figure(canvas, figure, number) for number, figure in enumerate(figures)]
    if rng.random() < 0.3:
        _paint_fence(canvas, rng)
    _finish(canvas.picture, rng)
    owner = np.asarray(canvas.owner)[canvas.top]
    persons = []
    for number, (seen, away) in enumerate(painted):
        flags = joint_visibility(canvas, number, seen, away)
        mask = (owner == number).astype(np.uint8)
        if mask.any():
            persons.append(_annotation(seen, flags, mask))
    if crowd is not None and (owner == crowd).any():
        persons.append(_crowd_annotation((owner == crowd).astype(np.uint8)))
    return canvas.picture, persons


def _annotation(seen: NDArray[np.float64], flags: NDArray[np.int64], mask: NDArray[np.uint8]) -> dict[str, object]:
    """COCO fields of one figure from its joints and the pixels where it shows."""
    keypoints: list[float] = []
    for joint in COCO_ORDER:
        shown = int(flags[joint]) > 0
        keypoints += [round(float(v), 2) if shown else 0 for v in seen[joint, :2]] + [int(flags[joint])]
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [c.reshape(-1).tolist() for c in contours if len(c) >= 3]
    return {
        "keypoints": keypoints,
        "num_keypoints": sum(flag > 0 for flag in keypoints[2::3]),
        "bbox": [float(v) for v in cv2.boundingRect(mask)],
        "area": float(mask.sum()),
        "segmentation": polygons,
        "iscrowd": 0,
    }


def _crowd_annotation(mask: NDArray[np.uint8]) -> dict[str, object]:
    """A crowd: a group annotated with one uncompressed run-length mask and no keypoints."""
    column_wise = np.concatenate([[0], mask.T.reshape(-1), [0]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(column_wise))
    counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    return {
        "keypoints": [0] * (3 * len(COCO_ORDER)),
        "num_keypoints": 0,
        "bbox": [float(v) for v in cv2.boundingRect(mask)],
        "area": float(mask.sum()),
        "segmentation": {"size": list(mask.shape), "counts": counts},
        "iscrowd": 1,
    }


def _place_figures(width: int, height: int, rng: Rng, person_share: tuple[float, float]) -> list[Figure]:
    """One to three figures, smaller (farther) ones first, each inside the picture as far as it fits."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    statures = np.sort(rng.uniform(*person_share, size=count)) * height
    statures = np.minimum(statures, 1.2 * width)
    figures: list[Figure] = []
    taken: list[tuple[float, float]] = []
    for stature in statures:
        figure = Figure(draw_shape(rng), draw_pose(rng), _draw_clothes(rng), _draw_yaw(rng), (0.0, 0.0), float(stature))
        x = _free_place(taken, width, float(stature), rng)
        taken.append((x, float(stature)))
        figures.append(_set_down(figure, x, width, height, rng))
    return figures


def _free_place(taken: list[tuple[float, float]], width: int, stature: float, rng: Rng) -> float:
    """The x of a pelvis: of some tries the one farthest from the others, so that people overlap at times only."""
    tries = rng.uniform(0.12 * width, 0.88 * width, size=5)
    if not taken:
        return float(tries[0])
    room = [min(abs(x - other) / (stature + size) for other, size in taken) for x in tries]
    return float(tries[int(np.argmax(room))])


def _set_down(figure: Figure, x: float, width: int, height: int, rng: Rng) -> Figure:
    """Move a figure so that its joints lie in the picture as far as it is large enough."""
    joints, _, _ = body_joints(figure.shape, figure.pose)
    seen = figure.to_pixels(joints)[:, :2]
    margin = 0.05 * figure.stature
    low, high = seen.min(axis=0) - margin * np.array([1, 1.6]), seen.max(axis=0) + margin
    y_range = np.sort([-low[1], height - 1 - high[1]])
    x_range = np.sort([-low[0], width - 1 - high[0]])
    y = y_range[0] + (y_range[1] - y_range[0]) * rng.uniform(0.2, 1.0)
    return replace(figure, pelvis_xy=(float(np.clip(x, *x_range)), float(y)))


def _draw_yaw(rng: Rng) -> float:
    """Most figures face the camera, some look away, some to a side."""
    kind = rng.choice(3, p=[0.64, 0.2, 0.16])
    centre = (0.0, 180.0, 90.0 * rng.choice([-1, 1]))[kind]
    return float(centre + rng.normal() * (24, 20, 12)[kind])


def _draw_clothes(rng: Rng) -> Clothes:
    def vivid() -> NDArray[np.float64]:
        hsv = np.array([[[rng.integers(180), rng.integers(90, 256), rng.integers(70, 256)]]], np.uint8)
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(float)

    top, trousers = vivid(), vivid() * rng.uniform(0.4, 0.9)
    return Clothes(
        skin=_SKINS[rng.integers(len(_SKINS))] * rng.uniform(0.92, 1.06),
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        top=top,
        trousers=trousers,
        shoes=rng.uniform(10, 90, size=3),
        tie=255 - top,
        bag=vivid() if rng.random() < 0.6 else None,
        long_sleeves=bool(rng.random() < 0.3),
    )


def _background(width: int, height: int, rng: Rng) -> NDArray[np.uint8]:
    """Sky-to-ground gradient with blotches, then boxes, poles, discs and beams of any colour."""
    top = rng.uniform(80, 215) + rng.uniform(-35, 35, size=3)
    bottom = rng.uniform(60, 190) + rng.uniform(-30, 30, size=3)
    ramp = np.linspace(0, 1, height)[:, None, None]
    blotches = cv2.resize(rng.normal(size=(6, 8, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    gradient = (top * (1 - ramp) + bottom * ramp).astype(np.float32)
    picture = np.clip(gradient + 9 * blotches, 0, 255).astype(np.uint8)
    size = min(width, height)
    for _ in range(int(rng.integers(4, 12))):
        xy = rng.uniform(0, 1, size=2) * (width, height)
        kind = rng.integers(4)
        if kind == 0:
            other = xy + rng.uniform(0.05, 0.4, size=2) * size
            outline = np.array([xy, (other[0], xy[1]), other, (xy[0], other[1])])
        elif kind == 1:
            outline = hull([xy], [rng.uniform(0.02, 0.12) * size])
        else:
            turn = rng.uniform(0, np.pi)
            end = xy + np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0.1, 0.6) * size
            outline = hull([xy, end], rng.uniform(0.008, 0.035, size=2) * size)
        points = np.round(outline * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, points, rng.uniform(20, 240, size=3).tolist(), cv2.LINE_AA, 4)
    return picture


def _paint_crowd(canvas: Canvas, rng: Rng) -> int:
    """A row of tiny people far away; returns the owner number of their pixels."""
    height, width = canvas.top.shape
    owner = 1000
    part = canvas.new_part(owner, 0.0, frozenset())
    base, tall = rng.uniform(0.3, 0.5) * height, rng.uniform(0.05, 0.08) * height
    start = rng.uniform(0, 0.5) * width
    for step in range(int(rng.integers(5, 10))):
        x = start + step * tall * rng.uniform(0.35, 0.5)
        body, skin = rng.uniform(20, 230, size=3), _SKINS[rng.integers(len(_SKINS))]
        canvas.fill(hull([(x, base), (x, base + 0.6 * tall)], [0.12 * tall, 0.08 * tall]), body, part)
        canvas.fill(hull([(x, base - 0.22 * tall)], [0.1 * tall]), skin, part)
    return owner


def _paint_fence(canvas: Canvas, rng: Rng) -> None:
    """Beams in front of everybody: a fence across the picture or one post."""
    height, width = canvas.top.shape
    part = canvas.new_part(-1, 1.0, frozenset())
    colour = rng.uniform(40, 200, size=3)
    thick = rng.uniform(0.008, 0.02) * height
    if rng.random() < 0.5:
        x = rng.uniform(0.1, 0.9) * width
        canvas.fill(hull([(x, 0), (x, height)], [thick * 1.5] * 2), colour, part)
        return
    y = rng.uniform(0.55, 0.85) * height
    for level in (y, y + 0.09 * height):
        canvas.fill(hull([(0, level), (width, level)], [thick] * 2), colour, part)
    for x in np.arange(rng.uniform(0, 0.2), 1.0, 0.24) * width:
        canvas.fill(hull([(x, y), (x, height)], [thick] * 2), colour * 0.9, part)


def _finish(picture: NDArray[np.uint8], rng: Rng) -> None:
    """Camera noise and brightness, in place."""
    noise = np.frombuffer(rng.bytes(picture.size), np.uint8).reshape(picture.shape)
    gain, offset = rng.uniform(0.85, 1.12), rng.uniform(-12, 12)
    cv2.addWeighted(picture, gain, noise, 0.05, offset - 0.05 * 127.5, dst=picture)
