"""Validation pictures with the people found at the first and at the latest validation."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.formats import PictureError
from src.data.images import decode_reduced
from src.files import write_atomically
from src.infer.drawing.render import draw_person_pose

logger = logging.getLogger(__name__)

POSES_FILE = "validation_poses.json"
SHOWN_SIDE = 400  # pixels
JPEG_QUALITY = 80

Poses = Mapping[str, NDArray[np.float32]]
Read = Callable[[str], bytes]


class FoundDocument(TypedDict):
    """`Found` as it is kept in a file."""

    global_step: int
    poses: dict[str, list[object]]


@dataclass(frozen=True)
class Found:
    """The people found on the shown pictures by name, (P, 18, 3) in picture pixels, after so many steps."""

    global_step: int
    poses: Poses

    def to_json(self) -> FoundDocument:
        """Plain values; coordinates to a tenth of a pixel."""
        return {"global_step": self.global_step, "poses": {n: np.round(p, 1).tolist() for n, p in self.poses.items()}}

    @classmethod
    def from_json(cls, document: FoundDocument) -> Found:
        """The inverse of `to_json`."""
        poses = {n: np.array(p, np.float32).reshape(-1, 18, 3) for n, p in document["poses"].items()}
        return cls(int(document["global_step"]), poses)


@dataclass(frozen=True)
class Comparison:
    """One picture twice, as JPEG, with the numbers of people found and the steps."""

    name: str
    pictures: tuple[bytes, bytes]
    counts: tuple[int, int]
    steps: tuple[int, int]

    def to_json(self) -> dict[str, object]:
        """Plain values, the pictures as data URLs."""
        sources = ["data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for jpeg in self.pictures]
        name = self.name.encode("utf-8", "replace").decode()
        return {"name": name, "sources": sources, "counts": self.counts, "steps": self.steps}


class FoundPeople:
    """The people found at the first and the latest validation, kept in a file that a restarted container can read."""

    def __init__(self, folder: Path, done: int) -> None:
        self.path = folder / POSES_FILE
        self.first: Found | None = None
        self.latest: Found | None = None
        for found in _read(self.path) if done else ():
            if found.global_step <= done:
                self.first, self.latest = self.first or found, found

    def add(self, global_step: int, poses: Poses) -> None:
        """Add the people found at a validation and write the file."""
        self.latest = Found(global_step, poses)
        self.first = self.first or self.latest
        text = json.dumps([self.first.to_json(), self.latest.to_json()])
        try:
            write_atomically(self.path, text)
        except OSError as error:
            logger.warning("%s: cannot be written now: %s", self.path, error.strerror)


def compare(found: FoundPeople, read: Read) -> list[Comparison]:
    """The pictures of the latest validation; `read` gives a picture's bytes, PictureError where it cannot."""
    if found.first is None or found.latest is None:
        return []
    comparisons = []
    for name, latest in found.latest.poses.items():
        first = found.first.poses.get(name, latest[:0])
        try:
            drawn = tuple(_draw(read(name), name, poses) for poses in (first, latest))
        except PictureError as error:
            logger.warning("not on the training page: %s", error)
            continue
        steps = found.first.global_step, found.latest.global_step
        comparisons.append(Comparison(name, (drawn[0], drawn[1]), (len(first), len(latest)), steps))
    return comparisons


def _draw(data: bytes, name: str, poses: NDArray[np.float32]) -> bytes:
    """A JPEG of the picture, at most SHOWN_SIDE long, with the skeletons."""
    picture = decode_reduced(data, Path(name), 2 * SHOWN_SIDE)
    height, width = picture.pixels.shape[:2]
    scale = min(1.0, SHOWN_SIDE / max(width, height))
    small = cv2.resize(picture.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = poses.copy()
    moved[..., :2] *= np.array([small.shape[1] / picture.width_px, small.shape[0] / picture.height_px])
    drawn = draw_person_pose(small, moved, [False] * len(moved), [None] * len(moved))
    _, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(jpeg)


def _read(path: Path) -> Sequence[Found]:
    try:
        return [Found.from_json(document) for document in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged: the next validation is the first
        return []
