"""Fonts: text as pixels, in a font that has its characters; never boxes or question marks."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

logger = logging.getLogger(__name__)

SHIPPED_FONT = Path(__file__).with_name("font_files") / "NotoSansCJKsc-Bold-subset.otf"

#: Where systems keep a font with Chinese characters: Debian and its kin, Red Hat and EulerOS, macOS, Windows.
SYSTEM_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Medium.ttc",
    "C:/Windows/Fonts/msyhbd.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)

#: No font draws this (a private character of the last plane): its picture is the font's mark for missing characters.
_IN_NO_FONT = "\U0010fffd"
_TALL_AND_HANGING = "国Ag"


@lru_cache(maxsize=64)
def drawable(text: str) -> str:
    """The text, or what is left of it without the words that no font can draw; "" where that is nothing."""
    words = text.split()
    while words and not font_path(" ".join(words)):
        lacking = [word for word in words if not font_path(word)] or words[:1]
        logger.warning("label %r: no font here can draw %s; left out", text, ", ".join(map(repr, lacking)))
        words = [word for word in words if word not in lacking]
    return " ".join(words)


@lru_cache(maxsize=256)
def font_path(text: str) -> Path | None:
    """The first font, the shipped one before the system's, that has every character of the text."""
    for path in (SHIPPED_FONT, *map(Path, SYSTEM_FONTS)):
        if path.is_file() and text.strip() and _has_all(path, text):
            return path
    return None


def _has_all(path: Path, text: str) -> bool:
    try:
        font = _font(path, 16)
        missing = _ink(font, _IN_NO_FONT)
        return all(_ink(font, character) != missing for character in set(text) if not character.isspace())
    except OSError:
        return False


def _ink(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=64)
def text_coverage(text: str, size: int) -> NDArray[np.float32]:
    """The text's coverage (h, w) in 0 … 1 at a font size in pixels; (0, 0) where no font has its characters.

    The height is that of tall and hanging letters, so labels of one size are of one height whatever their letters.
    """
    path = font_path(text)
    if path is None:
        return np.zeros((0, 0), np.float32)
    font = _font(path, size)
    left, top, right, bottom = font.getbbox(text)
    _, tall, _, hanging = font.getbbox(_TALL_AND_HANGING)
    top, bottom = min(top, tall), max(bottom, hanging)
    canvas = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(canvas).text((-left, -top), text, fill=255, font=font)
    return np.asarray(canvas, np.float32) / 255
