"""Where a person is: polygons, run-length masks and boxes of COCO annotations, checked and completed.

Coordinates are picture pixels. Each function raises ValueError with what is wrong.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

#: Coordinates beyond this belong to no picture.
FARTHEST = 1e5

Polygon = Sequence[float]  # x, y, x, y, …
Box = tuple[float, float, float, float]  # x, y, width, height


class Runs(NamedTuple):
    """A run-length mask: column-wise counts of zeros and ones in turn, at most height × width in all."""

    height: int
    width: int
    counts: Sequence[int]


def numbers(values: object, what: str) -> list[float]:
    """A list of numbers; ValueError where one is no number, not finite, or farther than `FARTHEST`."""
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        raise ValueError(f"{what} must be a list of numbers")
    try:
        checked = array("d", values)
    except OverflowError:
        raise ValueError(f"{what} has a number beyond ±{FARTHEST:g}") from None
    if checked:
        if not math.isfinite(sum(checked)):
            raise ValueError(f"{what} has a value that is not a finite number")
        if max(checked) > FARTHEST or min(checked) < -FARTHEST:
            raise ValueError(f"{what} has a number beyond ±{FARTHEST:g}")
    return checked.tolist()


def read_polygons(segmentation: object) -> tuple[list[Polygon], int]:
    """The polygons of a `segmentation` list, and how many outlines of fewer than three corners were dropped.

    One flat list of numbers, and lists of [x, y] pairs, are taken for what they mean.
    """
    parts = [_flat(part) for part in _parts(segmentation)]
    polygons: list[Polygon] = []
    for part in parts:
        if len(part) % 2:
            raise ValueError(f"'segmentation' has an outline of {len(part)} numbers")
        if len(part) >= 6:
            polygons.append(part)
    return polygons, sum(len(part) > 0 for part in parts) - len(polygons)


def _parts(segmentation: object) -> list[object]:
    if not isinstance(segmentation, list):
        raise ValueError("'segmentation' must be a list of outlines or run lengths")
    is_flat = bool(segmentation) and not isinstance(segmentation[0], list)
    are_pairs = len(segmentation) >= 3 and all(_is_pair(each) for each in segmentation)
    return [segmentation] if is_flat or are_pairs else segmentation


def _flat(part: object) -> list[float]:
    if isinstance(part, list) and part and all(_is_pair(each) for each in part):
        part = [value for pair in part for value in pair]
    return numbers(part, "'segmentation'")


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list)


def read_runs(segmentation: Mapping[str, object], size: tuple[int, int] | None) -> Runs:
    """The run-length mask of a `segmentation` object, which must be of the picture's `size` (width, height)."""
    shape, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(shape, list) or len(shape) != 2 or not all(_is_count(side) and side > 0 for side in shape):
        raise ValueError("run lengths need a 'size' of height and width")
    height, width = shape
    if size is not None and (width, height) != size:
        raise ValueError(f"run lengths are for {width}x{height} pixels, its picture has {size[0]}x{size[1]}")
    runs = unpack_counts(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(map(_is_count, runs)):
        raise ValueError("damaged run lengths (a count is not a whole number of at least 0)")
    if sum(runs) > height * width:
        raise ValueError(f"damaged run lengths ({sum(runs)} pixels in a picture of {width}x{height})")
    return Runs(height, width, runs)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def unpack_counts(text: str) -> list[int]:
    """COCO's compressed run-length counts: 5 bits a character, from the third count on relative to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"damaged run lengths (character {character!r})")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = shift = 0
    if shift:
        raise ValueError("damaged run lengths (cut off)")
    return counts


def mask_of(runs: Runs) -> NDArray[np.uint8]:
    """The mask (height, width), 0 or 1."""
    ones = (np.arange(len(runs.counts)) & 1).astype(np.uint8)
    filled = np.repeat(ones, np.asarray(runs.counts, np.int64))
    column_wise = np.zeros(runs.height * runs.width, np.uint8)
    column_wise[: len(filled)] = filled[: len(column_wise)]
    return np.ascontiguousarray(column_wise.reshape(runs.width, runs.height).T)


def polygons_around(runs: Runs) -> list[Polygon]:
    """Outlines of a run-length mask's parts; single pixels and lines become the box around them."""
    contours, _ = cv2.findContours(mask_of(runs), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [
        contour.reshape(-1).astype(float).tolist() if len(contour) > 2 else corners(_contour_box(contour))
        for contour in contours
    ]


def _contour_box(contour: NDArray[np.int32]) -> Box:
    x, y, width, height = cv2.boundingRect(contour)
    return float(x), float(y), float(width - 1), float(height - 1)


def corners(box: Box) -> Polygon:
    """A box as a polygon."""
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def polygon_area(polygon: Polygon) -> float:
    """Area in square pixels by the shoelace formula."""
    xs, ys = np.asarray(polygon[::2], float), np.asarray(polygon[1::2], float)
    return float(abs(np.dot(xs, np.roll(ys, -1)) - np.dot(ys, np.roll(xs, -1))) / 2)


def box_around(points: Iterable[Sequence[float]]) -> Box:
    """The box around (x, y) points."""
    xs, ys = zip(*points)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


#: A box around joints alone is widened by this share of its longer side: joints lie inside the body.
_MARGIN = 0.1


def box_around_joints(points: Iterable[Sequence[float]], size: tuple[int, int]) -> Box:
    """A person's box from the joints alone; joints outside the picture of `size` (width, height) stay in the box."""
    x, y, w, h = box_around(points)
    margin = max(_MARGIN * max(w, h), 1.0)
    left, top = min(x, max(0.0, x - margin)), min(y, max(0.0, y - margin))
    right, bottom = max(x + w, min(float(size[0]), x + w + margin)), max(y + h, min(float(size[1]), y + h + margin))
    return left, top, right - left, bottom - top
