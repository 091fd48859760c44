"""Reads a COCO keypoints annotation file into an index of compact arrays.

Persons with at least `min_keypoints` keypoints and more than `min_area` square pixels are learnt; all others, and
crowds, are regions where the loss is not counted. Pictures without a person to learn are left out.
"""

from __future__ import annotations

import logging
import os
import time
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.jsonstream import walk_object
from src.data.pose_index import PoseIndex, load_index, save_index
from src.data.ragged import Ragged, group_rows
from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JOINT_COUNT
from src.pose.skeleton import JointType as J

log = logging.getLogger(__name__)

_VERSION = 1  # of the saved index; raise it when PoseIndex changes
_NUMBERS = 3 * len(COCO_ORDER)


@dataclass(frozen=True)
class Selection:
    """Which annotated persons are learnt."""

    min_keypoints: int = 5
    min_area: float = 32.0 * 32.0


def open_index(
    annotation_file: str | Path,
    selection: Selection | None = None,
    cache: str | Path | None = None,
    wait_s: float = 0.0,
) -> PoseIndex:
    """The index of an annotation file, from the folder `cache` where that holds it, else read and saved there.

    One process of a node calls it with `wait_s` = 0 and builds the cache; the others give a deadline and map what
    appears there, so that a node reads and holds the annotations once. After the deadline they read for themselves.
    """
    chosen = selection or Selection()
    if cache is None:
        return index_annotations(annotation_file, chosen)
    try:
        stamp = _stamp(annotation_file, chosen)
    except OSError as error:
        raise DataError(f"{annotation_file}: no such annotation file") from error
    deadline = time.monotonic() + wait_s
    index = load_index(cache, stamp)
    while index is None and time.monotonic() < deadline:
        time.sleep(0.2)
        index = load_index(cache, stamp)
    if index is not None:
        return index
    if wait_s:
        log.warning("no index appeared in %s within %g s; reading %s here", cache, wait_s, annotation_file)
        return index_annotations(annotation_file, chosen)
    try:
        save_index(index_annotations(annotation_file, chosen), cache, stamp)
    except OSError as error:
        raise DataError(f"{cache}: the index cannot be saved there ({error.strerror or error})") from error
    saved = load_index(cache, stamp)
    return saved if saved is not None else index_annotations(annotation_file, chosen)


def index_annotations(annotation_file: str | Path, selection: Selection | None = None) -> PoseIndex:
    """Read a COCO keypoints file; raises DataError with the file and what is wrong."""
    path = Path(annotation_file)
    collector = _Collector(path, selection or Selection())
    try:
        text = path.read_text(encoding="utf-8")
        for key, value in walk_object(text, frozenset({"images", "annotations"})):
            collector.add(key, value)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such annotation file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise DataError(f"{path}: not JSON ({error}); is it a COCO keypoints annotation file?") from error
    return collector.finish()


class _Collector:
    """Takes the file's parts in any order and packs them into arrays."""

    def __init__(self, path: Path, selection: Selection) -> None:
        self.path, self.selection = path, selection
        self.category: int | None = None
        self.names: list[str] = []
        self.picture_ids, self.sizes = array("q"), array("i")
        self.owner, self.keypoints = array("q"), array("f")  # learnt persons: picture id, 51 numbers
        self.person_outlines = _Outlines()
        self.ignored = _Outlines()
        self.crowds, self.crowd_owner, self.crowd_length = array("i"), array("q"), array("q")
        self.annotations = 0

    def fail(self, what: str) -> DataError:
        return DataError(f"{self.path}: {what}; a COCO keypoints annotation file is needed")

    def add(self, key: str, value: Any) -> None:
        """One value of the file's object, or one element of `images` or `annotations`."""
        try:
            if key == "images":
                self._add_picture(value)
            elif key == "annotations":
                self._add_annotation(value)
            elif key == "categories":
                self.category = self._person_category(value)
        except KeyError as error:
            number = value.get("id") if isinstance(value, dict) else "unknown"
            raise self.fail(f"an element of {key!r} (id {number}) lacks {error}") from error
        except (TypeError, AttributeError, ValueError, OverflowError) as error:
            raise self.fail(f"an element of {key!r} is malformed ({error})") from error

    def _add_picture(self, value: dict[str, Any]) -> None:
        width, height, name = value["width"], value["height"], value["file_name"]
        if width < 1 or height < 1 or not isinstance(name, str):
            raise ValueError(f"picture {name} of {width}x{height} pixels")
        self.picture_ids.append(value["id"])
        self.sizes.extend((width, height))
        self.names.append(name)

    def _person_category(self, categories: list[dict[str, Any]]) -> int:
        for category in categories:
            names = category.get("keypoints")
            if names is not None:
                if tuple(names) != COCO_KEYPOINT_NAMES:
                    raise self.fail("'categories' has keypoints that are not COCO's 17 in COCO's order")
                return int(category["id"])
        raise self.fail("'categories' has none with 'keypoints'")

    def _add_annotation(self, value: dict[str, Any]) -> None:
        self.annotations += 1
        if self.category is not None and value["category_id"] != self.category:
            return
        picture, segmentation = value["image_id"], value.get("segmentation") or []
        keypoints = value.get("keypoints") or []
        if keypoints and len(keypoints) != _NUMBERS:
            raise ValueError(
                f"annotation {value.get('id')} has {len(keypoints)} numbers in 'keypoints', not {_NUMBERS}"
            )
        if value.get("iscrowd"):
            self._add_crowd(picture, segmentation, value)
        elif self._is_learnt(value, keypoints):
            self.owner.append(picture)
            self.keypoints.extend(keypoints)
            self.person_outlines.add(picture, segmentation, value)
        else:
            self.ignored.add(picture, segmentation, value)

    def _is_learnt(self, value: dict[str, Any], keypoints: list[float]) -> bool:
        if not keypoints:
            return False
        known = value.get("num_keypoints")
        count = sum(v > 0 for v in keypoints[2::3]) if known is None else known
        area = value.get("area")
        if area is None:
            area = value["bbox"][2] * value["bbox"][3]
        return count >= self.selection.min_keypoints and area > self.selection.min_area

    def _add_crowd(self, picture: int, segmentation: Any, value: dict[str, Any]) -> None:
        if not isinstance(segmentation, dict):
            self.ignored.add(picture, segmentation, value)
            return
        counts = segmentation["counts"]
        runs = unpack_counts(counts) if isinstance(counts, str) else counts
        self.crowds.extend((*segmentation["size"], len(runs)))
        self.crowds.extend(runs)
        self.crowd_owner.append(picture)
        self.crowd_length.append(len(runs) + 3)

    def finish(self) -> PoseIndex:
        if self.category is None:
            raise self.fail("'categories' is missing")
        if not self.names:
            raise self.fail("'images' is missing or empty")
        if not self.annotations:
            raise self.fail("'annotations' is missing or empty")
        ids = np.array(self.picture_ids, np.int64)
        order = np.argsort(ids, kind="stable")
        sorted_ids = ids[order]
        if (np.diff(sorted_ids) == 0).any():
            raise self.fail("'images' has the same id twice")
        index = PoseIndex(
            names=np.array(self.names)[order],
            picture_ids=sorted_ids,
            sizes=np.array(self.sizes, np.int32).reshape(-1, 2)[order],
            persons=self._persons(sorted_ids),
            ignored=self.ignored.grouped(sorted_ids),
            crowds=_grouped(np.array(self.crowds, np.int32), self.crowd_length, self.crowd_owner, sorted_ids),
            kept=self.person_outlines.grouped(sorted_ids),
        )
        no_crowd = index.crowds.lengths == 0
        index = replace(index, kept=_emptied(index.kept, no_crowd))
        chosen = np.flatnonzero(index.persons.lengths > 0)
        if not len(chosen):
            raise self.fail(
                f"no person with at least {self.selection.min_keypoints} keypoints and more than "
                f"{self.selection.min_area:g} px² in {self.annotations} annotations"
            )
        return index.take(chosen)

    def _persons(self, sorted_ids: NDArray[np.int64]) -> Ragged:
        joints = to_joints(np.frombuffer(self.keypoints, np.float32).reshape(-1, len(COCO_ORDER), 3))
        return _grouped(joints, array("q", [1]) * len(self.owner), self.owner, sorted_ids)


class _Outlines:
    """Polygons of annotations, packed."""

    def __init__(self) -> None:
        self.points, self.owner, self.lengths = array("f"), array("q"), array("q")

    def add(self, picture: int, segmentation: Any, annotation: dict[str, Any]) -> None:
        """Append the polygons (or the box where there is none), each followed by NaN."""
        polygons = segmentation if isinstance(segmentation, list) else []
        if not polygons:
            if "bbox" not in annotation:
                return
            x, y, w, h = annotation["bbox"]
            polygons = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        before = len(self.points)
        for polygon in polygons:
            if len(polygon) % 2:
                raise ValueError(f"annotation {annotation.get('id')} has an outline of {len(polygon)} numbers")
            self.points.extend(polygon)
            self.points.extend(_END)
        self.owner.append(picture)
        self.lengths.append((len(self.points) - before) // 2)

    def grouped(self, sorted_ids: NDArray[np.int64]) -> Ragged:
        """Rows of points for every picture."""
        points = np.frombuffer(self.points, np.float32).reshape(-1, 2)
        return _grouped(points, self.lengths, self.owner, sorted_ids)


_END = array("f", [float("nan"), float("nan")])


def _grouped(values: NDArray[Any], lengths: array[int], owner: array[int], sorted_ids: NDArray[np.int64]) -> Ragged:
    """Pieces by picture; pieces of pictures that are not in the file are dropped."""
    owners, sizes = np.array(owner, np.int64), np.array(lengths, np.int64)
    rows = np.searchsorted(sorted_ids, owners).clip(0, len(sorted_ids) - 1)
    known = sorted_ids[rows] == owners
    if not known.all():
        log.warning("%d annotations name a picture that is not in 'images'", int((~known).sum()))
        values = values[np.repeat(known, sizes)]
        rows, sizes = rows[known], sizes[known]
    return group_rows(values, sizes, rows, len(sorted_ids))


def _emptied(table: Ragged, rows: NDArray[np.bool_]) -> Ragged:
    """The table with the marked rows made empty."""
    lengths = np.where(rows, 0, table.lengths)
    keep = np.repeat(~rows, table.lengths)
    return Ragged(table.values[keep], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _stamp(annotation_file: str | Path, selection: Selection) -> dict[str, Any]:
    """What an index depends on: the file's size and time of change, the selection, this module's format."""
    status = os.stat(annotation_file)
    return {
        "version": _VERSION,
        "bytes": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "min_keypoints": selection.min_keypoints,
        "min_area": selection.min_area,
    }


def to_joints(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """COCO's (n, 17, 3) as (n, 18, 3) in `JointType` order; the neck is the middle of the shoulders where both are."""
    joints = np.zeros((len(keypoints), JOINT_COUNT, 3), np.float32)
    joints[:, list(COCO_ORDER)] = keypoints
    joints[joints[:, :, 2] <= 0] = 0
    left, right = joints[:, J.LeftShoulder], joints[:, J.RightShoulder]
    both = (left[:, 2] > 0) & (right[:, 2] > 0)
    joints[both, J.Neck, :2] = (left[both, :2] + right[both, :2]) / 2
    joints[both, J.Neck, 2] = np.minimum(left[both, 2], right[both, 2])
    return joints


def unpack_counts(text: str) -> list[int]:
    """COCO's compressed run-length counts: 5 bits a character, from the third count on relative to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = shift = 0
    return counts
