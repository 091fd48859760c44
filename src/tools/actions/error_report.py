"""The error report: the inference report of the misjudged pictures, with the verdicts of the action as it is now."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from src.actions import Action
from src.actions.evaluation.labelled import JudgedPicture
from src.data.formats import PictureError
from src.data.images import read_reduced_picture
from src.infer.finishing import render
from src.infer.output.results import Person, ResultLine, write_bytes, write_pieces
from src.infer.report.page import report_html
from src.pose.skeleton import JOINT_COUNT

logger = logging.getLogger(__name__)

PAGE = "misjudged.html"
PICTURES = "misjudged_pictures"
#: Longer side, in pixels, of the pictures drawn for it, and of what is drawn where the picture itself is gone.
DRAWN_SIDE, EMPTY_SIDE = 960, 320
MARGIN = 0.15  # of the skeletons' extent, around them where the picture itself is gone
MOST_SHOWN = 200

Poses = NDArray[np.float64]


def write_error_report(folder: Path, judged: Sequence[JudgedPicture], action: Action) -> Path:
    """Write the page, and its pictures beside it, of at most MOST_SHOWN misjudged pictures; returns the page's path.

    Raises OutputError where it cannot be written.
    """
    wrong = [one for one in judged if one.is_misjudged]
    shown = [one for expected in (False, True) for one in wrong if one.picture.positive == expected]
    if len(wrong) > MOST_SHOWN:
        half = MOST_SHOWN // 2
        shown = [*shown[:half], *shown[-half:]]
        logger.info("the page shows %d of %d misjudged pictures", len(shown), len(wrong))
    lines = [_line(folder, number, one, action) for number, one in enumerate(shown, start=1)]
    summary = {"pictures": len(judged), "misjudged": len(wrong)}
    html = report_html(lines, summary, action, table="", chosen_filter="misjudged")
    write_pieces(folder / PAGE, (text.encode("utf-8", "replace") for text in html))
    return folder / PAGE


def _line(folder: Path, number: int, judged: JudgedPicture, action: Action) -> ResultLine:
    """The picture's line of results, with its outcome; its drawn picture is written."""
    picture = judged.picture
    poses = np.array(picture.persons, np.float64).reshape(-1, JOINT_COUNT, 3)
    persons = [Person(pose, _score(pose), one) for pose, one in zip(poses, judged.judgements)]
    image, drawn_poses = _picture(picture.folder / picture.file, poses)
    drawn = render(image, drawn_poses.astype(np.float32), persons, action)
    name = f"{PICTURES}/{number:03d}.jpg"
    write_bytes(folder / name, cv2.imencode(".jpg", drawn)[1].tobytes())
    return {
        "file": picture.file,
        "original": os.path.relpath(picture.folder / picture.file, folder),
        "status": "ok",
        "width": picture.width,
        "height": picture.height,
        "persons": [person.to_json() for person in persons],
        "rendered": name,
        "outcome": "missed" if picture.positive else "false_alarm",
    }


def _score(pose: Poses) -> float:
    """The mean confidence over all joints: saved results of other programs may have no score."""
    return float(np.clip(pose[:, 2], 0, 1).mean())


def _picture(path: Path, poses: Poses) -> tuple[NDArray[np.uint8], Poses]:
    """The picture, reduced, and the poses in it; a white one around the poses where the picture is gone."""
    if path.is_file():
        try:
            reduced = read_reduced_picture(path, DRAWN_SIDE)
        except PictureError as error:
            logger.warning("shown without its picture: %s", error)
        else:
            height, width = reduced.pixels.shape[:2]
            return reduced.pixels, _scaled(poses, np.array([width / reduced.width_px, height / reduced.height_px]))
    return _empty_picture(poses)


def _empty_picture(poses: Poses) -> tuple[NDArray[np.uint8], Poses]:
    found = poses[poses[..., 2] > 0, :2]
    if not len(found):
        return np.full((EMPTY_SIDE, EMPTY_SIDE, 3), 255, np.uint8), poses
    low, high = found.min(axis=0), found.max(axis=0)
    extent = max(float((high - low).max()), 1.0)
    scale = EMPTY_SIDE / (extent * (1 + 2 * MARGIN))
    moved = poses.copy()
    moved[..., :2] -= low - MARGIN * extent
    width, height = (max(int(side), 8) for side in (high - low + 2 * MARGIN * extent) * scale)
    return np.full((height, width, 3), 255, np.uint8), _scaled(moved, np.array([scale, scale]))


def _scaled(poses: Poses, scale: NDArray[np.float64]) -> Poses:
    return np.concatenate([poses[..., :2] * scale, poses[..., 2:]], axis=-1)
