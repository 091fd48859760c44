"""Reads labelme's JSON files (versions 3 to 6) into plain values, and says what cannot be used."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from src.data.images import PictureError, picture_size

#: Tried in turn; files that were edited on a Chinese Windows may not be UTF-8.
_ENCODINGS = ("utf-8-sig", "gb18030")


class Problem(NamedTuple):
    """Something questionable: the file, the shape (its number and label; empty: the whole file) and the reason."""

    file: str
    shape: str
    reason: str


class UnusableFileError(Exception):
    """The whole file must be left out; the message is the reason."""


@dataclass(frozen=True)
class Shape:
    """One labelled shape; `points` are picture pixels, x then y."""

    name: str  # "#3 nose", for messages
    label: str
    kind: str
    points: tuple[tuple[float, float], ...]
    group: str | None
    flags: dict[str, Any]
    description: str


@dataclass(frozen=True)
class LabelmeFile:
    """A labelme file: which picture, as large as what, and what was labelled."""

    picture: str  # as written, with "/" between folders
    width: int | None
    height: int | None
    embedded: bytes | None
    shapes: tuple[Shape, ...]


def read_labelme(path: Path) -> tuple[LabelmeFile, list[Problem]]:
    """The file, and the shapes in it that make no sense; raises UnusableFileError."""
    content = _read_json(path)
    shapes, problems = [], []
    for number, raw in enumerate(content["shapes"]):
        try:
            shapes.append(_read_shape(number, raw))
        except ValueError as error:
            label = raw.get("label") if isinstance(raw, dict) else raw
            problems.append(Problem(path.name, f"#{number} {label}", str(error)))
    picture = content.get("imagePath")
    if not isinstance(picture, str) or not picture.strip():
        raise UnusableFileError("has no imagePath")
    return LabelmeFile(
        picture=PureWindowsPath(picture.strip()).as_posix(),  # both "/" and "\" separate folders in it
        width=_side(content.get("imageWidth")),
        height=_side(content.get("imageHeight")),
        embedded=_embedded(content.get("imageData")),
        shapes=tuple(shapes),
    ), problems


def find_picture(file: LabelmeFile, json_path: Path, pictures: Path) -> Path | None:
    """The picture's file: where imagePath points from the JSON file, else its bare name there or in `pictures`."""
    name = file.picture.rsplit("/", 1)[-1]
    for candidate in (json_path.parent / file.picture, json_path.parent / name, pictures / name):
        if candidate.is_file():
            return candidate
    return None


def upright_size(data: bytes, path: Path, file: LabelmeFile) -> tuple[int, int]:
    """(width, height) of the picture as labelme showed it, turned upright by EXIF.

    Raises UnusableFileError where it is no picture, or not the size the points were set on.
    """
    try:
        width, height = picture_size(data, path)
    except PictureError as error:
        raise UnusableFileError(f"its picture: {error}") from None
    if file.width is not None and file.height is not None and (width, height) != (file.width, file.height):
        turned = (height, width) == (file.width, file.height)
        raise UnusableFileError(
            f"was labelled on a picture of {file.width}x{file.height}, but {path.name} is {width}x{height}"
            + (": labelled lying, the EXIF tag says it stands" if turned else "")
        )
    return width, height


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot be read ({error.strerror or error})") from None
    for encoding in _ENCODINGS:
        try:
            content = json.loads(data.decode(encoding))
            break
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError) as error:
            raise UnusableFileError(f"is not JSON ({error})") from None
    else:
        raise UnusableFileError("is neither UTF-8 nor GB18030 text")
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise UnusableFileError("is not a labelme file (it has no list of shapes)")
    return content


def _read_shape(number: int, raw: Any) -> Shape:
    if not isinstance(raw, dict):
        raise ValueError("is not a shape")
    label = raw.get("label")
    if not isinstance(label, str) or not label.strip():
        raise ValueError("has no label")
    points = raw.get("points")
    if not isinstance(points, list) or not points:
        raise ValueError("has no points")
    flags = raw.get("flags")
    group = raw.get("group_id")
    return Shape(
        name=f"#{number} {label}",
        label=label,
        kind=str(raw.get("shape_type") or ("point" if len(points) == 1 else "polygon")),
        points=tuple(_point(each) for each in points),
        group=None if group is None or group == "" else str(group),
        flags=flags if isinstance(flags, dict) else {},
        description=str(raw.get("description") or ""),
    )


def _point(raw: Any) -> tuple[float, float]:
    if not isinstance(raw, (list, tuple)) or len(raw) != 2:
        raise ValueError("has a point that is not x and y")
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v) for v in raw):
        raise ValueError("has a coordinate that is no number")
    return float(raw[0]), float(raw[1])


def _side(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and raw > 0 else None


def _embedded(raw: Any) -> bytes | None:
    if not isinstance(raw, str) or not raw:
        return None
    try:
        return base64.b64decode(raw.split(",", 1)[-1], validate=True)
    except (binascii.Error, ValueError):
        raise UnusableFileError("has damaged imageData") from None
