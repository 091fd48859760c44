"""Where the loss counts: everywhere but on people who are not learnt (crowds, too small, too few keypoints)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Matrix = NDArray[np.float64]

_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel
_FARTHEST = float(1 << 24)


def ignored_regions(
    outlines: NDArray[np.float32],
    crowds: NDArray[np.int32],
    kept: NDArray[np.float32],
    matrix: Matrix,
    size: tuple[int, int],
) -> Mask:
    """Mask (height, width), 1 on the regions of one picture (rows of `PoseIndex.ignored`, `.crowds`, `.kept`), else 0.

    `matrix` (2, 3) maps picture pixels to mask pixels, `size` is the mask's (width, height). Outlines are drawn where
    they touch a pixel; a crowd's mask is sampled bilinearly, without the persons in `kept`.
    """
    mask = np.zeros((size[1], size[0]), np.uint8)
    for crowd in unpack_crowds(crowds):
        _fill(crowd, kept, _IDENTITY, 0)
        mask |= cv2.warpAffine(crowd * np.uint8(255), matrix, size, flags=cv2.INTER_LINEAR) >> 7
    _fill(mask, outlines, matrix, 1)
    return mask


def valid_cells(ignored: Mask) -> NDArray[np.float32]:
    """(1, h, w) float32, 1 where the loss counts: not on ignored cells nor on their neighbours."""
    if not ignored.any():
        return np.ones((1, *ignored.shape), np.float32)
    return (1 - cv2.dilate(ignored, _NEIGHBOURS)).astype(np.float32)[None]


def read_mask_regions(picture: Mask, matrix: Matrix, size: tuple[int, int]) -> Mask:
    """A picture's mask file (0 ignored, 255 valid), as `ignored_regions` gives it."""
    inverse = cv2.bitwise_not(picture)
    return cv2.warpAffine(inverse, matrix, size, flags=cv2.INTER_LINEAR) >> 7


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


_IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def _fill(mask: Mask, outlines: NDArray[np.float32], matrix: Matrix, value: int) -> None:
    """Fill polygons, each ended by a NaN row, in place."""
    if not len(outlines):
        return
    points = np.asarray(outlines, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    points = np.clip(points * (1 << _SHIFT), -_FARTHEST, _FARTHEST)
    ends = np.flatnonzero(np.isnan(points[:, 0]))
    start = 0
    for end in ends:
        polygon: Any = np.round(points[start:end]).astype(np.int32)
        start = end + 1
        if len(polygon) >= 3:
            cv2.fillPoly(mask, [polygon], value, cv2.LINE_8, _SHIFT)
