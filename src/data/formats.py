"""Supported picture formats, recognized by their first bytes, and the error for unsupported or damaged files."""

from __future__ import annotations

import re
from pathlib import Path

from src.errors import DataError
from src.translations import Message, say

#: The formats that are decoded, by Pillow's names. Its other readers are never tried: one of them starts Ghostscript.
READ_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")

#: Endings of files that are taken for pictures when a folder is listed, whatever they hold.
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"})

#: Endings of pictures that are not read whatever their first bytes are: raw photographs begin like a TIFF, and their
#: first picture is a preview.
OTHER_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".svg", ".psd", ".jp2", ".j2k", ".jxl", ".eps", ".tga", ".ico", ".ppm", ".pgm"}
    | {".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".srw", ".pef", ".raw"}
)

#: Enough of a file's beginning for `format_of`.
HEAD_BYTES = 32

_SIGNATURES = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("BMP", re.compile(rb"BM.{4}", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("HEIC", re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL)),
    ("AVIF", re.compile(rb"....ftypavi", re.DOTALL)),
    ("JPEG 2000", re.compile(rb"\0\0\0\x0cjP|\xff\x4f\xff\x51")),
    ("JPEG XL", re.compile(rb"\0\0\0\x0cJXL |\xff\x0a")),
    ("PostScript", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("PDF", re.compile(rb"%PDF")),
    ("Photoshop", re.compile(rb"8BPS")),
    ("SVG", re.compile(rb"\s*<svg")),
)


class PictureError(DataError):
    """A file that is not a whole, single picture; `path` and `reason` (English) or `message` are for reports."""

    def __init__(self, path: str | Path, reason: Message | str) -> None:
        self.message = say("verbatim", text=reason) if isinstance(reason, str) else reason
        self.path, self.reason = str(path), str(reason)
        super().__init__(self.path, self.reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def format_of(head: bytes) -> str:
    """The format of a file that begins with `head`; empty when it is none of a picture."""
    return next((name for name, signature in _SIGNATURES if signature.match(head)), "")


def why_not_read(head: bytes) -> Message | None:
    """Why a file that begins with `head` is not read; None for a format that is."""
    if not head:
        return say("picture_empty")
    name = format_of(head)
    if name in READ_FORMATS:
        return None
    return say("picture_other_format", format=name) if name else say("picture_unknown")
