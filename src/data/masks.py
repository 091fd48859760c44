"""Ignore masks: regions of masked people (crowds, too small, too few joints), on which the loss is not counted."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from src.arrays import Reals

Mask = NDArray[np.uint8]
Matrix = NDArray[np.float64]

_SHIFT = 8  # cv2 takes coordinates in 1/256 pixel
_FARTHEST = float(1 << 28)


def ignored_regions(
    outlines: NDArray[np.float32], crowds: NDArray[np.int32], kept: NDArray[np.float32], size: tuple[int, int]
) -> Mask:
    """Mask (height, width) of a picture of `size` (width, height), 1 where the loss is not counted, else 0.

    The first three are a picture's rows of `PoseIndex.ignored`, `.crowds`, `.kept`: outlines are filled, edges
    included; a crowd's mask excludes the persons in `kept`.
    """
    mask = np.zeros((size[1], size[0]), np.uint8)
    for crowd in unpack_crowds(crowds):
        _fill(crowd, kept, 0)
        height, width = min(crowd.shape[0], size[1]), min(crowd.shape[1], size[0])
        mask[:height, :width] |= crowd[:height, :width]
    _fill(mask, outlines, 1)
    return mask


def regions_of_file(picture: Mask) -> Mask:
    """A mask file's pixels (0 ignored, 255 valid; grey counts as the nearer one) as `ignored_regions`."""
    return (picture < 128).view(np.uint8)


def ignored_cells(regions: Mask, matrix: Matrix, size: tuple[int, int]) -> Mask:
    """(height, width), 1 on the cells that an ignored region of the picture touches, however thin it is, else 0.

    `matrix` (2, 3) maps picture pixels to cells, `size` is the map's (width, height).
    """
    cells = np.zeros((size[1], size[0]), np.uint8)
    contours, _ = cv2.findContours(regions, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [_fixed_point(contour[:, 0] @ matrix[:, :2].T + matrix[:, 2]) for contour in contours]
    if polygons:  # all at once: a contour within a contour is a hole
        cv2.fillPoly(cells, polygons, 1, cv2.LINE_8, _SHIFT)
    return cells


def valid_cells(ignored: Mask) -> NDArray[np.float32]:
    """(1, h, w) float32, 1 where the loss counts: not on ignored cells nor on their neighbours."""
    if not ignored.any():
        return np.ones((1, *ignored.shape), np.float32)
    return (1 - cv2.dilate(ignored, _NEIGHBOURS)).astype(np.float32)[None]


def unpack_crowds(packed: NDArray[np.int32]) -> Iterator[Mask]:
    """The masks (height, width), 0 or 1, of one row of `PoseIndex.crowds`."""
    position = 0
    while position < len(packed):
        height, width, count = (int(v) for v in packed[position : position + 3])
        counts = packed[position + 3 : position + 3 + count]
        position += 3 + count
        runs = np.repeat((np.arange(count) & 1).astype(np.uint8), counts)
        column_wise = np.zeros(height * width, np.uint8)
        column_wise[: len(runs)] = runs[: height * width]
        yield np.ascontiguousarray(column_wise.reshape(width, height).T)


_NEIGHBOURS = np.ones((3, 3), np.uint8)


def _fill(mask: Mask, outlines: NDArray[np.float32], value: int) -> None:
    """Fill polygons, each ended by a NaN row, in place."""
    start = 0
    for end in np.flatnonzero(np.isnan(outlines[:, 0])):
        if end - start >= 3:
            cv2.fillPoly(mask, [_fixed_point(outlines[start:end])], value, cv2.LINE_8, _SHIFT)
        start = end + 1


def _fixed_point(points: Reals) -> NDArray[np.int32]:
    """Coordinates as cv2 draws them, in 1/256 of a pixel."""
    return np.round(np.clip(points * (1 << _SHIFT), -_FARTHEST, _FARTHEST)).astype(np.int32)
