"""What inference says of a picture and of the whole job, as values and as the files results.jsonl and summary.json."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.actions import Judgement
from src.errors import OutputError

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
    """One line of results.jsonl; `status` is "ok" or "unreadable", `error` says why, `rendered` names the drawn picture."""

    file: str
    status: str
    width: int = 0
    height: int = 0
    persons: tuple[Person, ...] = ()
    seconds: float = 0.0
    rendered: str = ""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        line: dict[str, Any] = {
            "file": self.file,
            "status": self.status,
            "width": self.width,
            "height": self.height,
            "persons": [person.to_json() for person in self.persons],
            "seconds": round(self.seconds, 4),
        }
        if self.rendered:
            line["rendered"] = self.rendered
        if self.error:
            line["error"] = self.error
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


def append_result(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line to results.jsonl."""
    with _writing(path) as _, path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file whole: beside it, then renamed."""
    write_bytes(path, (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: beside it, then renamed; OutputError names it when that is impossible."""
    aside = path.with_name(f".{path.name}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        os.replace(aside, path)


class _writing:
    """Turns an OSError into an OutputError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from None
