"""The inference line: read → fit → forward → decode → unfit → judge → render → write, for one picture or a folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from src.actions import Action, find_action, judge_person
from src.data.images import PictureError, read_picture
from src.errors import DataError, IncompleteError, OutputError
from src.infer.forward import PoseNetwork
from src.infer.listing import inside
from src.infer.render import draw_person_pose, head_position
from src.infer.report import write_report
from src.infer.results import (
    RESULTS_FILE,
    SUMMARY_FILE,
    Person,
    PictureResult,
    append_result,
    count_results,
    write_bytes,
    write_json,
)
from src.infer.shapes import fit_picture
from src.pose import decode_poses
from src.progress import Progress, StageTimes

logger = logging.getLogger(__name__)

#: Endings under which a rendered picture is written; any other picture is rendered as JPEG.
WRITABLE = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def detect(
    img: NDArray[np.uint8], network: PoseNetwork, times: StageTimes | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The persons in a BGR picture (H, W, 3): poses (P, 18, 3) [x_px, y_px, confidence] and scores (P,), best first."""
    times = times or StageTimes()
    with times("fit"):
        fit = network.fit(img.shape[1], img.shape[0])
        fitted = fit_picture(img, fit)
    with times("network"):
        maps = network.forward([fitted])[0]
    with times("decode"):
        poses, scores = decode_poses(maps.heatmaps, maps.pafs, settings=network.decode_settings, fit=fit)
        found = poses[..., 2] > 0
        poses[..., :2] = np.where(found[..., None], fit.to_picture(poses[..., :2]), 0)
    return poses, scores


def infer_one_pic(
    network: PoseNetwork,
    pic_folder_path: str | Path,
    filename: str,
    output_img_path: str | Path,
    *,
    action: Action | str = "climb_up",
    times: StageTimes | None = None,
) -> PictureResult:
    """Judge one picture, and write the original and `NAME_rendered.<ext>` to `output_img_path`.

    `action` is a declared action or the name of one in default_config.yaml. A picture that cannot be read gives a result
    with status "unreadable"; OutputError when the results cannot be written.
    """
    times = times or StageTimes()
    started = time.perf_counter()
    action = find_action(action) if isinstance(action, str) else action
    source = inside(Path(pic_folder_path), filename)
    try:
        with times("read"):
            picture = read_picture(source)
    except PictureError as error:
        logger.warning("skipped: %s", error)
        return PictureResult(filename, "unreadable", seconds=time.perf_counter() - started, error=str(error))
    poses, scores = detect(picture, network, times)
    with times("judge"):
        judged = [Person(pose, float(score), judge_person(pose, action)) for pose, score in zip(poses, scores)]
    with times("render"):
        drawn = draw_person_pose(
            picture,
            poses,
            [bool(person.judgement.occurred) for person in judged],
            [head_position(pose) for pose in poses],
            label=action_label(action),
        )
    with times("write"):
        rendered = rendered_name(filename)
        original = Path(output_img_path) / filename
        if not (original.exists() and original.samefile(source)):
            write_bytes(original, source.read_bytes())
        write_bytes(Path(output_img_path) / rendered, _encode(drawn, rendered))
    height, width = picture.shape[:2]
    return PictureResult(filename, "ok", width, height, tuple(judged), time.perf_counter() - started, rendered)


def infer_folder(
    network: PoseNetwork,
    folder: Path,
    filenames: Sequence[str],
    output_dir: Path,
    action: Action,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Judge all named pictures and write results.jsonl, summary.json, index.html and results.csv into `output_dir`.

    `facts` (checkpoint, settings, …) go into the summary, which is returned. Raises IncompleteError when not one of the
    pictures could be read.
    """
    if not filenames:
        raise DataError(f"{folder}: holds no pictures")
    times = StageTimes()
    started = datetime.now().astimezone()
    lines: list[dict[str, Any]] = []
    unreadable = 0
    with Progress("pictures", len(filenames)) as progress:
        for filename in filenames:
            line = infer_one_pic(network, folder, filename, output_dir, action=action, times=times).to_json()
            append_result(output_dir / RESULTS_FILE, line)
            lines.append(line)
            unreadable += line["status"] != "ok"
            progress.advance(note=f"{network.compiles} compiles, {unreadable} unreadable")
    summary = {
        "action": action.name,
        "action_display": dict(action.display),
        "network": network.name,
        **facts,
        **count_results(lines),
        "compiles": network.compiles,
        "seconds_by_stage": times.rounded(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now().astimezone() - started).total_seconds(), 3),
    }
    write_json(output_dir / SUMMARY_FILE, summary)
    write_report(output_dir, lines, summary)
    return summary


def action_label(action: Action) -> str:
    """What is written beside a person in whom the action occurs: its Chinese and English display name."""
    return " ".join(dict.fromkeys((action.display_name("zh"), action.display_name("en"))))


def new_output_folder(parent: Path) -> Path:
    """A new folder `output_img<timestamp>` in `parent`; OutputError when it cannot be made."""
    while True:
        folder = parent / f"output_img{datetime.now():%Y%m%d%H%M%S}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError:
            if parent.is_file():
                raise OutputError(f"{parent}: is a file, not a folder for results") from None
            time.sleep(0.2)  # another job took this second's name
        except OSError as error:
            raise OutputError(f"{parent}: results cannot be written there: {error.strerror or error}") from None


def rendered_name(filename: str) -> str:
    """`a/NAME.jpg` to `a/NAME_rendered.jpg`; endings that cannot be written become .jpg."""
    path = PurePosixPath(filename)
    ending = path.suffix if path.suffix.lower() in WRITABLE else ".jpg"
    return str(path.with_name(f"{path.stem}_rendered{ending}"))


def check_any_readable(summary: Mapping[str, Any]) -> None:
    """IncompleteError when every single picture was unreadable: a job that judged nothing must not look done."""
    if summary["ok"] == 0:
        raise IncompleteError(f"none of the {summary['pictures']} pictures could be read; see {RESULTS_FILE}")


def _encode(picture: NDArray[np.uint8], name: str) -> bytes:
    done, data = cv2.imencode(PurePosixPath(name).suffix, picture)
    if not done:
        raise OutputError(f"{name}: the rendered picture cannot be encoded")
    return data.tobytes()
