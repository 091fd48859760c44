"""The one picture reader of training and inference.

Every picture comes back as (height, width, 3) uint8 BGR, upright (EXIF orientation applied). Grey becomes three equal
channels, 16 bits are cut to 8, transparency is laid on white, CMYK and palettes are converted. What is not a whole,
single picture is a `PictureError`, whatever a decoder raises: a truncated file is never returned half grey.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from src.data.formats import HEAD_BYTES, PictureError, format_of, why_not_read
from src.data.jpeg import JpegHeader, exif_orientation, read_jpeg_header
from src.translations import say

Picture = NDArray[np.uint8]

#: Pictures above this many pixels are refused: decoding one would take gigabytes.
MAX_PIXELS = 200_000_000
#: So are pictures with a longer side than any format but TIFF and PNG can have.
MAX_SIDE = 65_535
#: Pictures' files above this size are refused: they are read whole.
MAX_FILE_BYTES = 512 << 20
#: Pixels times scans of a progressive JPEG: each scan costs a pass over the picture.
MAX_SCANNED_PIXELS = 1_000_000_000
#: Decoding is abandoned after this many seconds; a plain picture of MAX_PIXELS takes a few.
DECODE_SECONDS_MAX = 60

#: Above this many pixels times scans, decoding is subject to the time limit.
_QUICK_PIXELS = 30_000_000

_REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

Result = TypeVar("Result")


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
    if _kind(data, path) == "JPEG":
        header = read_jpeg_header(data, path)
        _check_size(header.width, header.height, path, header.scans)
        if header.channels in (1, 3):
            with _decoder("JPEG", path):
                return _watched(lambda: _decode_jpeg(data, path, header, reduction), path, header)
    return _watched(lambda: _decode_other(data, path, reduction), path)


def picture_size(data: bytes, path: str | Path) -> tuple[int, int]:
    """(width, height) as the picture stands upright, from the header alone."""
    kind = _kind(data, path)
    if kind == "JPEG":
        header = read_jpeg_header(data, path)
        _check_size(header.width, header.height, path, header.scans)
        return header.upright_size
    with _decoder(kind, path), _open(data, path) as image:
        width, height = image.size
        if image.format == "TIFF":  # Pillow's size of a turned TIFF depends on its version, the tags do not
            width, height = image.tag_v2[256], image.tag_v2[257]
        return (height, width) if _is_turned(image) else (width, height)


def size_error(data: bytes, path: str | Path, annotated: tuple[int, int]) -> PictureError:
    """The error for a picture that has another size than its annotations say, (width, height)."""
    width, height = picture_size(data, path)
    text = f"is {width}x{height} where {annotated[0]}x{annotated[1]} is annotated"
    if (height, width) == annotated:
        is_turned = exif_orientation(data) >= 5
        text += ": annotated without the turn that its EXIF tag asks for" if is_turned else ": the sides are swapped"
    return PictureError(path, text)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a picture's file; PictureError where it is not one that is read, told by its first bytes."""
    try:
        # never block on a pipe
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise PictureError(path, say("picture_unreadable", reason="not a regular file"))
            head = file.read(HEAD_BYTES)
            reason = why_not_read(head)
            if reason is not None:
                raise PictureError(path, reason)
            if status.st_size > MAX_FILE_BYTES:
                raise PictureError(path, say("picture_file_too_large", bytes=status.st_size, most=MAX_FILE_BYTES))
            return head + file.read(max(status.st_size - len(head), 0) + 1)  # a buffer of this size is made for it
    except FileNotFoundError:
        raise PictureError(path, say("picture_missing")) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise PictureError(path, say("picture_unreadable", reason=_reason(error))) from error


def _kind(data: bytes, path: str | Path) -> str:
    reason = why_not_read(data[:HEAD_BYTES])
    if reason is not None:
        raise PictureError(path, reason)
    return format_of(data[:HEAD_BYTES])


def _reason(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, UnidentifiedImageError):  # says nothing but the address of a buffer
        return "its header cannot be read"
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


@contextmanager
def _decoder(kind: str, path: str | Path) -> Iterator[None]:
    """Make a PictureError of everything that a decoder raises: they raise anything on damaged files."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(path, say("picture_damaged", format=kind, reason=_reason(error))) from error


def _watched(decode: Callable[[], Result], path: str | Path, header: JpegHeader | None = None) -> Result:
    """What `decode` returns; PictureError where it takes too long. (Its thread then works on until it is done.)"""
    if header is not None and header.width * header.height * header.scans <= _QUICK_PIXELS:
        return decode()
    outcome: list[Result | BaseException] = []

    def work() -> None:
        try:
            outcome.append(decode())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append(error)

    thread = threading.Thread(target=work, name="decode", daemon=True)
    thread.start()
    thread.join(DECODE_SECONDS_MAX)
    if not outcome:
        raise PictureError(path, say("picture_too_slow", seconds=DECODE_SECONDS_MAX))
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _check_size(width: int, height: int, path: str | Path, scans: int = 1) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError(path, say("picture_too_large_size", width=width, height=height, most=MAX_PIXELS))
    if width * height * scans > MAX_SCANNED_PIXELS:
        most = MAX_SCANNED_PIXELS // (width * height)
        raise PictureError(path, say("jpeg_too_many_scans", scans=scans, most=most))


def _decode_jpeg(data: bytes, path: str | Path, header: JpegHeader, reduction: int) -> Picture:
    """A grey or colour JPEG through OpenCV, which turns it upright."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED_FLAGS[reduction])
    sides = {-(-header.width // reduction), -(-header.height // reduction)}
    if picture is None or set(picture.shape[:2]) != sides:
        raise PictureError(path, say("jpeg_damaged"))
    return picture


def _open(data: bytes, path: str | Path) -> Image.Image:
    """Pillow's lazy picture; checks its size before anything is decoded."""
    kind = format_of(data[:HEAD_BYTES])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError as error:
        raise PictureError(path, say("picture_too_large", most=MAX_PIXELS)) from error
    _check_size(image.width, image.height, path)
    return image


def _decode_other(data: bytes, path: str | Path, reduction: int) -> Picture:
    """Everything that is not a plain JPEG, through Pillow."""
    kind = format_of(data[:HEAD_BYTES])
    with _decoder(kind, path), _open(data, path) as image:
        # further pages of a TIFF are previews or scans, and counting them takes time: the first is the picture
        frames = getattr(image, "n_frames", 1) if kind in ("PNG", "WEBP") else 1
        if frames > 1:
            raise PictureError(path, say("picture_animated", frames=frames))
        if kind == "TIFF":
            _check_strips(image)
        if kind == "JPEG" and min(image.size) >= reduction:  # CMYK: decoded smaller at once
            image.draft(None, (image.width // reduction, image.height // reduction))
            reduction = 1
        image.load()
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
        return _shrink(_as_bgr(ImageOps.exif_transpose(image) if turned else image), reduction)


def _check_strips(image: Image.Image) -> None:
    """ValueError for a TIFF that lists fewer strips or tiles than cover it: Pillow leaves the rest black."""
    tags = cast(TiffImageFile, image).tag_v2
    width, height = tags[256], tags[257]
    if 324 in tags:
        listed, needed = len(tags[324]), -(-width // tags[322]) * -(-height // tags[323])
    else:
        listed, needed = len(tags[273]), -(-height // min(tags.get(278, height), height))
    if listed < needed * (tags.get(277, 1) if tags.get(284, 1) == 2 else 1):
        raise ValueError("strips are missing")


def _is_turned(image: Image.Image) -> bool:
    """Whether the header says that the picture lies on its side."""
    if image.format == "PNG" and "exif" not in image.info:
        return False  # to be sure of there being none, Pillow would decode the whole picture
    return bool(image.getexif().get(_EXIF_ORIENTATION, 1) >= 5)


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


def _as_bgr(image: Image.Image) -> Picture:
    """The pixels of any Pillow picture, strip by strip: Pillow copies what it converts, more than once."""
    picture = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        picture[top : top + strip.height] = np.asarray(_to_rgb(strip))[:, :, ::-1]
    return picture


def _to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any Pillow mode as RGB: 16 bits keep their high byte, transparency lies on white."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")
