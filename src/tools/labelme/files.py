"""Reads the JSON files of labelme (versions 3 to 6) and of programs that write its format, as plain values."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import NamedTuple, cast

from src.data.annotations.regions import FARTHEST
from src.data.formats import PICTURE_SUFFIXES, PictureError
from src.data.images import picture_size
from src.data.names import name_below
from src.json_files import read_json

#: What `coco2labelme` adds to a person's rectangle, so that the area survives: square pixels.
AREA_KEY = "area_px2"


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
    flags: dict[str, object]  # with `attributes` and `difficult` of programs that write these
    description: str
    area: float | None = None  # as `coco2labelme` noted it


@dataclass(frozen=True)
class LabelmeFile:
    """A labelme file: which picture, its size as it was labelled, and what was labelled."""

    picture: str  # as written, with "/" between folders
    width: int | None
    height: int | None
    embedded: bytes | None
    shapes: tuple[Shape, ...]

    @property
    def name(self) -> str:
        """The picture's bare name."""
        return self.picture.rsplit("/", 1)[-1]

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) as labelled; None where the file does not give both."""
        return (self.width, self.height) if self.width is not None and self.height is not None else None


def read_labelme(path: Path) -> tuple[LabelmeFile, list[Problem]]:
    """The file, and the shapes in it that make no sense; raises UnusableFileError."""
    content = _read_json(path)
    shapes, problems = [], []
    for number, raw in enumerate(cast("list[object]", content["shapes"])):
        try:
            shapes.append(_read_shape(number, raw))
        except ValueError as error:
            label = raw.get("label") if isinstance(raw, dict) else raw
            problems.append(Problem(path.name, f"#{number} {label}", str(error)))
    return LabelmeFile(
        picture=_picture_path(content.get("imagePath")),
        width=_side(content.get("imageWidth")),
        height=_side(content.get("imageHeight")),
        embedded=_embedded(content.get("imageData")),
        shapes=tuple(shapes),
    ), problems


def _picture_path(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise UnusableFileError("has no imagePath")
    path = PureWindowsPath(raw.strip()).as_posix()  # both "/" and "\\" separate folders in it
    try:
        name_below(path.rsplit("/", 1)[-1])
    except ValueError as error:
        raise UnusableFileError(f"its imagePath {error}") from None
    return path


def find_picture(file: LabelmeFile, json_path: Path, pictures: Path) -> Path | None:
    """The picture's file: where imagePath points from the JSON file, else its bare name there or in `pictures`."""
    for candidate in (json_path.parent / file.picture, json_path.parent / file.name, pictures / file.name):
        if candidate.is_file():
            return candidate
    return None


def upright_size(data: bytes, path: Path, file: LabelmeFile) -> tuple[int, int]:
    """(width, height) of the picture as labelme showed it, turned upright by EXIF.

    Raises UnusableFileError where it is not a picture, or not the size the points were set on.
    """
    try:
        width, height = picture_size(data, path)
    except PictureError as error:
        raise UnusableFileError(f"its picture: {error}") from None
    if file.size is not None and (width, height) != file.size:
        turned = (height, width) == file.size
        raise UnusableFileError(
            f"was labelled on a picture of {file.size[0]}x{file.size[1]}, but {path.name} is {width}x{height}"
            + (": labelled without the turn that its EXIF tag asks for" if turned else "")
        )
    return width, height


def write_embedded(file: LabelmeFile, pictures: Path) -> Path:
    """Write a picture that only the JSON file holds into the folder of pictures, where nothing is replaced.

    Raises UnusableFileError when it is not a picture, OSError when it cannot be written.
    """
    target = pictures / file.name
    if target.suffix.lower() not in PICTURE_SUFFIXES:
        raise UnusableFileError(f"its imagePath {file.name} does not end like a picture")
    upright_size(file.embedded or b"", target, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as written:
        written.write(file.embedded or b"")
    return target


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = read_json(path)
    except OSError as error:
        raise UnusableFileError(f"cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise UnusableFileError(f"is not JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise UnusableFileError("is not a labelme file (it has no list of shapes)")
    return content


def _read_shape(number: int, raw: object) -> Shape:
    if not isinstance(raw, dict):
        raise ValueError("is not a shape")
    label = raw.get("label")
    if not isinstance(label, str) or not label.strip():
        raise ValueError("has no label")
    points = raw.get("points")
    if not isinstance(points, list) or not points:
        raise ValueError("has no points")
    flags: dict[str, object] = {}
    for extra in (raw.get("attributes"), raw.get("flags")):
        flags.update(extra if isinstance(extra, dict) else {})
    if isinstance(raw.get("difficult"), bool):
        flags["difficult"] = raw["difficult"]
    group = raw.get("group_id")
    return Shape(
        name=f"#{number} {label}",
        label=label,
        kind=str(raw.get("shape_type") or ("point" if len(points) == 1 else "polygon")),
        points=tuple(_point(each) for each in points),
        group=None if group is None or group == "" else str(group),
        flags=flags,
        description=str(raw.get("description") or ""),
        area=_area(raw.get(AREA_KEY)),
    )


def _point(raw: object) -> tuple[float, float]:
    if not isinstance(raw, (list, tuple)) or len(raw) != 2:
        raise ValueError("has a point that is not x and y")
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not abs(v) <= FARTHEST for v in raw):
        raise ValueError("has a coordinate that is not a number")
    return float(raw[0]), float(raw[1])


def _area(raw: object) -> float | None:
    return float(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) and 0 < raw < 1e11 else None


def _side(raw: object) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0 else None


def _embedded(raw: object) -> bytes | None:
    if not isinstance(raw, str) or not raw:
        return None
    try:
        return base64.b64decode(raw.split(",", 1)[-1], validate=True)
    except (binascii.Error, ValueError):
        raise UnusableFileError("has damaged imageData") from None
