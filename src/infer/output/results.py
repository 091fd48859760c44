"""What inference says of a picture and of the whole job, as values and as the files results.jsonl and summary.json."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.actions import Judgement
from src.files import atomic_path, write_atomically, writing
from src.translations import Message

RESULTS_FILE = "results.jsonl"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Person:
    """One person: keypoints (18, 3) [x_px, y_px, confidence] in the original picture, score, and the judgement."""

    keypoints: NDArray[np.float32]
    score: float
    judgement: Judgement

    def to_json(self) -> dict[str, Any]:
        return {
            "keypoints": [[round(float(v), 3) for v in joint] for joint in self.keypoints],
            "score": round(self.score, 4),
            **self.judgement.to_json(),
        }


@dataclass(frozen=True)
class PictureResult:
    """One line of results.jsonl.

    `status` is "ok" or "unreadable", `error` says why, `rendered` names the drawn picture. `bytes` is the size of the
    file: a restarted job judges a picture again when it has changed.
    """

    file: str
    status: str
    width: int = 0
    height: int = 0
    persons: tuple[Person, ...] = ()
    seconds: float = 0.0
    rendered: str = ""
    error: Message | None = None
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        line: dict[str, Any] = {
            "file": self.file,
            "status": self.status,
            "width": self.width,
            "height": self.height,
            "persons": [person.to_json() for person in self.persons],
            "seconds": round(self.seconds, 4),
            "bytes": self.bytes,
        }
        if self.rendered:
            line["rendered"] = self.rendered
        if self.error:
            line["error"] = str(self.error)
            line["error_message"] = self.error.to_json()
        return line


def count_results(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Pictures by status and persons by verdict."""
    counts: Counter[str] = Counter(pictures=0, ok=0, unreadable=0, persons=0, occurred=0, not_occurred=0, undecided=0)
    verdicts = {True: "occurred", False: "not_occurred", None: "undecided"}
    for line in lines:
        counts["pictures"] += 1
        counts[line["status"]] += 1
        counts["pictures_occurred"] += any(person["occurred"] for person in line["persons"])
        for person in line["persons"]:
            counts["persons"] += 1
            counts[verdicts[person["occurred"]]] += 1
    return dict(counts)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file whole: beside it, then renamed."""
    write_bytes(path, (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: beside it, then renamed; OutputError names it when that is impossible."""
    with writing(path):
        write_atomically(path, data)


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same of a file whose content comes piece by piece, so that it is never in memory as a whole."""
    with writing(path):
        write_atomically(path, pieces)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file whole, or leave it where it is when both are the same; OutputError names the target."""
    with writing(target):
        if target.exists() and target.samefile(source):
            return
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
