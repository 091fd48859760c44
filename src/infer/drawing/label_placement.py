"""Labels: a text in a box beside a head, never outside the picture, and on no other label or face if it can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.infer.drawing.fonts import text_coverage

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are the first pixels outside

Colour = tuple[int, int, int]  # BGR
WARNING: Colour = (38, 38, 214)
NEUTRAL: Colour = (64, 58, 52)
_TEXT = np.array((255, 255, 255), np.float32)
_SMALLEST_TEXT_PX = 5
_SLIP = 0.75  # of its height that the border may push a label from its place
_WIDEST_LABEL = 0.5  # of the picture's width; longer texts are broken into lines


def place_label(
    picture: NDArray[np.uint8],
    texts: Sequence[str],
    anchor: tuple[float, float],
    person_px: float,
    taken: list[Box],
    *,
    faces: Sequence[Box] = (),
    background: Colour = WARNING,
) -> None:
    """Write a text into the picture (H, W, 3) near `anchor`, the head of a person `person_px` large.

    The first of `texts` that fits into one line is written, else the last one. `taken` holds the boxes of earlier
    labels and gets this one's; `faces` are kept clear where there is room.
    """
    height, width = picture.shape[:2]
    size = _text_size(person_px, width, height)
    patch = _patch(_fitting(texts, size, _line_width(size, width)), size, (width, height), background)
    patch_height, patch_width = patch.shape[:2]
    left, top = _best_place(anchor, person_px, (patch_width, patch_height), (width, height), taken, faces)
    right, bottom = left + patch_width, top + patch_height
    picture[top:bottom, left:right] = patch
    taken.append((left, top, right, bottom))


def draw_notice(picture: NDArray[np.uint8], text: str) -> None:
    """Write a text into the lower left corner of the picture (H, W, 3)."""
    height, width = picture.shape[:2]
    patch = _patch(text, _text_size(0, width, height), (width, height), NEUTRAL)
    picture[height - patch.shape[0] :, : patch.shape[1]] = patch


def _fitting(texts: Sequence[str], size: int, width: int) -> str:
    """The first text that is at most `width` pixels wide in one line; the last one where none is."""
    fitting = (text for text in texts if text_coverage(text, size).shape[1] <= width)
    return next(fitting, texts[-1])


def _text_size(person_px: float, width: int, height: int) -> int:
    """Font size in pixels: by the picture, so that it can be read on a screen, and larger on large people."""
    least = max(12.0, 0.022 * max(width, height))
    return round(min(max(least, 0.055 * person_px), 2.5 * least))


def _margin(size: int) -> int:
    """Pixels of background to the left and to the right of a text of that size."""
    return max(1, size // 4)


def _line_width(size: int, picture_width: int) -> int:
    """The most that a line of a label may measure."""
    return round(_WIDEST_LABEL * picture_width) - 2 * _margin(size)


def _patch(text: str, size: int, picture: tuple[int, int], background: Colour) -> NDArray[np.uint8]:
    """The text in white on its background, as large as asked or as fits into the picture (width, height)."""
    width, height = picture
    while True:
        margin = _margin(size)
        ink = _lines(text, size, _line_width(size, width))
        ink = np.pad(ink, ((margin // 2, margin // 2), (margin, margin)))
        if (ink.shape[1] <= width and ink.shape[0] <= height) or size <= _SMALLEST_TEXT_PX:
            break
        size -= max(1, size // 12)
    ink = ink[:height, :width, None]
    return np.round(np.array(background, np.float32) * (1 - ink) + _TEXT * ink).astype(np.uint8)


def _lines(text: str, size: int, width: int) -> NDArray[np.float32]:
    """Coverage (h, w) of the text, broken between words where a line would be wider than `width`."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_coverage(longer, size).shape[1] <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    inks = [text_coverage(line, size) for line in lines]
    widest = max(ink.shape[1] for ink in inks)
    return np.concatenate([np.pad(ink, ((0, 0), (0, widest - ink.shape[1]))) for ink in inks])


def _best_place(
    anchor: tuple[float, float],
    person_px: float,
    size: tuple[int, int],
    picture: tuple[int, int],
    taken: list[Box],
    faces: Sequence[Box],
) -> tuple[int, int]:
    """Left and top: above the head, else beside it or below it, where nothing is cut off and no label or face lies."""
    (x, y), (width, height) = anchor, size
    clear = max(0.09 * person_px, 0.4 * height)  # a head's half height: the face stays visible
    steps = range(8)
    above = [(x - width / 2, y - clear - (n + 1) * height) for n in steps]
    below = [(x - width / 2, y + clear + n * height) for n in steps]
    beside = [(x + clear, y - height / 2), (x - clear - width, y - height / 2)]
    wishes = [above[0], *beside, below[0], *above[1:], *below[1:]]
    inside = [_into((round(left), round(top)), size, picture) for left, top in wishes]
    costs = []
    for n, ((left, top), (wish_left, wish_top)) in enumerate(zip(inside, wishes)):
        # Above and below, a label may slide sideways as long as it still reaches the head's middle.
        slack = _SLIP * height if wishes[n] in beside else width / 2
        misplaced = abs(left - wish_left) > slack or abs(top - wish_top) > _SLIP * height
        box = (left, top, left + width, top + height)
        costs.append((_overlap(box, taken), misplaced, _overlap(box, faces), n))
    return inside[costs.index(min(costs))]


def _into(corner: tuple[int, int], size: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int]:
    """The corner moved so that a box of this size lies in the picture."""
    left, top = (min(max(0, at), max(0, whole - part)) for at, part, whole in zip(corner, size, picture))
    return left, top


def _overlap(box: Box, others: Sequence[Box]) -> int:
    """Pixels that the box shares with others."""
    return sum(
        max(0, min(box[2], other[2]) - max(box[0], other[0])) * max(0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )
