"""Saved results with a label: pictures in which an action occurs and pictures in which it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from src.actions.action import Action
from src.actions.evaluation.scoring import any_person
from src.actions.judge import Judgement, judge_persons
from src.actions.measures.pose import as_pose
from src.actions.measures.scene import Scene, Scenes
from src.errors import DataError

RESULTS_FILE = "results.jsonl"
READ = "ok"
NO_SCENES = Scenes()


@dataclass(frozen=True)
class Picture:
    """One line of results: a picture that was read, its label, and the keypoints of each person found in it."""

    file: str
    folder: Path
    positive: bool
    persons: tuple[ArrayLike, ...]  # each 18 x [x_px, y_px, confidence]
    width: int = 0
    height: int = 0
    group: str = ""  # pictures of one group stay on one side of a split
    scene: Scene | None = None  # where the fence and the ground are, if declared


@dataclass(frozen=True)
class JudgedPicture:
    """A picture with its persons judged anew. `occurred`: None when no person decides it but one is undecided."""

    picture: Picture
    judgements: tuple[Judgement, ...]

    @property
    def occurred(self) -> bool | None:
        """The verdict on the picture."""
        return any_person(judgement.occurred for judgement in self.judgements)

    @property
    def is_misjudged(self) -> bool:
        """Whether the alarm, or its absence, contradicts the label."""
        return (self.occurred is True) != self.picture.positive


def results_file(place: Path) -> Path | None:
    """The saved results that a path names: the file itself, or `results.jsonl` in the folder; None without any."""
    if place.is_file():
        return place
    inside = place / RESULTS_FILE
    return inside if inside.is_file() else None


def read_results(path: Path, positive: bool, scenes: Scenes = NO_SCENES) -> tuple[list[Picture], list[str]]:
    """The pictures of a results file, and the names of those that could not be judged when it was written.

    Raises DataError, naming file and line, for a line that is not such a result.
    """
    pictures: list[Picture] = []
    unread: list[str] = []
    for place, line in _lines(path):
        result = _parse(line, place)
        if result.get("status", READ) != READ:
            unread.append(str(result["file"]))
            continue
        pictures.append(_picture(result, path.parent, positive, place, scenes))
    if not pictures:
        raise DataError(f"{path}: holds no judged picture; run the inference job on the pictures first")
    return pictures, unread


def judge_picture(picture: Picture, action: Action) -> JudgedPicture:
    """Judge all persons of a picture from their saved keypoints."""
    return JudgedPicture(picture, tuple(judge_persons(picture.persons, action, picture.scene)))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a {RESULTS_FILE} of the inference job") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{path}, line {number}", line


def _parse(line: str, place: str) -> dict[str, object]:
    try:
        result = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not valid JSON ({error}); the file may be cut off, write it again") from None
    if not isinstance(result, dict) or "file" not in result:
        raise DataError(f"{place}: has no 'file'; give a {RESULTS_FILE} of the inference job")
    return result


def _picture(result: dict[str, object], folder: Path, positive: bool, place: str, scenes: Scenes) -> Picture:
    persons = result.get("persons") or []
    size = [side if isinstance(side, int) else 0 for side in (result.get("width"), result.get("height"))]
    try:
        if not isinstance(persons, list):
            raise TypeError("persons is not a list")
        keypoints = tuple(person["keypoints"] for person in persons)
        for one in keypoints:
            as_pose(one)
    except (KeyError, TypeError, DataError) as error:
        raise DataError(f"{place}: a person without proper keypoints ({error})") from None
    file, (width, height) = str(result["file"]), size
    scene = scenes.of(file, width, height) if width and height else None
    return Picture(file, folder, positive, keypoints, width, height, scene=scene)
