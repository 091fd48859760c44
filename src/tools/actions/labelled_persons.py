"""Labels on persons for the action tools: a labels file, a joints file, or a folder of labelme files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from numpy.typing import ArrayLike

from src.actions.action import Action
from src.actions.evaluation.label_files import check_boxes, read_label_file
from src.actions.evaluation.labelled import RESULTS_FILE, Picture, read_results, results_file
from src.actions.evaluation.labels import LabelledPerson, LabelledPicture, LabelWords, check_labels, label_words
from src.actions.evaluation.persons import PersonResult, PersonScores, score_annotated, score_detected
from src.actions.measures.scene import Scene
from src.errors import ConfigError, DataError
from src.tools.actions.labelled_results import declared_scenes, infer_into
from src.tools.labelme.files import LabelmeFile, Shape, UnusableFileError, read_labelme


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments for labels on persons, instead of --positive and --negative."""
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="PLACE",
        help="labels on persons: JSON with picture -> persons with box and label, JSON with a list of persons with "
        "joints, or a folder of labelme files whose rectangles are labelled with the action",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="PLACE",
        help=f"what was found in the labelled pictures: {RESULTS_FILE}, a folder that holds one, or the folder of the "
        "pictures; not needed where joints are labelled",
    )
    for which, meaning in (
        ("positive", "that mean the action (default: its name)"),
        ("negative", "that mean something else (none, neither, no, negative, other and person always do)"),
        ("ignored", "of persons to leave out (unclear, ambiguous and ignore always are)"),
    ):
        parser.add_argument(f"--{which}_labels", default="", metavar="A,B", help=f"labels {meaning}")


@dataclass(frozen=True)
class PersonLabels:
    """Labelled pictures, what their labels mean, and the keypoints found in each; None: the labels have joints."""

    pictures: Sequence[LabelledPicture]
    words: LabelWords
    detected: Mapping[str, Sequence[ArrayLike]] | None
    scenes: Mapping[str, Scene | None] = field(default_factory=dict)

    def score(self, action: Action) -> PersonScores:
        """The action on the labelled persons, by their own joints or by what was found in the pictures."""
        if self.detected is None:
            return score_annotated(self.pictures, action, self.words, self.scenes)
        return score_detected(self.pictures, self.detected, action, self.words, self.scenes)

    def as_pictures(self, action: Action) -> list[Picture]:
        """Each labelled person as a picture of its own, to tune on; somebody who was not found has no keypoints."""
        return [
            Picture(
                file=one.file,
                folder=Path("."),
                positive=one.positive,
                persons=self._keypoints(one),
                group=one.person.group or one.file,
                scene=self.scenes.get(one.file),
            )
            for one in self.score(action).results
            if one.positive is not None
        ]

    def _keypoints(self, one: PersonResult) -> tuple[ArrayLike, ...]:
        if self.detected is None:
            return () if one.person.keypoints is None else (one.person.keypoints,)
        return () if one.detected is None else (self.detected[one.file][one.detected],)


def read_person_labels(arguments: argparse.Namespace, action: Action) -> PersonLabels:
    """What --labels and --results give; the network runs where --results is a folder of pictures.

    Raises DataError or ConfigError for what cannot be used.
    """
    if arguments.positive or arguments.negative:
        raise ConfigError("--labels already says who does what; leave out --positive and --negative")
    words = label_words(
        action.name, *(_words(getattr(arguments, f"{which}_labels")) for which in ("positive", "negative", "ignored"))
    )
    pictures = read_labelme_folder(arguments.labels) if arguments.labels.is_dir() else read_label_file(arguments.labels)
    check_labels(pictures, words, arguments.labels)
    if arguments.results is not None:
        found = _detected(arguments, pictures)
        persons = {file: picture.persons for file, picture in found.items()}
        return PersonLabels(pictures, words, persons, {file: picture.scene for file, picture in found.items()})
    if any(person.keypoints is None for picture in pictures for person in picture.persons):
        raise ConfigError(f"{arguments.labels}: labels boxes without joints; give the pictures with --results")
    scenes = declared_scenes(arguments)
    sized = [picture for picture in pictures if picture.width and picture.height]
    return PersonLabels(pictures, words, None, {one.file: scenes.of(one.file, one.width, one.height) for one in sized})


def read_labelme_folder(folder: Path) -> list[LabelledPicture]:
    """The rectangles of all labelme files of a folder, each one labelled person."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{folder}: holds no labelme file (*.json)")
    pictures = []
    for path in files:
        try:
            content, _ = read_labelme(path)
        except UnusableFileError as error:
            raise DataError(f"{path}: {error}") from None
        pictures.append(_labelme_picture(content, path))
        check_boxes(pictures[-1], path.parent)
    return pictures


def _labelme_picture(content: LabelmeFile, path: Path) -> LabelledPicture:
    rectangles = [shape for shape in content.shapes if shape.kind == "rectangle" and len(shape.points) == 2]
    persons = tuple(_labelme_person(shape) for shape in rectangles)
    file = content.picture.rsplit("/", 1)[-1] or f"{path.stem}.jpg"
    return LabelledPicture(file, persons, content.width or 0, content.height or 0)


def _labelme_person(shape: Shape) -> LabelledPerson:
    (left, top), (right, bottom) = shape.points
    box = (min(left, right), min(top, bottom), abs(right - left), abs(bottom - top))
    return LabelledPerson(shape.label.strip(), box)


def _detected(arguments: argparse.Namespace, pictures: Sequence[LabelledPicture]) -> dict[str, Picture]:
    """What was found, by picture; the network runs where --results is a folder of pictures."""
    place: Path = arguments.results
    saved = results_file(place)
    if saved is None:
        if place.is_dir():
            missing = [picture.file for picture in pictures if not (place / picture.file).is_file()]
            _refuse_missing(missing, arguments.labels, place)
        saved = infer_into(place, arguments.output / "results", arguments)
    read, unread = read_results(saved, positive=True, scenes=declared_scenes(arguments))
    known = {picture.file: picture for picture in read}
    missing = [picture.file for picture in pictures if picture.file not in known and picture.file not in unread]
    _refuse_missing(missing, arguments.labels, saved)
    for picture in pictures:
        if found := known.get(picture.file):
            check_boxes(replace(picture, width=found.width, height=found.height), arguments.labels)
    return known


def _refuse_missing(missing: Iterable[str], labels: Path, place: Path) -> None:
    names = list(missing)
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise DataError(f"{labels}: labels {names[0]}{more}, which {'are' if more else 'is'} not in {place}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
