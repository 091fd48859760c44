"""Which network input a picture is fitted into: a few canonical shapes, or the tightest one for a dynamic graph."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from src.pose.grid import Fit

#: Longer side / shorter side of the usual canonical shapes; each is used lying and standing, so there are four shapes.
CANONICAL_ASPECTS = (4 / 3, 16 / 9)
#: Beyond this aspect the shorter side shrinks below the wanted one, so that a panorama cannot exhaust the memory.
MAX_ASPECT = 3.0
#: Grey, which both networks' normalisation maps to zero.
PADDING = 128


def canonical_shapes(insize: int, multiple: int, aspects: Sequence[float] = CANONICAL_ASPECTS) -> list[tuple[int, int]]:
    """(height, width) of the fixed input shapes whose shorter side is `insize`, both sides multiples of `multiple`."""
    short = _round_up(insize, multiple)
    longs = [_round_up(round(insize * aspect), multiple) for aspect in aspects]
    return list(dict.fromkeys([(short, long) for long in longs] + [(long, short) for long in longs]))


def tight_fit(width_px: int, height_px: int, insize: int, multiple: int) -> Fit:
    """The picture scaled to about `insize` at its shorter side, so that its longer side needs no padding.

    The longer side is the largest multiple for which the shorter one stays within `insize`; only that one is padded.
    """
    long_px = max(width_px, height_px)
    longest = min(insize / min(width_px, height_px) * long_px, insize * MAX_ASPECT)
    return _fit(width_px, height_px, max(int(longest) // multiple, 1) * multiple / long_px, None, multiple)


def canonical_fit(
    width_px: int, height_px: int, insize: int, multiple: int, aspects: Sequence[float] = CANONICAL_ASPECTS
) -> Fit:
    """The picture scaled, never distorted, into the canonical shape that shows it largest (then the smallest such)."""
    wanted = insize / min(width_px, height_px)
    candidates = []
    for height, width in canonical_shapes(insize, multiple, aspects):
        scale = min(wanted, width / width_px, height / height_px)
        candidates.append((-scale, height * width, (height, width), scale))
    _, _, shape, scale = min(candidates)
    return _fit(width_px, height_px, scale, shape, multiple)


def fit_picture(picture: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """(H, W, 3) picture to (input_height, input_width, 3): scaled into the top left corner, grey elsewhere."""
    shrinking = fit.scaled_width * fit.scaled_height < picture.shape[0] * picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    scaled: NDArray[np.uint8] = cv2.resize(picture, (fit.scaled_width, fit.scaled_height), interpolation=interpolation)
    canvas = np.full((fit.input_height, fit.input_width, 3), PADDING, np.uint8)
    canvas[: fit.scaled_height, : fit.scaled_width] = scaled
    return canvas


def as_batch(inputs: Sequence[NDArray[np.uint8]], count: int) -> NDArray[np.uint8]:
    """(count, 3, H, W): the fitted pictures (H, W, 3), then grey ones."""
    height, width = inputs[0].shape[:2]
    batch = np.empty((count, 3, height, width), np.uint8)
    for index, picture in enumerate(inputs):
        batch[index] = picture.transpose(2, 0, 1)
    batch[len(inputs) :] = PADDING
    return batch


def _fit(width_px: int, height_px: int, scale: float, shape: tuple[int, int] | None, multiple: int) -> Fit:
    scaled_width = max(1, round(width_px * scale))
    scaled_height = max(1, round(height_px * scale))
    height, width = shape or (_round_up(scaled_height, multiple), _round_up(scaled_width, multiple))
    return Fit(width_px, height_px, min(scaled_width, width), min(scaled_height, height), width, height)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
