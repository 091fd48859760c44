"""Turns the labelme files of a folder into one COCO keypoints file that pycocotools and `train_start.py` read."""

from __future__ import annotations

import argparse
import codecs
import glob
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from src.data.annotations.person import likely_area
from src.data.annotations.regions import box_around, box_around_joints, polygon_area
from src.data.drawn.dataset import PERSON_CATEGORY
from src.data.images import read_bytes
from src.data.joint_names import read_joint_names
from src.data.names import name_below
from src.errors import DataError, IncompleteError, OutputError
from src.files import write_atomically
from src.json_files import to_json_text
from src.pose.skeleton import COCO_ORDER, JointType
from src.progress import Progress
from src.spreadsheet import csv_rows
from src.tools.common.command import make_parser, refuse_existing, run_command
from src.tools.common.one_line import one_line
from src.tools.labelme.files import (
    LabelmeFile,
    Problem,
    UnusableFileError,
    find_picture,
    read_labelme,
    upright_size,
    write_embedded,
)
from src.tools.labelme.persons import GROUPINGS, Person, derive_shoulders, gather_persons

logger = logging.getLogger(__name__)

_DECIMALS = 3
_NECKS = ("drop", "derive")


@dataclass(frozen=True)
class Conversion:
    """How files become annotations. `pictures` is the folder that file names in the result are relative to."""

    pictures: Path
    names: Mapping[str, JointType]
    grouping: str = "auto"
    neck: str = "drop"


@dataclass
class CocoContent:
    """The file that grows, and what was left out of it."""

    images: list[dict[str, object]] = field(default_factory=list)
    annotations: list[dict[str, object]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # picture -> labelme file
    absent: list[str] = field(default_factory=list)  # pictures that were not found

    def to_json(self) -> str:
        """The COCO file's text."""
        info = {"description": "converted from labelme", "version": "1"}
        content = {
            "info": info,
            "images": self.images,
            "annotations": self.annotations,
            "categories": [PERSON_CATEGORY],
        }
        return to_json_text(content)


def convert(paths: Sequence[Path], how: Conversion) -> CocoContent:
    """All files as one COCO content; a file or shape that cannot be used is in `problems`, everything else is kept."""
    content = CocoContent()
    with Progress("labelme files", len(paths)) as progress:
        for path in paths:
            try:
                _add_file(content, path, how)
            except UnusableFileError as error:
                content.problems.append(Problem(path.name, "", str(error)))
            progress.advance(note=f"{len(content.problems)} questionable")
    return content


def _add_file(content: CocoContent, path: Path, how: Conversion) -> None:
    file, problems = read_labelme(path)
    name, (width, height) = _picture(content, file, path, how.pictures)
    if name in content.seen:
        raise UnusableFileError(f"labels {name}, which {content.seen[name]} labels already")
    content.seen[name] = path.name
    persons, left_out = gather_persons(file.shapes, how.names, (width, height), how.grouping)
    content.problems += problems + [Problem(path.name, each.shape, each.reason) for each in left_out]
    image_id = len(content.images) + 1
    content.images.append({"id": image_id, "file_name": name, "width": width, "height": height})
    for person in persons:
        if how.neck == "derive":
            derive_shoulders(person)
        number = len(content.annotations) + 1
        fields = annotation_of(person, width, height)
        content.annotations.append({"id": number, "image_id": image_id, "category_id": PERSON_CATEGORY["id"], **fields})


def annotation_of(person: Person, width: int, height: int) -> dict[str, object]:
    """COCO's fields for one person; the neck has no place among COCO's keypoints."""
    keypoints: list[float] = []
    for joint in COCO_ORDER:
        found = person.joints.get(joint)
        keypoints += [_rounded(found.x), _rounded(found.y), found.visibility] if found else [0, 0, 0]
    polygons = [[value for point in polygon for value in point] for polygon in person.polygons]
    joints = [(joint.x, joint.y) for joint in person.joints.values()]
    box = person.box or (
        box_around(point for polygon in person.polygons for point in polygon)
        if polygons
        else box_around_joints(joints, (width, height))
    )
    return {
        "keypoints": keypoints,
        "num_keypoints": sum(v > 0 for v in keypoints[2::3]),
        "bbox": [_rounded(v) for v in box],
        "area": _rounded(likely_area(person.area, sum(map(polygon_area, polygons)), box)[0]),
        "segmentation": [[_rounded(value) for value in polygon] for polygon in polygons],
        "iscrowd": 0,
    }


def _rounded(value: float) -> float:
    return round(value, _DECIMALS)


def _picture(content: CocoContent, file: LabelmeFile, path: Path, pictures: Path) -> tuple[str, tuple[int, int]]:
    """The picture's name below the folder of pictures, and its size: its own, else the one the file gives.

    One that is only in the JSON file is written into the folder.
    """
    found = find_picture(file, path, pictures)
    if found is None and file.embedded is not None:
        try:
            found = write_embedded(file, pictures)
        except OSError as error:
            raise OutputError(
                f"{pictures / file.name}: the embedded picture cannot be written: {error.strerror or error}"
            ) from None
    if found is not None:
        return _relative(found, pictures), upright_size(read_bytes(found), found, file)
    if file.size is None:
        raise UnusableFileError(f"its picture {file.picture} is not there, and the file does not give its size")
    content.absent.append(file.picture)
    return _expected_name(file, path, pictures), file.size


def _expected_name(file: LabelmeFile, path: Path, pictures: Path) -> str:
    """Where training will look for a picture that is elsewhere now: where imagePath points, else its bare name."""
    pointed = os.path.normpath(path.parent.resolve() / file.picture)
    below = Path(os.path.relpath(pointed, pictures.resolve())).as_posix()
    try:
        return name_below(below)
    except ValueError:  # elsewhere, or on another system's drive
        return file.name


def _relative(picture: Path, pictures: Path) -> str:
    try:
        return picture.resolve().relative_to(pictures.resolve()).as_posix()
    except ValueError:
        raise UnusableFileError(
            f"its picture {picture} is not below {pictures}; name the folder with --pictures"
        ) from None


def write_problems(problems: Iterable[Problem], path: Path) -> None:
    """The error list as a table that spreadsheets open: file, shape, reason."""
    path.write_bytes(codecs.BOM_UTF8 + csv_rows([Problem._fields, *problems]))


def _labelme_paths(pattern: str | None, folder: Path, result: Path) -> list[Path]:
    """The files that fit the pattern, else all of the folder that end with .json, in whichever case."""
    if pattern is None:
        pattern = str(folder / "*.json")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")
    else:
        paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    paths = [path for path in paths if path.is_file() and path.resolve() != result.resolve()]
    if not paths:
        raise DataError(f"json_path: no file fits '{pattern}'")
    return paths


def _work(arguments: argparse.Namespace) -> int:
    train_path: Path = arguments.train_path
    if not train_path.is_dir():
        raise DataError(f"train_path: {train_path}: no such folder")
    result: Path = arguments.result_path or train_path / "train.json"
    errors: Path = arguments.errors or result.with_name(f"{result.stem}_errors.csv")
    names = read_joint_names(arguments.mapping)
    paths = _labelme_paths(arguments.json_path, train_path, result)
    _check_targets(result, errors, [*paths, *([arguments.mapping] if arguments.mapping else [])], arguments.force)
    content = convert(paths, Conversion(arguments.pictures or train_path, names, arguments.grouping, arguments.neck))
    _write(content, result, errors)
    if content.absent:
        logger.warning(
            "%d pictures were not found, such as %s; their sizes are those the labelme files give",
            *(len(content.absent), content.absent[0]),
        )
    joints = sum(int(str(each["num_keypoints"])) for each in content.annotations)
    print(f"{result}: {len(content.images)} pictures, {len(content.annotations)} persons, {joints} keypoints")
    for problem in content.problems:
        print(_problem_line(problem), file=sys.stderr)
    if content.problems and not arguments.allow_dropped:
        raise IncompleteError(
            f"{len(content.problems)} files or shapes were left out, see {errors}; correct them or give --allow_dropped"
        )
    return 0


def _check_targets(result: Path, errors: Path, inputs: Sequence[Path], force: bool) -> None:
    """OutputError where the result or the error list would replace a file that is read, or not one of its own kind."""
    for path, ending, option in ((result, ".json", "result_path"), (errors, ".csv", "errors")):
        if path.suffix.lower() != ending:
            raise OutputError(f"{option}: {path} must end in {ending}")
    refuse_existing(result, force, "result_path", inputs)
    if result.is_file() and _is_labelme(result):
        raise OutputError(f"{result}: is a labelme file and would be replaced; name another --result_path")
    if errors.is_file() and not errors.read_bytes().startswith(codecs.BOM_UTF8 + csv_rows([Problem._fields])):
        raise OutputError(f"{errors}: already exists and is not an error list; name another --errors")


def _is_labelme(path: Path) -> bool:
    try:
        read_labelme(path)
    except UnusableFileError:
        return False
    return True


def _problem_line(problem: Problem) -> str:
    return one_line(": ".join(part for part in problem if part))


def _write(content: CocoContent, result: Path, errors: Path) -> None:
    if not content.images:
        for problem in content.problems[:3]:
            print(_problem_line(problem), file=sys.stderr)
        raise DataError(f"no labelme file could be used ({len(content.problems)} were left out)")
    try:
        write_atomically(result, content.to_json())
        if content.problems:
            write_problems(content.problems, errors)
        else:
            errors.unlink(missing_ok=True)  # of an earlier round
    except OSError as error:
        raise OutputError(f"{result}: cannot be written: {error.strerror or error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "labelme2coco",
        "Join the labelme files of a folder to one COCO keypoints file with the category person.",
        "--train_path=./labelled --result_path=./labelled/train.json",
        "--train_path=. --json_path='./*.json' --mapping=names.yaml --grouping=rectangle",
    )
    parser.add_argument("--train_path", type=Path, default=Path("."), help="folder of the labelme files [%(default)s]")
    parser.add_argument("--json_path", metavar="GLOB", help="which files [<train_path>/*.json]")
    parser.add_argument("--result_path", type=Path, metavar="FILE", help="the COCO file [<train_path>/train.json]")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="imgpath_train of the training [<train_path>]")
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE", help="YAML lines 'label: joint' for your own label names"
    )
    parser.add_argument(
        "--grouping", choices=GROUPINGS, default="auto", help="what makes points one person [%(default)s]"
    )
    parser.add_argument(
        "--neck",
        choices=_NECKS,
        default="drop",
        help="derive: a labelled neck also yields a missing shoulder [%(default)s]",
    )
    parser.add_argument("--errors", type=Path, metavar="FILE", help="error list [<result_path>_errors.csv]")
    parser.add_argument("--allow_dropped", action="store_true", help="exit with 0 although something was left out")
    parser.add_argument("--force", action="store_true", help="replace a result that is there already")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
