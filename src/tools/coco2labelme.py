"""Turns a COCO keypoints file, or predictions for its pictures, into labelme files, so that people can correct them."""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from src.data.annotations.person import NO_NECK
from src.data.annotations.reader import AnnotationFile, Picture, open_annotations
from src.data.annotations.regions import Box, Polygon, numbers
from src.data.names import check_distinct, with_ending
from src.errors import DataError, OutputError
from src.files import write_atomically
from src.json_files import read_json, to_json_text
from src.pose.skeleton import COCO_KEYPOINT_NAMES
from src.progress import Progress
from src.tools.common.command import make_parser, not_negative, run_command
from src.tools.labelme.files import AREA_KEY
from src.tools.labelme.labels import OCCLUDED

#: The format's version that is written; labelme 5 and 6 read it.
LABELME_VERSION = "5.5.0"

_NUMBERS = 3 * len(COCO_KEYPOINT_NAMES)


@dataclass(frozen=True)
class Figure:
    """What is drawn of one person: joints (17 × x, y, visibility or confidence) and neck, box, outline, area in px²."""

    keypoints: Sequence[float]
    neck: Sequence[float] = NO_NECK
    box: Box | None = None
    polygons: Sequence[Polygon] = ()
    area: float = 0.0
    is_predicted: bool = False


def labelme_content(picture: Picture, figures: Sequence[Figure], path: str) -> dict[str, object]:
    """One labelme file: each person's joints, box and outline share a group_id; occluded joints are flagged.

    `path` is the picture's path from the file.
    """
    shapes: list[dict[str, object]] = []
    for group, figure in enumerate(figures, start=1):
        shapes += _shapes(figure, group)
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": path,
        "imageData": None,
        "imageHeight": picture.height,
        "imageWidth": picture.width,
    }


def _shapes(figure: Figure, group: int) -> list[dict[str, object]]:
    shapes = []
    if figure.box is not None:
        x, y, w, h = figure.box
        shape = _shape("person", [[x, y], [x + w, y + h]], "rectangle", group)
        shapes.append({**shape, AREA_KEY: figure.area})  # labelme keeps what it does not know
    for polygon in figure.polygons:
        corners = [list(pair) for pair in zip(polygon[::2], polygon[1::2])]
        shapes.append(_shape("person", corners, "polygon", group))
    values = [*figure.keypoints, *figure.neck]
    names = (*COCO_KEYPOINT_NAMES, "neck")
    for name, x, y, visibility in zip(names, values[::3], values[1::3], values[2::3]):
        if visibility > 0:
            occluded = not figure.is_predicted and visibility == OCCLUDED
            shapes.append(_shape(name, [[x, y]], "point", group, {"occluded": True} if occluded else {}))
    return shapes


def _shape(
    label: str, points: list[list[float]], kind: str, group: int, flags: dict[str, bool] | None = None
) -> dict[str, object]:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": flags or {},
        "mask": None,
    }


Figures = Mapping[int, Sequence[Figure]]


def annotated_figures(file: AnnotationFile) -> tuple[Figures, int]:
    """The annotated people by picture, and how many crowds were left out: labelme has none."""
    table: dict[int, list[Figure]] = defaultdict(list)
    crowds = 0
    for person in file.people():
        crowds += person.is_crowd
        if not person.is_crowd:
            figure = Figure(person.keypoints, person.neck, person.box, person.outline, person.area)
            table[person.picture].append(figure)
    return table, crowds


def predicted_figures(path: Path, file: AnnotationFile, min_score: float) -> Figures:
    """The people of a file in COCO's result format by picture; DataError naming the element that cannot be used."""
    table: dict[int, list[Figure]] = defaultdict(list)
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of predictions") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(content, list):
        raise DataError(f"{path}: not a list of results in COCO's format")
    for position, raw in enumerate(content, start=1):
        try:
            picture, figure, score = _prediction(raw, file)
        except ValueError as error:
            raise DataError(f"{path}: element {position}: {error}") from None
        if score >= min_score:
            table[picture].append(figure)
    return table


def _prediction(raw: object, file: AnnotationFile) -> tuple[int, Figure, float]:
    if not isinstance(raw, dict):
        raise ValueError(f"is not an object but {raw!r:.40}")
    picture = file.picture_number(raw)
    if picture is None:
        raise ValueError(f"its picture {raw['image_id']!r} is not in {file.path}")
    keypoints = numbers(raw.get("keypoints"), "'keypoints'")
    if len(keypoints) != _NUMBERS:
        raise ValueError(f"has {len(keypoints)} numbers in 'keypoints', not {_NUMBERS}")
    (score,) = numbers([raw.get("score", 1.0)], "'score'")
    return picture, Figure(keypoints, is_predicted=True), score


def _labelled(
    file: AnnotationFile, figures: Figures, folder: Path, pictures: Path
) -> Iterator[tuple[Path, dict[str, object]]]:
    """Every file that is to be written, and its content."""
    for picture in file.pictures:
        target = folder / with_ending(picture.name, ".json")
        path = Path(os.path.relpath(pictures / picture.name, target.parent)).as_posix()
        yield target, labelme_content(picture, figures.get(picture.number, ()), path)


def _check_targets(targets: Sequence[Path], inputs: Sequence[Path], force: bool) -> None:
    """OutputError where a file is there already, or would replace one that is read."""
    read = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in read:
            raise OutputError(f"{target}: is read here and would be replaced; name another --result_path")
        if target.exists() and not force:
            raise OutputError(f"{target}: already exists; corrections may be in it; --force replaces it")


def _work(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.result_path
    file = open_annotations(arguments.json_path, pictures_only=arguments.predictions is not None)
    check_distinct((picture.name for picture in file.pictures), partial(with_ending, ending=".json"), "labelme file")
    inputs: list[Path] = [arguments.json_path]
    crowds = 0
    if arguments.predictions is not None:
        inputs.append(arguments.predictions)
        figures = predicted_figures(arguments.predictions, file, arguments.min_score)
    else:
        figures, crowds = annotated_figures(file)
        file.log_notes()
    pictures: Path = arguments.imgpath or folder
    targets = [folder / with_ending(picture.name, ".json") for picture in file.pictures]
    _check_targets(targets, [*inputs, *(pictures / picture.name for picture in file.pictures)], arguments.force)
    try:
        with Progress("labelme files", len(targets)) as progress:
            for target, labelled in _labelled(file, figures, folder, pictures):
                write_atomically(target, to_json_text(labelled, indent=2))
                progress.advance()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    left_out = f"; {crowds} crowds left out, labelme has none" if crowds else ""
    print(f"{folder}: {len(targets)} labelme files{left_out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "coco2labelme",
        "Write a labelme file for each picture of a COCO keypoints file, to correct it by hand.",
        "--json_path=train.json --result_path=./to_correct --imgpath=./pictures",
        "--json_path=train.json --predictions=predictions.json --min_score=0.3 --result_path=./to_correct",
    )
    parser.add_argument("--json_path", type=Path, required=True, metavar="FILE", help="COCO keypoints file")
    parser.add_argument("--result_path", type=Path, required=True, metavar="FOLDER", help="where the labelme files go")
    parser.add_argument("--imgpath", type=Path, metavar="FOLDER", help="the pictures [<result_path>]")
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE", help="show these, in COCO's result format, and not the annotations"
    )
    parser.add_argument(
        "--min_score", type=not_negative, default=0.0, help="leave out predictions below this [%(default)s]"
    )
    parser.add_argument("--force", action="store_true", help="replace labelme files that are there already")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
