"""Draws ignore masks from COCO keypoint annotations: black where the loss is not counted, white elsewhere.

`train_start.py --maskpath_train=FOLDER` reads them. Without a folder of masks training draws the same regions itself,
so masks are for looking at, for correcting by hand, and for other programs.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.coco import Selection, index_annotations
from src.data.images import read_picture
from src.data.masks import ignored_regions, regions_of_file
from src.data.names import check_distinct, mask_name, with_ending
from src.data.pose_index import PoseIndex
from src.errors import DataError, OutputError
from src.files import file_sha256, write_atomically
from src.json_files import read_json
from src.progress import Progress
from src.tools.common.command import add_settings, make_parser, positive, run_command

IGNORED, VALID = 0, 255
#: Says in the mask folder what the masks were drawn from.
STAMP_FILE = "ignore_masks.json"

_PREVIEW_TINT = (0, 0, 255)  # BGR
_PNG_HEADER = struct.Struct(">8sI4sII2s")
_GREY = bytes((8, 0))  # bit depth and colour type
_PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class MaskCounts:
    """How many masks were drawn now, and how many were there already."""

    written: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.written} masks written, {self.skipped} there already"


def write_masks(
    index: PoseIndex, folder: Path, stamp: Mapping[str, object], workers: int = 1, force: bool = False
) -> MaskCounts:
    """Write `<picture's stem>.png` for every picture of the index; those that are there already stay, unless `force`.

    Raises OutputError when the folder cannot be written; DataError when it holds masks of other annotations or files
    that are not masks, or when two pictures would share a mask. Nothing is written then.
    """
    check_distinct(index.names.tolist(), mask_name, "mask")
    try:
        _check_folder(index, folder)
        folder.mkdir(parents=True, exist_ok=True)
        _check_stamp(folder, stamp, force)
        with Progress("masks", len(index)) as progress, ThreadPoolExecutor(workers) as pool:
            written = 0
            for drawn in pool.map(lambda row: _write_mask(index, row, folder, force), range(len(index))):
                written += drawn
                progress.advance(note=f"{written} written")
    except OSError as error:
        raise OutputError(f"{folder}: masks cannot be written there ({error.strerror or error})") from None
    return MaskCounts(written, len(index) - written)


def draw_mask(index: PoseIndex, row: int) -> NDArray[np.uint8]:
    """The mask (height, width) of a picture at its own size: 0 ignored, 255 valid."""
    width, height = (int(side) for side in index.sizes[row])
    ignored = ignored_regions(index.ignored[row], index.crowds[row], index.kept[row], (width, height))
    return np.where(ignored, np.uint8(IGNORED), np.uint8(VALID))


def mask_path(folder: Path, picture_name: str) -> Path:
    """Where the mask of a picture lies."""
    return folder / mask_name(picture_name)


def draw_previews(index: PoseIndex, pictures: Path, masks: Path, folder: Path, count: int) -> int:
    """Write the first `count` pictures that have ignored pixels, those tinted red; returns how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = 0
    for name, mask in _masks_with_content(index, masks):
        if drawn == count:
            break
        picture = read_picture(pictures / name)
        if picture.shape[:2] != mask.shape:
            raise DataError(f"{pictures / name}: its size differs from its mask's; were the pictures changed?")
        ignored = regions_of_file(mask) == 1
        picture[ignored] = (picture[ignored] // 2 + np.array(_PREVIEW_TINT) // 2).astype(np.uint8)
        target = folder / with_ending(name, "_ignored.jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(target), picture):
            raise OutputError(f"{target}: cannot be written")
        drawn += 1
    return drawn


def _masks_with_content(index: PoseIndex, masks: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for row in range(len(index)):
        if len(index.ignored[row]) or len(index.crowds[row]):
            name = str(index.names[row])
            mask = cv2.imread(str(mask_path(masks, name)), cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise DataError(f"{mask_path(masks, name)}: not a mask; remove it and run again")
            yield name, mask.astype(np.uint8)


def _write_mask(index: PoseIndex, row: int, folder: Path, force: bool) -> bool:
    """Write one mask, whole or not at all; False where it was there already."""
    target = mask_path(folder, str(index.names[row]))
    width, height = (int(side) for side in index.sizes[row])
    if not force and _png_size(target) == (width, height):
        return False
    done, data = cv2.imencode(".png", draw_mask(index, row))
    if not done:
        raise OutputError(f"{target}: the mask cannot be encoded")
    write_atomically(target, data.tobytes())
    return True


def _check_folder(index: PoseIndex, folder: Path) -> None:
    """DataError where a mask would take the place of a file that this tool has not written."""
    is_ours = (folder / STAMP_FILE).is_file()
    for name in index.names.tolist():
        target = mask_path(folder, name)
        if target.exists() and not (is_ours and _might_be_mask(target)):
            raise DataError(f"{target}: already exists and is not a mask of this tool; name another --maskpath_train")


def _might_be_mask(path: Path) -> bool:
    """Whether a file is a PNG of one grey channel of 8 bits, or the torn beginning of a file."""
    with open(path, "rb") as file:
        header = file.read(_PNG_HEADER.size)
    return len(header) < _PNG_HEADER.size or (header.startswith(_PNG_START) and header[-2:] == _GREY)


def _png_size(path: Path) -> tuple[int, int] | None:
    """(width, height) from a PNG's header; None where there is no PNG."""
    try:
        with open(path, "rb") as file:
            start, _, _, width, height, _ = _PNG_HEADER.unpack(file.read(_PNG_HEADER.size))
    except (FileNotFoundError, struct.error):
        return None
    return (width, height) if start == _PNG_START else None


def _check_stamp(folder: Path, stamp: Mapping[str, object], force: bool) -> None:
    """Refuse to mix masks of other annotations or limits with these."""
    path = folder / STAMP_FILE
    if path.exists() and not force and _read_stamp(path) != stamp:
        raise DataError(
            f"{folder}: its masks were drawn from other annotations or limits; use another folder or --force"
        )
    path.write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _read_stamp(path: Path) -> object:
    try:
        return read_json(path)
    except ValueError:
        return None  # damaged: like another one


def _work(arguments: argparse.Namespace) -> int:
    if arguments.preview and not arguments.imgpath_train:
        raise DataError("--preview: needs the pictures' folder; give --imgpath_train too")
    if arguments.preview and arguments.preview.resolve() == arguments.imgpath_train.resolve():
        raise DataError(f"preview: {arguments.preview} is the folder of the pictures; name another")
    if arguments.preview and not arguments.imgpath_train.is_dir():
        raise DataError(f"imgpath_train: {arguments.imgpath_train}: no such folder of pictures")
    annotations: Path = arguments.jsonpath_train
    index = index_annotations(annotations, Selection(arguments.min_keypoints, arguments.min_area))
    stamp = {
        "annotations": file_sha256(annotations),
        "min_keypoints": arguments.min_keypoints,
        "min_area": arguments.min_area,
    }
    masks: Path = arguments.maskpath_train
    counts = write_masks(index, masks, stamp, arguments.workers, arguments.force)
    print(f"{masks}: {counts}")
    if arguments.preview:
        drawn = draw_previews(index, arguments.imgpath_train, masks, arguments.preview, arguments.preview_pictures)
        print(f"{arguments.preview}: {drawn} pictures with their ignored regions in red")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "gen_ignore_mask",
        "Draw COCO ignore masks: crowds, and people too small or with too few keypoints to train on, are black.",
        "--jsonpath_train=coco/annotations/person_keypoints_train2017.json --maskpath_train=coco/ignore_mask_train",
        "--jsonpath_train=a.json --maskpath_train=masks --imgpath_train=pics --preview=look",
    )
    parser.add_argument("--jsonpath_train", type=Path, required=True, metavar="FILE", help="COCO keypoints annotations")
    parser.add_argument("--maskpath_train", type=Path, required=True, metavar="FOLDER", help="where the masks go")
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help="masks at a time [%(default)s]")
    parser.add_argument("--force", action="store_true", help="draw masks anew that are there already")
    parser.add_argument("--preview", type=Path, metavar="FOLDER", help="draw pictures with their ignored regions there")
    parser.add_argument("--imgpath_train", type=Path, metavar="FOLDER", help="the pictures, for --preview")
    parser.add_argument("--preview_pictures", type=positive, default=20, help="how many at most [%(default)s]")
    add_settings(parser, "min_keypoints", "min_area")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
