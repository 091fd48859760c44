"""Packs a data set's pictures, masks and annotations into a few large files that training reads as they are."""

from __future__ import annotations

import argparse
import filecmp
import json
import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.data.annotations.reader import open_annotations
from src.data.coco import Selection, index_annotations
from src.data.packed import SHARD_INDEX, is_packed, read_shard_index
from src.errors import DataError, OutputError
from src.files import atomic_path, file_sha256, write_atomically
from src.plural import plural
from src.progress import Progress
from src.tools.common.command import add_settings, make_parser, positive, run_command
from src.tools.common.packing import (
    SHARD_FILE,
    PackedFile,
    Places,
    Shard,
    check_shard,
    describe,
    find_files,
    plan_shards,
    write_shard,
)

logger = logging.getLogger(__name__)

_MEGABYTE = 1_000_000


def pack(shards: Sequence[Shard], folder: Path) -> tuple[list[Places], int]:
    """Write the shards that are not there already with the right content; returns all places and how many were there.

    Every shard is read back and compared with its sources. Raises OutputError.
    """
    places, kept = [], 0
    with Progress("shards", len(shards)) as progress:
        for shard in shards:
            found = check_shard(shard, folder)
            kept += found is not None
            if found is None:
                write_shard(shard, folder)
                found = check_shard(shard, folder)
            if found is None:
                raise OutputError(
                    f"{folder / shard.name}: is not what was written; is the disk bad, or a source changing?"
                )
            places.append(found)
            progress.advance(note=f"{shard.size / _MEGABYTE:.0f} MB in {shard.name}")
    return places, kept


def verify(folder: Path) -> int:
    """Compare every shard with the digest it was written with; returns their number or raises DataError."""
    shards = read_shard_index(folder)["shards"]
    with Progress("shards", len(shards)) as progress:
        for shard in shards:
            path = folder / shard["name"]
            if not path.is_file() or file_sha256(path) != shard["sha256"]:
                raise DataError(f"{path}: missing or damaged; copy it again, or pack the data set again")
            progress.advance()
    return len(shards)


def _names(arguments: argparse.Namespace) -> list[str]:
    """The pictures to pack: all annotated files, or only those with people to train on. The whole file is checked."""
    if arguments.used_only:
        index = index_annotations(arguments.jsonpath_train, Selection(arguments.min_keypoints, arguments.min_area))
        return [str(name) for name in index.names]
    file = open_annotations(arguments.jsonpath_train)
    people = sum(1 for _ in file.people())
    logger.info("%s: %d pictures, %d people", file.path, len(file.pictures), people)
    file.log_notes()
    return [picture.name for picture in file.pictures]


def _work(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.result_path
    if arguments.verify:
        print(f"{folder}: {plural(verify(folder), 'shard')} verified")
        return 0
    for name in ("jsonpath_train", "imgpath_train"):
        if getattr(arguments, name) is None:
            raise DataError(f"--{name}: is needed to pack a data set")
    if arguments.maskpath_train is not None and not arguments.maskpath_train.is_dir():
        raise DataError(f"maskpath_train: {arguments.maskpath_train}: no such folder")
    files, missing = find_files(_names(arguments), arguments.imgpath_train, arguments.maskpath_train)
    if not files or (missing and not arguments.allow_missing):
        raise DataError(
            f"{arguments.imgpath_train}: {len(missing)} annotated pictures are not there, like {missing[0]}; "
            "check the folder or give --allow_missing"
        )
    shards = plan_shards(files, arguments.shard_mb * _MEGABYTE)
    _check_folder(folder, arguments)
    _prepare(folder, shards, files)
    places, kept = pack(shards, folder)
    annotations = folder / arguments.jsonpath_train.name
    facts = {"annotations": annotations.name, "missing": missing}
    _finish(folder, describe(shards, places, folder, facts), arguments.jsonpath_train, annotations)
    size = sum(shard.size for shard in shards) / _MEGABYTE
    packed = f"{plural(len(files), 'file')}, {size:.1f} MB in {plural(len(shards), 'shard')}"
    print(f"{folder}: {packed} ({kept} were there already)")
    print(f"train with --data_url={folder} --imgpath_train=. --jsonpath_train={annotations.name}" + _mask_hint(files))
    return 0


def _mask_hint(files: Sequence[PackedFile]) -> str:
    return " --maskpath_train=." if any(file.kind == "masks" for file in files) else ""


def _check_folder(folder: Path, arguments: argparse.Namespace) -> None:
    """The result must not be mixed with its sources, nor replace another data set unasked."""
    if folder.resolve() == arguments.imgpath_train.resolve():
        raise DataError(f"result_path: {folder} is the folder of the pictures; name another")
    annotations = folder / arguments.jsonpath_train.name
    if not is_packed(folder):
        own = annotations.is_file() and not annotations.samefile(arguments.jsonpath_train)
        if own and not filecmp.cmp(annotations, arguments.jsonpath_train, shallow=False) and not arguments.force:
            raise OutputError(f"{annotations}: already exists; name another --result_path or give --force")
    elif not arguments.force:
        there = read_shard_index(folder)["annotations"]
        if there != arguments.jsonpath_train.name:
            raise OutputError(
                f"result_path: {folder} holds another data set, of {there}; name another folder or give --force"
            )


def _prepare(folder: Path, shards: Sequence[Shard], files: Sequence[PackedFile]) -> None:
    """The result's folder with room for the shards and without leftovers: of killed runs, of larger data sets."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SHARD_INDEX).unlink(missing_ok=True)  # while shards change the folder is not a packed data set
        expected = {shard.name for shard in shards}
        for path in folder.iterdir():
            if SHARD_FILE.match(path.name) and path.name not in expected:
                path.unlink()
        there = sum(path.stat().st_size for path in folder.glob("shard-*.tar"))
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    needed = sum(file.size + 2048 for file in files) - there
    if needed > free:
        raise OutputError(f"{folder}: {needed / _MEGABYTE:.0f} MB are needed, {free / _MEGABYTE:.0f} MB are free")


def _finish(folder: Path, content: Mapping[str, object], source: Path, annotations: Path) -> None:
    """Copy the annotations, then write shards.json: with it the folder is a packed data set."""
    try:
        if source.resolve() != annotations.resolve():
            with atomic_path(annotations) as temporary:
                shutil.copyfile(source, temporary)
        write_atomically(folder / SHARD_INDEX, json.dumps(content, ensure_ascii=False))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    assert is_packed(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "pack_dataset",
        "Pack a COCO data set into tar shards, so that staging copies a few large objects. Run it again to go on.",
        "--jsonpath_train=coco/annotations/person_keypoints_train2017.json --imgpath_train=coco/train2017 "
        "--result_path=coco_packed",
        "--verify --result_path=coco_packed",
    )
    parser.add_argument("--jsonpath_train", type=Path, metavar="FILE", help="COCO keypoints annotations")
    parser.add_argument("--imgpath_train", type=Path, metavar="FOLDER", help="their pictures")
    parser.add_argument("--maskpath_train", type=Path, metavar="FOLDER", help="ignore masks, to be packed too")
    parser.add_argument("--result_path", type=Path, required=True, metavar="FOLDER", help="where the shards go")
    parser.add_argument("--shard_mb", type=positive, default=256, help="size of a shard in MB [%(default)s]")
    parser.add_argument("--used_only", action="store_true", help="leave out pictures that training leaves out")
    parser.add_argument("--allow_missing", action="store_true", help="go on although annotated pictures are not there")
    parser.add_argument("--force", action="store_true", help="replace another data set that is packed there")
    parser.add_argument("--verify", action="store_true", help="only check shards that were packed or copied")
    add_settings(parser, "min_keypoints", "min_area")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
