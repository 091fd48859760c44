"""The one picture reader of the training and the inference line.

Every picture comes back as (height, width, 3) uint8 BGR, upright (EXIF orientation applied). Grey becomes three equal
channels, 16 bits are cut to 8, transparency is laid on white, CMYK and palettes are converted. What is not a whole,
single picture is a `PictureError`: a truncated file is never returned half grey.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from src.errors import DataError
from src.translations import Message, say

Picture = NDArray[np.uint8]

#: File names that are taken for pictures when a folder is listed.
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

#: Pictures above this many pixels are refused: decoding one would take gigabytes.
MAX_PIXELS = 200_000_000

_REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


class PictureError(DataError):
    """A file that is not a whole, single picture; `path` and `reason` (English) or `message` are for reports."""

    def __init__(self, path: str | Path, reason: Message | str) -> None:
        self.message = say("verbatim", text=reason) if isinstance(reason, str) else reason
        self.path, self.reason = str(path), str(reason)
        super().__init__(self.path, self.reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class ReducedPicture:
    """A picture read smaller than it is; `width_px`, `height_px` are the file's own size, upright."""

    pixels: Picture
    width_px: int
    height_px: int


def read_picture(path: str | Path) -> Picture:
    """The picture at its own size, (height, width, 3) uint8 BGR; raises PictureError."""
    return decode_picture(read_bytes(path), path)


def read_reduced_picture(path: str | Path, max_side: int) -> ReducedPicture:
    """The picture with its longer side at most `max_side`, without ever decoding a large JPEG at full size.

    Pixel centres map as `(x + 0.5) * width_px / pixels.shape[1] - 0.5`.
    """
    return decode_reduced(read_bytes(path), path, max_side)


def decode_reduced(data: bytes, path: str | Path, max_side: int) -> ReducedPicture:
    """`read_reduced_picture` of a file's bytes; `path` is for messages."""
    width, height = picture_size(data, path)
    factor = 1
    while factor < 8 and max(width, height) >= 2 * factor * max_side:
        factor *= 2
    pixels = decode_picture(data, path, factor)
    if (pixels.shape[1] - pixels.shape[0]) * (width - height) < 0:  # turned by an entry behind the pixels
        width, height = height, width
    scale = max_side / max(pixels.shape[:2])
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return ReducedPicture(pixels, width, height)


def decode_picture(data: bytes, path: str | Path, reduction: int = 1) -> Picture:
    """Decode a file's bytes; `path` is for messages. JPEG is decoded at 1/`reduction` (1, 2, 4, 8) of its size.

    Reduced sides are rounded up; reduced pixel i covers the original pixels `reduction`*i ... `reduction`*(i+1)-1
    of the stored (not yet turned) picture. Other formats are decoded whole, then shrunk from their upright corner.
    """
    if not data:
        raise PictureError(path, say("picture_empty"))
    if data[:3] == b"\xff\xd8\xff" and _check_jpeg(data, path) in (1, 3):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED_FLAGS[reduction])
        if picture is None:
            raise PictureError(path, say("jpeg_damaged"))
        return picture
    return _decode_other(data, path, reduction)


def picture_size(data: bytes, path: str | Path) -> tuple[int, int]:
    """(width, height) as the picture stands upright, from the header alone."""
    if not data:
        raise PictureError(path, say("picture_empty"))
    with _open(data, path) as image:
        width, height = image.size
        if image.format == "TIFF":  # Pillow's size of a turned TIFF depends on its version, the tags do not
            width, height = image.tag_v2[256], image.tag_v2[257]
        return (height, width) if _is_turned(image, path) else (width, height)


def exif_orientation(data: bytes) -> int:
    """EXIF orientation (1 upright … 8) of a JPEG, 1 where there is none."""
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            return _tiff_orientation(data[start + 6 : end])
    return 1


def list_pictures(folder: str | Path, recursive: bool = False) -> list[Path]:
    """The picture files in a folder by name's suffix, sorted by their path below it; hidden files are left out."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path of the pictures")
    found: list[Path] = []
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if recursive else []
        for name in names:
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith("."):
                found.append(Path(parent, name))
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _is_turned(image: Any, path: str | Path) -> bool:
    """Whether the header says that the picture lies on its side."""
    if image.format == "PNG" and "exif" not in image.info:
        return False  # to be sure of there being none, Pillow would decode the whole picture
    try:
        return bool(image.getexif().get(_EXIF_ORIENTATION, 1) >= 5)
    except Exception as error:  # Pillow's plugins raise anything on damaged headers
        raise PictureError(path, say("picture_damaged_header", format=str(image.format), reason=str(error))) from error


def _shrink(picture: Picture, reduction: int) -> Picture:
    """Average blocks of `reduction` x `reduction` pixels, as a reduced JPEG decode does."""
    if reduction == 1:
        return picture
    bottom, right = (-side % reduction for side in picture.shape[:2])
    padded = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // reduction, padded.shape[0] // reduction)
    return cv2.resize(padded, size, interpolation=cv2.INTER_AREA)


_EXIF_ORIENTATION = 0x0112
_STRIP_ROWS = 256
_SCAN = 0xDA


def read_bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise PictureError(path, say("picture_missing")) from error
    except OSError as error:
        raise PictureError(path, say("picture_unreadable", reason=str(error.strerror or error))) from error


def _open(data: bytes, path: str | Path) -> Any:
    """Pillow's lazy picture; checks its size before anything is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise PictureError(path, say("picture_too_large", most=MAX_PIXELS)) from error
    except Exception as error:  # Pillow's plugins raise anything on damaged headers
        raise PictureError(path, say("picture_unknown")) from error
    _check_size(image.width, image.height, path)
    return image


def _check_size(width: int, height: int, path: str | Path) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(path, say("picture_too_large_size", width=width, height=height, most=MAX_PIXELS))


def _decode_other(data: bytes, path: str | Path, reduction: int) -> Picture:
    """Everything that is not a plain JPEG, through Pillow."""
    with _open(data, path) as image:
        frames = getattr(image, "n_frames", 1)
        if (
            frames > 1 and image.format != "TIFF"
        ):  # further pages of a TIFF are previews or scans, the first is the picture
            raise PictureError(path, say("picture_animated", frames=frames))
        try:
            if image.format == "JPEG" and min(image.size) >= reduction:  # CMYK: decoded smaller at once
                image.draft(None, (image.width // reduction, image.height // reduction))
                reduction = 1
            image.load()
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
            return _shrink(_as_bgr(ImageOps.exif_transpose(image) if turned else image), reduction)
        except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error … on damaged data
            raise PictureError(path, say("picture_damaged", format=str(image.format), reason=str(error))) from error


def _as_bgr(image: Any) -> Picture:
    """The pixels of any Pillow picture, strip by strip: Pillow copies what it converts, more than once."""
    picture = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        picture[top : top + strip.height] = np.asarray(_to_rgb(strip))[:, :, ::-1]
    return picture


def _to_rgb(image: Any) -> Any:
    """Any Pillow mode to RGB: 16 bits keep their high byte, transparency lies on white."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _check_jpeg(data: bytes, path: str | Path) -> int:
    """The number of channels of a whole JPEG.

    It must have an end-of-image marker after its first scan began: decoders fill what is missing with grey. (A marker
    before that belongs to a preview inside the header.)
    """
    segments = _jpeg_segments(data)
    scan = segments[-1][2] if segments and segments[-1][0] == _SCAN else len(data)
    if scan >= len(data):
        raise PictureError(path, say("jpeg_ends_in_header"))
    if data.rfind(b"\xff\xd9", scan) < 0:
        raise PictureError(path, say("jpeg_end_missing", bytes=len(data)))
    for marker, start, _ in segments:
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">xHHB", data, start)
            _check_size(width, height, path)
            return channels
    raise PictureError(path, say("jpeg_no_size"))


def _jpeg_segments(data: bytes) -> list[tuple[int, int, int]]:
    """(marker, start, end) of the payloads of the segments up to and with the first scan's header."""
    segments: list[tuple[int, int, int]] = []
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segments.append((marker, position + 4, end))
        if marker == _SCAN:
            break
        position = end
    return segments


def _tiff_orientation(block: bytes) -> int:
    """Orientation entry of the first directory of an EXIF block."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        (offset,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, offset)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, offset + 2 + 12 * entry)
            if tag == _EXIF_ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
