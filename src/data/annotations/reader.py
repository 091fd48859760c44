"""The one reader of COCO keypoint files: training, masks, evaluation, packing and conversion all read through it.

Pictures and people come out checked and completed (`person.py`); what cannot be right raises DataError naming the file,
the annotation and the field. The file's keys may stand in any order; memory stays at the text and one annotation.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Container, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from src.data.annotations.categories import Categories, JointOrder, identity, read_categories
from src.data.annotations.jsonstream import walk_object
from src.data.annotations.person import Person, complete_person
from src.data.annotations.summary import notes
from src.data.images import MAX_PIXELS
from src.data.names import annotated_name
from src.errors import DataError
from src.json_files import read_json_text

log = logging.getLogger(__name__)

_STREAMED = frozenset({"images", "annotations"})

JOINED = "pictures listed twice joined"
REPEATED_PERSON = "repeated people of joined pictures dropped"
REPEATED_ID = "annotations without an id of their own renumbered"
REORDERED = "people whose joints were brought into COCO's order"
UNKNOWN_PICTURE = "of pictures that are not in 'images'"


class Picture(NamedTuple):
    """A picture of the file: its number here, its id there, name below the picture folder, and size in pixels."""

    number: int
    file_id: Hashable
    name: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height


@dataclass
class AnnotationFile:
    """A COCO keypoints file; `people()` walks through its annotations.

    `pictures` are in the file's order; numbers are the file's ids where these are all whole numbers, else count from 1.
    `completed` and `left_out` say, after a walk, what was completed how often, and how many annotations were left out.
    """

    path: Path
    text: str
    pictures: list[Picture]
    categories: Categories
    numbers: Mapping[Hashable, int]  # the picture's number by any of its ids
    joined: int
    completed: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def people(self) -> Iterator[Person]:
        """Every annotated person in the file's order. Raises DataError."""
        self.completed, self.left_out = Counter({JOINED: self.joined} if self.joined else {}), Counter()
        sizes = {picture.number: picture.size for picture in self.pictures}
        ids: set[Hashable] = set()
        seen: set[int] = set()
        number = position = 0
        for key, raw in _walk(self.path, self.text):
            if key != "annotations":
                continue
            position += 1
            label = _label(raw, position)
            try:
                if not isinstance(raw, dict):
                    raise ValueError(f"is not an object but {raw!r:.40}")
                found = self._found(raw)
                if found is None:
                    continue
                picture, order = found
                place = number + 1, label, picture
                person = complete_person(raw, place, order, sizes[picture], self.completed)
            except ValueError as error:
                raise DataError(f"{self.path}: {label}: {error}") from None
            if self.joined and _is_repeated(person, seen):
                self.completed[REPEATED_PERSON] += 1
                continue
            number += 1
            self._count_ids(raw.get("id"), ids)
            self.completed[REORDERED] += order.names != () and not order.is_cocos and person.joint_count > 0
            yield person
        if not position and '"annotations"' not in self.text:
            raise DataError(f"{self.path}: 'annotations' is missing; a COCO keypoints file is needed")

    def _found(self, raw: Mapping[str, object]) -> tuple[int, JointOrder] | None:
        """The annotation's picture and order of joints; None (and counted) where it is left out."""
        known = self.categories.known
        category = known[0] if "category_id" not in raw and len(known) == 1 else _lookup(raw, "category_id", known)
        if category is None:
            self.left_out[f"of category {raw['category_id']!r:.40}, which is not in 'categories'"] += 1
            return None
        order = self.categories.people.get(category)
        if order is None:
            self.left_out[f"of category {self.categories.others[category]!r:.40}"] += 1
            return None
        picture = self.picture_number(raw)
        if picture is None:
            self.left_out[UNKNOWN_PICTURE] += 1
            return None
        return picture, order

    def picture_number(self, raw: Mapping[str, object]) -> int | None:
        """The number of the picture that an annotation or result names; None where the file has no such picture.

        ValueError where it has no `image_id`, or one that differs from a picture's id in its type only.
        """
        found = _lookup(raw, "image_id", self.numbers)
        return None if found is None else self.numbers[found]

    def _count_ids(self, own: object, ids: set[Hashable]) -> None:
        is_id = isinstance(own, (int, str)) and not isinstance(own, bool)
        if not is_id or own in ids or own == 0:
            self.completed[REPEATED_ID] += 1
        elif is_id:
            ids.add(own)

    def log_notes(self) -> None:
        """Log what the last walk completed and left out."""
        for line in notes(self.completed, self.left_out):
            log.warning("%s: %s", self.path, line)


def open_annotations(path: str | Path, pictures_only: bool = False) -> AnnotationFile:
    """Read a file's pictures and categories; DataError when it is not a COCO keypoints file.

    `pictures_only` is for files of pictures that nobody has annotated yet; `people()` yields nobody then.
    """
    file = Path(path)
    text = _read(file)
    entries: list[object] = []
    raw_categories: object = None
    for key, value in _walk(file, text):
        if key == "images":
            entries.append(value)
        elif key == "categories":
            raw_categories = value
        elif key == "annotations" and raw_categories is not None and entries:
            break  # annotations are not needed here
    pictures, numbers = _pictures(file, entries)
    if raw_categories is None and not pictures_only:
        raise DataError(f"{file}: 'categories' is missing; a COCO keypoints file is needed")
    if not entries:
        raise DataError(f"{file}: 'images' is missing or empty; a COCO keypoints file is needed")
    try:
        categories = Categories({}, {}) if pictures_only else read_categories(raw_categories)
    except ValueError as error:
        raise DataError(f"{file}: {error}; a COCO keypoints file is needed") from None
    return AnnotationFile(file, text, pictures, categories, numbers, len(entries) - len(pictures))


def _read(path: Path) -> str:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path}: cannot be read (not a regular file)")
    try:
        return read_json_text(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); is it a COCO keypoints annotation file?") from None


def _walk(path: Path, text: str) -> Iterator[tuple[str, object]]:
    """The file's top-level values, `images` and `annotations` element by element."""
    if text.lstrip()[:1] == "[":
        raise DataError(f"{path}: holds a list, as results do; not a COCO keypoints file with images and annotations")
    try:
        yield from walk_object(text, _STREAMED)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not JSON ({error}); is it a COCO keypoints annotation file?") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON that can be read ({error})") from None


def _pictures(path: Path, entries: list[object]) -> tuple[list[Picture], dict[Hashable, int]]:
    """The file's pictures, those that stand twice joined, and each picture's number by its ids."""
    read = [_picture(path, position, raw) for position, raw in enumerate(entries, start=1)]
    own_ids = all(isinstance(picture.file_id, int) for picture in read)
    by_name: dict[str, Picture] = {}
    owners: dict[Hashable, str] = {}
    numbers: dict[Hashable, int] = {}
    for position, picture in enumerate(read, start=1):
        number = picture.file_id if own_ids and isinstance(picture.file_id, int) else position
        first = by_name.setdefault(picture.name, picture._replace(number=number))
        if first.size != picture.size:
            raise DataError(
                f"{path}: {picture.name} is listed twice with different sizes, {first.width}x{first.height} and "
                f"{picture.width}x{picture.height}"
            )
        if owners.setdefault(picture.file_id, picture.name) != picture.name:
            raise DataError(
                f"{path}: 'images' has the same id twice: {picture.file_id!r} for {owners[picture.file_id]} and "
                f"{picture.name}"
            )
        numbers[picture.file_id] = first.number
    return list(by_name.values()), numbers


def _picture(path: Path, position: int, raw: object) -> Picture:
    """One element of `images`; its number is given later."""
    own = raw.get("id") if isinstance(raw, dict) else None
    label = f"image {own!r}" if isinstance(own, (int, str)) else f"element {position} of 'images'"
    try:
        if not isinstance(raw, dict):
            raise ValueError(f"is not an object but {raw!r:.40}")
        width, height = _side(raw, "width"), _side(raw, "height")
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} is larger than any picture that is read ({MAX_PIXELS} pixels)")
        if "id" not in raw:
            raise ValueError("lacks 'id'")
        if "file_name" not in raw:
            raise ValueError("lacks 'file_name'")
        try:
            name = annotated_name(raw["file_name"])
        except ValueError as error:
            raise ValueError(f"file_name {error}") from None
        return Picture(0, identity(raw["id"], "id"), name, width, height)
    except ValueError as error:
        raise DataError(f"{path}: {label}: {error}") from None


def _side(raw: Mapping[str, object], key: str) -> int:
    if key not in raw:
        raise ValueError(f"lacks '{key}'")
    value = raw[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PIXELS:
        raise ValueError(f"'{key}' is not a number of pixels: {value!r:.40}")
    return value


def _lookup(raw: Mapping[str, object], key: str, known: Container[Hashable]) -> Hashable:
    """The id an annotation names; None where nothing has it, ValueError where only its type is another."""
    if key not in raw:
        raise ValueError(f"lacks '{key}'")
    value = identity(raw[key], key)
    if value in known:
        return value
    other: Hashable = str(value) if isinstance(value, int) else int(value) if value.strip().isdecimal() else None
    if other in known:
        raise ValueError(f"'{key}' is {value!r} where the file's id is {other!r}; write both as numbers or as text")
    return None


def _is_repeated(person: Person, seen: set[int]) -> bool:
    """Whether the same picture had the same person before."""
    key = hash((person.picture, tuple(person.keypoints), person.box, person.is_crowd))
    if key in seen:
        return True
    seen.add(key)
    return False


def _label(raw: object, position: int) -> str:
    if isinstance(raw, dict) and isinstance(raw.get("id"), (int, str)) and not isinstance(raw.get("id"), bool):
        return f"annotation {raw['id']!r}" if isinstance(raw["id"], str) else f"annotation {raw['id']}"
    return f"element {position} of 'annotations'"
