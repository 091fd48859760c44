"""The index of a COCO keypoints file as compact arrays: who is trained on and where the loss is not counted.

People with at least `min_keypoints` joints and more than `min_area` square pixels are trained on; all others, and
crowds, are regions where the loss is not counted. Pictures without a person to train on are left out.
"""

from __future__ import annotations

import logging
import os
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.data.annotations.person import JOINTS, Person
from src.data.annotations.reader import AnnotationFile, open_annotations
from src.data.annotations.regions import Polygon, Runs, corners
from src.data.annotations.summary import CROWD, FEW_JOINTS, NOWHERE, SMALL, DataSummary
from src.data.pose_index import PoseIndex, load_index, save_index
from src.data.ragged import Element, Ragged, group_rows
from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JOINT_COUNT
from src.pose.skeleton import JointType as J

log = logging.getLogger(__name__)

_VERSION = 2  # of the saved index; raise it when PoseIndex or what is read into it changes


@dataclass(frozen=True)
class Selection:
    """Which annotated people are trained on."""

    min_keypoints: int
    min_area: float

    def excluded(self, person: Person) -> str:
        """Why a person is not trained on, one of the summary's reasons; empty for one who is."""
        if person.is_crowd:
            return CROWD
        count = person.joint_count
        if count >= self.min_keypoints and count and person.area > self.min_area:
            return ""
        if person.box is None:
            return NOWHERE
        return SMALL if count and count >= self.min_keypoints else FEW_JOINTS


def open_index(
    annotation_file: str | Path,
    selection: Selection,
    cache: str | Path | None = None,
    wait_s: float = 0.0,
) -> PoseIndex:
    """The index of an annotation file, from the folder `cache` where that holds it, else read and saved there.

    One process of a node calls it with `wait_s` = 0 and builds the cache; the others give a deadline and map what
    appears there, so that a node reads and holds the annotations once. After the deadline they read for themselves.
    """
    if cache is None:
        return index_annotations(annotation_file, selection)
    try:
        stamp = _stamp(annotation_file, selection)
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
        return index_annotations(annotation_file, selection)
    try:
        save_index(index_annotations(annotation_file, selection), cache, stamp)
    except OSError as error:
        raise DataError(f"{cache}: the index cannot be saved there ({error.strerror or error})") from error
    saved = load_index(cache, stamp)
    return saved if saved is not None else index_annotations(annotation_file, selection)


def index_annotations(annotation_file: str | Path, selection: Selection) -> PoseIndex:
    """Read a COCO keypoints file and log its summary; raises DataError with the file and what is wrong."""
    file = open_annotations(annotation_file)
    collector = _Collector(selection)
    for person in file.people():
        collector.add(person)
    index = collector.finish(file)
    if index.summary is not None:
        for line in index.summary.lines():
            log.info("%s: %s", file.path, line)
    return index


class _Collector:
    """Packs people into arrays, in the order of the file."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.owner, self.keypoints = array("q"), array("f")  # people trained on: picture, 54 numbers with the neck
        self.kept, self.ignored = _Outlines(), _Outlines()
        self.crowds = _Crowds()
        self.excluded: Counter[str] = Counter()

    def add(self, person: Person) -> None:
        """Put a person among those trained on, the outlines to ignore, or the crowds."""
        reason = self.selection.excluded(person)
        self.excluded[reason] += 1
        if not reason:
            self.owner.append(person.picture)
            self.keypoints.extend(person.keypoints)
            self.keypoints.extend(person.neck)
            self.kept.add(person)
        elif person.is_crowd and person.runs is not None:
            self.crowds.add(person.picture, person.runs)
        else:
            self.ignored.add(person)

    def finish(self, file: AnnotationFile) -> PoseIndex:
        """The index of the pictures with somebody to train on; DataError when there are none."""
        ids = np.array([picture.number for picture in file.pictures], np.int64)
        order = np.argsort(ids, kind="stable")
        sorted_ids = ids[order]
        index = PoseIndex(
            names=np.array([picture.name for picture in file.pictures])[order],
            picture_ids=sorted_ids,
            sizes=np.array([picture.size for picture in file.pictures], np.int32)[order],
            persons=self._persons(sorted_ids),
            ignored=self.ignored.grouped(sorted_ids),
            crowds=self.crowds.grouped(sorted_ids),
            kept=self.kept.grouped(sorted_ids),
        )
        index = replace(index, kept=_emptied(index.kept, index.crowds.lengths == 0))
        chosen = np.flatnonzero(index.persons.lengths > 0)
        summary = self._summary(file, index, len(chosen))
        if not len(chosen):
            raise DataError(
                f"{file.path}: no person with at least {self.selection.min_keypoints} keypoints and more than "
                f"{self.selection.min_area:g} px² ({'; '.join(summary.lines())})"
            )
        return replace(index, summary=summary).take(chosen)

    def _persons(self, sorted_ids: NDArray[np.int64]) -> Ragged[np.float32]:
        labels = np.frombuffer(self.keypoints, np.float32).reshape(-1, JOINTS + 1, 3)
        joints = to_joints(labels[:, :JOINTS], labels[:, JOINTS])
        return _grouped(joints, [1] * len(self.owner), self.owner, sorted_ids)

    def _summary(self, file: AnnotationFile, index: PoseIndex, used: int) -> DataSummary:
        visible = np.frombuffer(self.keypoints, np.float32).reshape(-1, JOINTS + 1, 3)[:, :, 2] > 0
        names = (*COCO_KEYPOINT_NAMES, "neck")
        return DataSummary(
            pictures=len(index),
            pictures_used=used,
            trained_on=self.excluded[""],
            excluded={reason: count for reason, count in self.excluded.items() if reason},
            joints={name: int(count) for name, count in zip(names, visible.sum(axis=0)) if count},
            completed=dict(+file.completed),
            left_out=dict(file.left_out),
        )


class _Outlines:
    """Outlines of people, packed: points (n, 2), a NaN row after each polygon."""

    def __init__(self) -> None:
        self.points, self.owner, self.lengths = array("f"), array("q"), array("q")

    def add(self, person: Person) -> None:
        """Append the person's outline, or the box where there is none."""
        polygons: Sequence[Polygon] = person.outline or ([corners(person.box)] if person.box is not None else [])
        before = len(self.points)
        for polygon in polygons:
            self.points.extend(polygon)
            self.points.extend(_END)
        self.owner.append(person.picture)
        self.lengths.append((len(self.points) - before) // 2)

    def grouped(self, sorted_ids: NDArray[np.int64]) -> Ragged[np.float32]:
        """Rows of points for every picture."""
        points = np.frombuffer(self.points, np.float32).reshape(-1, 2)
        return _grouped(points, self.lengths, self.owner, sorted_ids)


_END = array("f", [float("nan"), float("nan")])


class _Crowds:
    """Run-length masks, packed as `PoseIndex.crowds` has them."""

    def __init__(self) -> None:
        self.numbers, self.owner, self.lengths = array("i"), array("q"), array("q")

    def add(self, picture: int, runs: Runs) -> None:
        """Append height, width, the number of counts, and the counts."""
        self.numbers.extend((runs.height, runs.width, len(runs.counts), *runs.counts))
        self.owner.append(picture)
        self.lengths.append(len(runs.counts) + 3)

    def grouped(self, sorted_ids: NDArray[np.int64]) -> Ragged[np.int32]:
        """Rows of numbers for every picture."""
        return _grouped(np.array(self.numbers, np.int32), self.lengths, self.owner, sorted_ids)


def _grouped(
    values: NDArray[Element], lengths: Sequence[int], owner: Sequence[int], sorted_ids: NDArray[np.int64]
) -> Ragged[Element]:
    """Pieces by picture; every owner is one of the pictures."""
    rows = np.searchsorted(sorted_ids, np.array(owner, np.int64))
    return group_rows(values, np.array(lengths, np.int64), rows, len(sorted_ids))


def _emptied(table: Ragged[Element], rows: NDArray[np.bool_]) -> Ragged[Element]:
    """The table with the marked rows made empty."""
    lengths = np.where(rows, 0, table.lengths)
    keep = np.repeat(~rows, table.lengths)
    return Ragged(table.values[keep], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _stamp(annotation_file: str | Path, selection: Selection) -> dict[str, float]:
    """What an index depends on: the file's size and time of change, the selection, this module's format."""
    status = os.stat(annotation_file)
    return {
        "version": _VERSION,
        "bytes": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "min_keypoints": selection.min_keypoints,
        "min_area": selection.min_area,
    }


def to_joints(keypoints: NDArray[np.float32], necks: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """COCO's (n, 17, 3) as (n, 18, 3) in `JointType` order.

    The neck is the one of `necks` (n, 3) where that is labelled, else the middle of the shoulders where both are.
    """
    joints = np.zeros((len(keypoints), JOINT_COUNT, 3), np.float32)
    joints[:, list(COCO_ORDER)] = keypoints
    joints[joints[:, :, 2] <= 0] = 0
    left, right = joints[:, J.LeftShoulder], joints[:, J.RightShoulder]
    both = (left[:, 2] > 0) & (right[:, 2] > 0)
    joints[both, J.Neck, :2] = (left[both, :2] + right[both, :2]) / 2
    joints[both, J.Neck, 2] = np.minimum(left[both, 2], right[both, 2])
    if necks is not None:
        given = necks[:, 2] > 0
        joints[given, J.Neck] = necks[given]
    return joints
