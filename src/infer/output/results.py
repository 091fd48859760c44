"""What inference says of a picture and of the whole job, as values and as the files results.jsonl and summary.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from src.actions import Judgement
from src.actions.judge import JudgementLine
from src.files import file_sha256, write_atomically, writing
from src.translations import Message

RESULTS_FILE = "results.jsonl"
SUMMARY_FILE = "summary.json"


class PersonLine(JudgementLine, total=False):
    """A person in a line of results.jsonl; of an ignored one there is a `reason` instead of a judgement."""

    score: float
    reason: str


class ResultLine(TypedDict, total=False):
    """A line of results.jsonl, as `PictureResult` says; `outcome` and `original` where it was compared with labels."""

    file: str
    status: str
    width: int
    height: int
    persons: list[PersonLine]
    ignored_persons: list[PersonLine]
    seconds: float
    rendered: str
    thumbnail: str
    error: str
    error_message: list[object]
    bytes: int
    modified_ns: int
    sha256: str
    judged_at: str
    outcome: str
    original: str


@dataclass(frozen=True)
class Person:
    """One person: keypoints (18, 3) [x_px, y_px, confidence] in the original picture, score, and the judgement."""

    keypoints: NDArray[np.float32]
    score: float
    judgement: Judgement

    def to_json(self) -> PersonLine:
        judged = self.judgement.to_json()
        line = _pose_line(self.keypoints, self.score)
        return {**line, "occurred": judged["occurred"], "criteria": judged["criteria"]}


@dataclass(frozen=True)
class IgnoredPerson:
    """A person who is not judged: keypoints and score as of others, and why, "score", "joints" or "piece"."""

    keypoints: NDArray[np.float32]
    score: float
    reason: str

    def to_json(self) -> PersonLine:
        return {**_pose_line(self.keypoints, self.score), "reason": self.reason}


@dataclass(frozen=True)
class SourceIdentity:
    """What tells a file's content from another: its size, and its modification time or SHA-256."""

    bytes: int = 0
    modified_ns: int = 0
    sha256: str = ""

    def is_of(self, path: Path) -> bool:
        """Whether the file is there with this very content; it is read only where its modification time differs."""
        try:
            stat = path.stat()
            if stat.st_size != self.bytes:
                return False
            return stat.st_mtime_ns == self.modified_ns or file_sha256(path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class PictureResult:
    """One line of results.jsonl.

    `status` is "ok" or "unreadable", `error` says why; `rendered` and `thumbnail` name the drawn pictures. `source` is
    what was read: a restarted job judges a picture again when it has changed.
    """

    file: str
    status: str
    width: int = 0
    height: int = 0
    persons: tuple[Person, ...] = ()
    ignored: tuple[IgnoredPerson, ...] = ()
    seconds: float = 0.0
    rendered: str = ""
    thumbnail: str = ""
    error: Message | None = None
    source: SourceIdentity = field(default_factory=SourceIdentity)

    def to_json(self) -> ResultLine:
        line: ResultLine = {
            "file": self.file,
            "status": self.status,
            "width": self.width,
            "height": self.height,
            "persons": [person.to_json() for person in self.persons],
            "seconds": round(self.seconds, 4),
            "bytes": self.source.bytes,
            "modified_ns": self.source.modified_ns,
            "sha256": self.source.sha256,
            "judged_at": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        }
        if self.ignored:
            line["ignored_persons"] = [person.to_json() for person in self.ignored]
        if self.rendered:
            line["rendered"] = self.rendered
        if self.thumbnail:
            line["thumbnail"] = self.thumbnail
        if self.error:
            line["error"] = str(self.error)
            line["error_message"] = self.error.to_json()
        return line


def identity_of(line: ResultLine) -> SourceIdentity:
    """The source that a line of results.jsonl is of."""
    return SourceIdentity(int(line.get("bytes", 0)), int(line.get("modified_ns", 0)), str(line.get("sha256", "")))


def _pose_line(keypoints: NDArray[np.float32], score: float) -> PersonLine:
    return {"keypoints": [[round(float(v), 3) for v in joint] for joint in keypoints], "score": round(score, 4)}


def count_results(lines: Iterable[ResultLine]) -> dict[str, int]:
    """Pictures by status and persons by verdict."""
    keys = ("pictures", "ok", "unreadable", "persons", "occurred", "not_occurred", "undecided", "ignored")
    counts: Counter[str] = Counter(dict.fromkeys(keys, 0))
    verdicts = {True: "occurred", False: "not_occurred", None: "undecided"}
    for line in lines:
        counts["pictures"] += 1
        counts[line["status"]] += 1
        counts["pictures_occurred"] += any(person["occurred"] for person in line["persons"])
        counts["ignored"] += len(line.get("ignored_persons", ()))
        for person in line["persons"]:
            counts["persons"] += 1
            counts[verdicts[person["occurred"]]] += 1
    return dict(counts)


def write_json(path: Path, document: Mapping[str, object]) -> None:
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


def write_unless_same_file(source: Path, data: bytes, target: Path) -> None:
    """Write what was read from `source`, or leave it where it is when both are one file; OutputError for the target."""
    with writing(target):
        if target.exists() and source.exists() and target.samefile(source):
            return
        write_atomically(target, data)
