"""Reads labels of persons from JSON: picture → persons with box and label, or a list of persons with joints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from src.actions.evaluation.labels import Box, LabelledPerson, LabelledPicture, overlap
from src.actions.measures.pose import as_pose
from src.errors import DataError

EXPECTED = (
    'give {"NAME.jpg": {"persons": [{"box": [left, top, width, height], "label": "…"}]}} '
    'or [{"picture": "NAME.jpg", "label": "…", "joints": 18 x [x, y, 0 or 1]}]'
)
#: Keys that name the group of a person or picture, in the order in which they are looked for.
GROUP_KEYS = ("group", "scene", "source_unit")
OUTSIDE_PX = 2.0  # boxes may stick out of the picture by rounding
SAME_PERSON = 0.95  # two boxes that overlap more (intersection over union) are of one person


def read_label_file(path: Path) -> list[LabelledPicture]:
    """The pictures of a labels file or a joints file; DataError, naming file and picture, for what makes no sense."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); {EXPECTED}") from None
    if isinstance(content, dict) and content:
        return [_picture(str(file), raw, path) for file, raw in content.items()]
    if isinstance(content, list) and content:
        return _by_picture(content, path)
    raise DataError(f"{path}: holds no labels; {EXPECTED}")


def check_boxes(picture: LabelledPicture, where: object) -> None:
    """DataError for a box outside of its picture, and for two labels on one person."""
    for person in picture.persons:
        if person.box is not None and _lies_outside(person.box, picture):
            size = f"{picture.width} x {picture.height}"
            raise DataError(f"{where}, {picture.file}: box {_shown(person.box)} lies outside of the picture ({size})")
    for number, one in enumerate(picture.persons):
        for other in picture.persons[:number]:
            if _is_same_person(one, other):
                what = "the same joints are" if one.box is None else f"box {_shown(one.box)} is"
                raise DataError(
                    f"{where}, {picture.file}: {what} labelled twice, {other.label!r} and {one.label!r}; keep one"
                )


def _lies_outside(box: Box, picture: LabelledPicture) -> bool:
    left, top, width, height = box
    is_inside = (
        min(left, top) >= -OUTSIDE_PX
        and left + width <= picture.width + OUTSIDE_PX
        and top + height <= picture.height + OUTSIDE_PX
    )
    return bool(picture.width and picture.height) and not is_inside


def _is_same_person(one: LabelledPerson, other: LabelledPerson) -> bool:
    """Whether the boxes are the same up to a shaky hand; without boxes, whether the joints are the same."""
    if one.box is not None and other.box is not None:
        return overlap(one.box, other.box) >= SAME_PERSON
    return one.box is other.box is None and one.keypoints == other.keypoints


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; ValueError for a repeated key, of which the JSON reader would silently drop one."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return content


def _picture(file: str, raw: object, path: Path) -> LabelledPicture:
    where = f"{path}, {file}"
    if not isinstance(raw, Mapping) or not isinstance(raw.get("persons"), list):
        raise DataError(f"{where}: has no list of persons; {EXPECTED}")
    group = _group(raw)
    persons = tuple(_person(one, f"{where}, person {number}", group) for number, one in enumerate(raw["persons"], 1))
    if any(person.box is None for person in persons):
        raise DataError(f"{where}: a person without a box; {EXPECTED}")
    size = [_size(raw.get(side), f"{where}, {side}") for side in ("width", "height")]
    picture = LabelledPicture(file, persons, *size)
    check_boxes(picture, path)
    return picture


def _by_picture(content: list[object], path: Path) -> list[LabelledPicture]:
    """A joints file: one person an entry, gathered by picture in the file's order."""
    persons: dict[str, list[LabelledPerson]] = {}
    for number, raw in enumerate(content, start=1):
        where = f"{path}, person {number}"
        if not isinstance(raw, Mapping) or not isinstance(raw.get("picture"), str):
            raise DataError(f"{where}: has no picture; {EXPECTED}")
        person = _person(raw, where, "")
        if person.keypoints is None:
            raise DataError(f"{where}: has no joints; {EXPECTED}")
        persons.setdefault(raw["picture"], []).append(person)
    pictures = [LabelledPicture(file, tuple(found)) for file, found in persons.items()]
    for picture in pictures:
        check_boxes(picture, path)
    return pictures


def _person(raw: object, where: str, group: str) -> LabelledPerson:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("label"), str):
        raise DataError(f"{where}: has no label; {EXPECTED}")
    joints = raw.get("joints", raw.get("keypoints"))
    if joints is not None:
        try:
            as_pose(joints)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
    return LabelledPerson(raw["label"], _box(raw.get("box"), where), joints, _group(raw) or group)


def _box(raw: object, where: str) -> Box | None:
    if raw is None:
        return None
    try:
        left, top, width, height = map(float, raw if isinstance(raw, list) else [])
    except (TypeError, ValueError):
        raise DataError(f"{where}: box {raw!r} is not [left, top, width, height]") from None
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        raise DataError(f"{where}: box {raw!r} has no area")
    return (left, top, width, height)


def _group(raw: Mapping[str, object]) -> str:
    return next((str(raw[key]) for key in GROUP_KEYS if raw.get(key) not in (None, "")), "")


def _size(raw: object, where: str) -> int:
    if raw is None:
        return 0
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise DataError(f"{where}: {raw!r} is not a number of pixels")
    return raw


def _shown(box: Box | None) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box or ()) + "]"
