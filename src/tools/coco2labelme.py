"""Turns a COCO keypoints file, or predictions for its pictures, into labelme files, so that people can correct them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.errors import DataError, OutputError
from src.pose.skeleton import COCO_KEYPOINT_NAMES
from src.progress import Progress
from src.tools.common.command import make_parser, not_negative, run_command
from src.tools.labelme.joint_names import OCCLUDED

#: The format's version that is written; labelme 5 and 6 read it.
LABELME_VERSION = "5.5.0"


def labelme_content(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], picture: str, min_score: float = 0.0
) -> dict[str, Any]:
    """One labelme file: each person's joints, box and outline share a group_id; occluded joints are flagged.

    `picture` is the picture's path from the file. Predictions below `min_score` are left out.
    """
    shapes: list[dict[str, Any]] = []
    persons = [a for a in annotations if not _is_crowd(a) and a.get("score", 1.0) >= min_score]
    for group, annotation in enumerate(persons, start=1):
        shapes += _person_shapes(annotation, group)
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": picture,
        "imageData": None,
        "imageHeight": image["height"],
        "imageWidth": image["width"],
    }


def _person_shapes(annotation: Mapping[str, Any], group: int) -> list[dict[str, Any]]:
    shapes = []
    if "bbox" in annotation:
        x, y, w, h = annotation["bbox"]
        shapes.append(_shape("person", [[x, y], [x + w, y + h]], "rectangle", group))
    segmentation = annotation.get("segmentation") or []
    for polygon in segmentation if isinstance(segmentation, list) else []:
        corners = [list(pair) for pair in zip(polygon[::2], polygon[1::2])]
        shapes.append(_shape("person", corners, "polygon", group))
    keypoints = annotation.get("keypoints") or []
    for name, x, y, visibility in zip(COCO_KEYPOINT_NAMES, keypoints[::3], keypoints[1::3], keypoints[2::3]):
        if visibility > 0:
            occluded = "score" not in annotation and visibility == OCCLUDED
            shapes.append(_shape(name, [[x, y]], "point", group, {"occluded": True} if occluded else {}))
    return shapes


def _shape(
    label: str, points: list[list[float]], kind: str, group: int, flags: dict[str, bool] | None = None
) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": flags or {},
        "mask": None,
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a JSON file ({error})") from None


def _by_picture(annotations: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    table: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in annotations:
        table[annotation["image_id"]].append(annotation)
    return table


def _labelled(images: Any, persons: Any, arguments: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every file that is to be written, and its content; DataError where images and persons are not COCO's."""
    folder: Path = arguments.result_path
    pictures: Path = arguments.imgpath or folder
    try:
        table = _by_picture(persons)
        for image in images:
            target = folder / Path(image["file_name"]).with_suffix(".json")
            picture = Path(os.path.relpath(pictures / image["file_name"], target.parent)).as_posix()
            yield target, labelme_content(image, table.get(image["id"], []), picture, arguments.min_score)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{arguments.json_path}: not a COCO keypoints file ({error!r})") from None


def _work(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.result_path
    content = _read(arguments.json_path)
    if not isinstance(content, dict) or "images" not in content:
        raise DataError(f"{arguments.json_path}: not a COCO keypoints file (it has no images)")
    persons: Any = _read(arguments.predictions) if arguments.predictions else content.get("annotations")
    count = 0
    for target, _ in _labelled(content["images"], persons, arguments):  # once through before anything is written
        count += 1
        if target.exists() and not arguments.force:
            raise OutputError(f"{target}: is there already; corrections may be in it; --force replaces it")
    try:
        with Progress("labelme files", count) as progress:
            for target, labelled in _labelled(content["images"], persons, arguments):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(json.dumps(labelled, ensure_ascii=False, indent=2), encoding="utf-8")
                progress.advance()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    crowds = sum(map(_is_crowd, persons))
    print(f"{folder}: {count} labelme files" + (f"; {crowds} crowds left out, labelme has none" if crowds else ""))
    return 0


def _is_crowd(annotation: Mapping[str, Any]) -> bool:
    return bool(annotation.get("iscrowd"))


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
