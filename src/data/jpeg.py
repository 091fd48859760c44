"""The header of a JPEG file, read as libjpeg reads it; nothing is decoded here.

Markers: ITU-T T.81, annex B; orientation: Exif 2.3, tag 0x0112.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from src.data.formats import PictureError
from src.translations import say

#: Limit on scans, above what any program writes: each costs a pass over the whole picture.
MAX_SCANS = 100

#: Limit on markers before the first scan, above what any program writes: decoders go through all of them.
MAX_SEGMENTS = 10_000

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)  # with fill bytes before it
_ORIENTATION = 0x0112
_APP1, _SCAN, _END = 0xE1, 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a payload


class JpegHeader(NamedTuple):
    """Sides as stored in pixels, channels, Exif orientation (1 upright … 8), and the number of scans."""

    width: int
    height: int
    channels: int
    orientation: int
    scans: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of the picture turned upright."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_jpeg_header(data: bytes, path: str | Path) -> JpegHeader:
    """The header of a whole JPEG; PictureError where it is damaged or cut off.

    There must be an end-of-image marker after the first scan began: decoders fill what is missing with grey. (A marker
    before that belongs to a preview inside the header.)
    """
    frame: tuple[int, int, int] | None = None
    orientation = 1
    for marker, start, end in _segments(data):
        if marker == _SCAN:
            scans = _count_scans(data, end, path)
            if frame is None:
                break
            return JpegHeader(*frame, orientation, scans)
        if marker == _APP1 and orientation == 1 and data[start : start + 6] == b"Exif\0\0":
            orientation = _tiff_orientation(data[start + 6 : end])
        if marker in _FRAMES and end - start >= 6:
            height, width, channels = struct.unpack_from(">xHHB", data, start)
            frame = width, height, channels
    else:
        raise PictureError(path, say("jpeg_no_scan", most=MAX_SEGMENTS))
    raise PictureError(path, say("jpeg_no_size"))


def exif_orientation(data: bytes) -> int:
    """EXIF orientation (1 upright … 8) of a JPEG, 1 where there is none or the file is of another kind."""
    for marker, start, end in _segments(data) if data[:3] == b"\xff\xd8\xff" else ():
        if marker == _APP1 and data[start : start + 6] == b"Exif\0\0":
            return _tiff_orientation(data[start + 6 : end])
    return 1


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the payloads of the segments up to and with the first scan's header.

    Bytes between segments are skipped, as libjpeg does. There are at most MAX_SEGMENTS.
    """
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None or found.end() + 2 > len(data):
            return
        marker, position = found[1][0], found.end()
        if marker in _ALONE:
            continue
        if marker == _END:
            return
        length = int.from_bytes(data[position : position + 2], "big")
        end = position + length
        if length < 2 or end > len(data):
            return
        yield marker, position + 2, end
        if marker == _SCAN:
            return
        position = end


def _count_scans(data: bytes, start: int, path: str | Path) -> int:
    """The number of scans of a JPEG whose first scan's data begin at `start`."""
    end = data.find(bytes((0xFF, _END)), start)
    if end < 0:
        raise PictureError(path, say("jpeg_end_missing", bytes=len(data)))
    scans = 1 + data.count(bytes((0xFF, _SCAN)), start, end)
    if scans > MAX_SCANS:
        raise PictureError(path, say("jpeg_too_many_scans", scans=scans, most=MAX_SCANS))
    return scans


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
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
