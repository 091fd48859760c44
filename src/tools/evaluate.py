"""Evaluates a checkpoint on a COCO keypoints file: COCO's table, by size, by joint, with curve and results."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.arrays import Reals
from src.data.formats import PictureError
from src.data.images import decode_picture, read_bytes, size_error
from src.data.names import check_distinct, with_ending
from src.errors import ConfigError, DataError, IncompleteError, OutputError
from src.pose import DecodeSettings, decode_poses
from src.pose.grid import Fit
from src.progress import Progress
from src.tools.common.command import add_settings, make_parser, positive, refuse_existing, run_command
from src.tools.evaluation.ground_truth import FILE_ID, PictureEntry, person_category, read_ground_truth
from src.tools.evaluation.maps_file import load_maps, maps_path, save_maps
from src.tools.evaluation.scores import Result, Scores, result_lines, score_results
from src.tools.evaluation.self_test import INJECTED_PX, run_offset_test
from src.tools.evaluation.tables import format_scores, plot_precision

if TYPE_CHECKING:
    from pycocotools.coco import COCO


logger = logging.getLogger(__name__)

PREDICTIONS_FILE, SCORES_FILE, CURVE_FILE = "predictions.json", "scores.json", "precision_recall.png"

#: From one picture's entry in the annotation file to the maps of it: heatmaps, pafs, fit.
MapSource = Callable[[PictureEntry], tuple[Reals, Reals, Fit]]


def predict(
    truth: COCO, picture_ids: Iterable[int], maps_of: MapSource, settings: DecodeSettings
) -> tuple[list[Result], list[str]]:
    """Results in COCO's format for the pictures, and what is wrong with those that cannot be read."""
    results: list[Result] = []
    unreadable: list[str] = []
    ids = list(picture_ids)
    with Progress("pictures", len(ids)) as progress:
        for picture_id in ids:
            try:
                heatmaps, pafs, fit = maps_of(truth.imgs[picture_id])
            except PictureError as error:
                logger.warning("skipped: %s", error)
                unreadable.append(str(error))
                continue
            finally:
                progress.advance(note=f"{len(results)} persons")
            poses, scores = decode_poses(heatmaps, pafs, settings=settings, fit=fit)
            poses[..., :2] = np.where(poses[..., 2:] > 0, fit.to_picture(poses[..., :2]), 0)
            results += result_lines(picture_id, poses, scores, person_category(truth))
    return results, unreadable


def network_maps(arguments: argparse.Namespace) -> MapSource:
    """Maps that the checkpoint's network makes of the pictures, at all scales asked for."""
    from src.infer.forward import load_model_for
    from src.infer.multiscale import averaged_maps

    network = load_model_for(arguments, arguments.checkpoint)

    def maps_of(image: PictureEntry) -> tuple[Reals, Reals, Fit]:
        path = arguments.imgpath_val / image["file_name"]
        data = read_bytes(path)
        picture = decode_picture(data, path)
        if picture.shape[1::-1] != (image["width"], image["height"]):
            raise size_error(data, path, (image["width"], image["height"]))
        maps, fit = averaged_maps(picture, network, arguments.scales, arguments.flip)
        if arguments.save_network_outputs:
            save_maps(maps_path(arguments.save_network_outputs, image["file_name"]), maps.heatmaps, maps.pafs, fit)
        return maps.heatmaps, maps.pafs, fit

    return maps_of


def maps_from_files(folder: Path) -> MapSource:
    """Maps from .npz files named like the pictures."""

    def maps_of(image: PictureEntry) -> tuple[Reals, Reals, Fit]:
        return load_maps(maps_path(folder, image["file_name"]), image["width"], image["height"])

    return maps_of


def _chosen_pictures(truth: COCO, arguments: argparse.Namespace) -> list[int]:
    ids = sorted(truth.imgs)
    if arguments.network_outputs:
        if not arguments.network_outputs.is_dir():
            raise DataError(f"network_outputs: {arguments.network_outputs}: no such folder")
        there = [i for i in ids if maps_path(arguments.network_outputs, truth.imgs[i]["file_name"]).is_file()]
        if len(there) < len(ids):
            logger.warning("found outputs of %d of %d annotated pictures; evaluating those", len(there), len(ids))
        ids = there
    ids = ids[: arguments.max_pictures]
    if not ids:
        raise DataError(f"{arguments.network_outputs or arguments.jsonpath_val}: no picture to evaluate")
    return ids


def write_report(
    folder: Path, truth: COCO, results: Sequence[Result], scores: Scores, facts: dict[str, object]
) -> None:
    """Predictions in COCO's result format, the scores, and the plot of the precision/recall curve."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own_ids = [{**each, "image_id": truth.imgs[each["image_id"]][FILE_ID]} for each in results]
        (folder / PREDICTIONS_FILE).write_text(json.dumps(own_ids), encoding="utf-8")
        content = {**facts, **scores.to_json()}
        (folder / SCORES_FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")
        plot_precision(scores, folder / CURVE_FILE)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _self_test(truth: COCO, ids: Sequence[int], arguments: argparse.Namespace, settings: DecodeSettings) -> int:
    outcome = run_offset_test(truth, ids, arguments.infer_insize, settings)
    for label, scores in (("as annotated", outcome.straight), (f"moved by {INJECTED_PX} px", outcome.moved)):
        x, y = scores.offset_px
        print(f"{label:<16} AP {scores.figures['AP']:.3f}  offset x {x:+.2f} px, y {y:+.2f} px")
    if outcome.problem:
        print(f"error: self-test failed: {outcome.problem}", file=sys.stderr)
        return 1
    print("self-test passed: coordinates survive encoding and decoding, and a shift of half a pixel shows")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raises for arguments that cannot be, and for results that are there already, before anything is computed."""
    if arguments.self_test:
        return
    if arguments.network_outputs:
        for name in ("checkpoint", "flip", "save_network_outputs"):
            if getattr(arguments, name):
                raise ConfigError(f"--{name}: is for a checkpoint's evaluation; leave it out or --network_outputs")
        if arguments.scales != (1.0,):
            raise ConfigError("--scales: is for a checkpoint's evaluation; leave it out or --network_outputs")
    elif not arguments.checkpoint or not arguments.imgpath_val:
        raise DataError("--checkpoint and --imgpath_val are needed, or --network_outputs with stored maps")
    elif not arguments.imgpath_val.is_dir():
        raise DataError(f"imgpath_val: {arguments.imgpath_val}: no such folder of pictures")
    if arguments.save_network_outputs and any(arguments.save_network_outputs.glob("**/*.npz")):
        refuse_existing(arguments.save_network_outputs, arguments.force, "save_network_outputs")
    if arguments.output_path:
        refuse_existing(arguments.output_path / SCORES_FILE, arguments.force, "output_path")


def _work(arguments: argparse.Namespace) -> int:
    _check(arguments)
    truth = read_ground_truth(arguments.jsonpath_val)
    ids = _chosen_pictures(truth, arguments)
    if arguments.save_network_outputs:
        names = [truth.imgs[each]["file_name"] for each in ids]
        check_distinct(names, partial(with_ending, ending=".npz"), "map file")
    settings = DecodeSettings(peak_threshold=arguments.peak_threshold)
    if arguments.self_test:
        return _self_test(truth, ids, arguments, settings)
    maps_of = maps_from_files(arguments.network_outputs) if arguments.network_outputs else network_maps(arguments)
    results, unreadable = predict(truth, ids, maps_of, settings)
    if len(unreadable) == len(ids):
        raise DataError(f"none of the {len(ids)} pictures could be read; the first: {unreadable[0]}")
    scores = score_results(truth, results, ids)
    facts = {
        "annotations": str(arguments.jsonpath_val),
        "checkpoint": str(arguments.checkpoint or ""),
        "network_outputs": str(arguments.network_outputs or ""),
        "scales": list(arguments.scales),
        "flip": arguments.flip,
        "unreadable": unreadable,
    }
    print(format_scores(scores))
    if arguments.output_path:
        write_report(arguments.output_path, truth, results, scores, facts)
        print(f"\n{arguments.output_path}: {PREDICTIONS_FILE}, {SCORES_FILE}, {CURVE_FILE}")
    if unreadable:
        raise IncompleteError(f"{len(unreadable)} of {len(ids)} pictures could not be read; they count as not found")
    return 0


def parse_scales(text: str) -> tuple[float, ...]:
    """`0.5,1,1.5` as numbers."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0.1 <= scale <= 8 for scale in scales):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of factors from 0.1 to 8, like 0.5,1,1.5")
    return scales


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "evaluate",
        "Evaluate a checkpoint, or stored network outputs, on a COCO keypoints file.",
        "--checkpoint=models/m.ckpt --jsonpath_val=annotations/person_keypoints_val2017.json --imgpath_val=val2017",
        "--checkpoint=models/m.ckpt --jsonpath_val=a.json --imgpath_val=pics --scales=0.5,1,1.5,2 --flip "
        "--output_path=evaluation",
        "--jsonpath_val=annotations.json --network_outputs=maps",
        "--jsonpath_val=annotations.json --self_test",
    )
    parser.add_argument("--jsonpath_val", type=Path, required=True, metavar="FILE", help="COCO keypoints annotations")
    parser.add_argument("--imgpath_val", type=Path, metavar="FOLDER", help="their pictures")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the checkpoint to evaluate")
    parser.add_argument(
        "--output_path", type=Path, metavar="FOLDER", help="write predictions, scores and the curve there"
    )
    parser.add_argument(
        "--scales", type=parse_scales, default=(1.0,), help="factors of infer_insize, like 0.5,1,1.5 [1]"
    )
    parser.add_argument("--flip", action="store_true", help="average with the mirror image")
    parser.add_argument("--force", action="store_true", help="replace scores and maps that are there already")
    parser.add_argument("--max_pictures", type=positive, help="only the first so many")
    parser.add_argument(
        "--network_outputs", type=Path, metavar="FOLDER", help="evaluate the decoder on stored maps alone"
    )
    parser.add_argument("--save_network_outputs", type=Path, metavar="FOLDER", help="store the maps for that")
    parser.add_argument("--self_test", action="store_true", help="check that coordinates survive encoding and decoding")
    add_settings(parser, "network", "stages", "infer_insize", "device_target", "input_shapes", "bucket_aspects")
    add_settings(parser, "peak_threshold", "engine")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
