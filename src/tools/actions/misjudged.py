"""A page that shows the misjudged pictures: each small, with its skeletons and why it was judged as it was."""

from __future__ import annotations

import base64
import html
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from src.actions.evaluation.labelled import JudgedPicture, Picture
from src.actions.explain import verdict_message
from src.actions.judge import CriterionResult, Judgement
from src.actions.pose import Pose, as_pose
from src.pose.skeleton import CONFIRMING_LIMBS, LIMBS

logger = logging.getLogger(__name__)

THUMBNAIL_PX = 320
MARGIN = 0.15  # of the skeleton's extent, around it where the picture itself is gone
MOST_SHOWN = 200
RIGHT_COLOUR, LEFT_COLOUR, MIDDLE_COLOUR = (60, 60, 230), (230, 120, 40), (60, 200, 60)  # blue, green, red

STYLE = """body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;background:#fafafa;color:#222}
section{display:flex;flex-wrap:wrap;gap:1em}article{background:#fff;border:1px solid #ddd;padding:.7em;width:340px}
img{max-width:100%}ul{padding-left:1.1em;margin:.3em 0}li{font-size:12px}h3{font-size:13px;margin:.3em 0;
word-break:break-all}.h1{color:#070}.h0{color:#a00}.h-1{color:#777}"""


def misjudged_page(title: str, judged: Sequence[JudgedPicture]) -> str:
    """A self-contained HTML page with the false alarms and the missed pictures, at most MOST_SHOWN of them."""
    wrong = [one for one in judged if one.is_misjudged]
    alarms = [one for one in wrong if not one.picture.positive]
    missed = [one for one in wrong if one.picture.positive]
    if len(wrong) > MOST_SHOWN:
        logger.info("the page shows the first %d of %d misjudged pictures", MOST_SHOWN, len(wrong))
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for heading, group in (("False alarms", alarms), ("Missed", missed)):
        shown = group[: MOST_SHOWN // 2]
        counted = f"{len(group)}" if len(shown) == len(group) else f"{len(shown)} of {len(group)}"
        parts.append(f"<h2>{heading} ({counted})</h2><section>{''.join(map(_article, shown))}</section>")
    body = "".join(parts)
    return f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>{body}'


def thumbnail(picture: Picture) -> NDArray[np.uint8]:
    """The picture with its skeletons, its longer side THUMBNAIL_PX; only the skeletons where the picture is gone."""
    poses = [as_pose(keypoints) for keypoints in picture.persons]
    image = _read(picture.folder / picture.file)
    if image is None:
        image, poses = _empty_canvas(poses)
    scale = THUMBNAIL_PX / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for pose in poses:
        _draw(small, pose, scale)
    return np.asarray(small, dtype=np.uint8)


def _article(judged: JudgedPicture) -> str:
    _, data = cv2.imencode(".jpg", thumbnail(judged.picture), [cv2.IMWRITE_JPEG_QUALITY, 80])
    source = base64.b64encode(data.tobytes()).decode()
    name = html.escape(judged.picture.file)
    persons = "".join(_reasons(number, one) for number, one in enumerate(judged.judgements, start=1))
    persons = persons or "<p>no person was found</p>"
    return f'<article><img src="data:image/jpeg;base64,{source}" alt="{name}"><h3>{name}</h3>{persons}</article>'


def _reasons(number: int, judgement: Judgement) -> str:
    lines = "".join(map(_reason, judgement.criteria, judgement.criteria.values()))
    verdict = f"<b>person {number}: {verdict_message(judgement.occurred)}</b> ({html.escape(judgement.text)})"
    return f"{verdict}<ul>{lines}</ul>"


def _reason(label: str, result: CriterionResult) -> str:
    """A line for a criterion, in the colour of what it says for the action."""
    name = f"not {label}" if result.objection else label
    return f'<li class="h{result.sign}">{html.escape(name)}: {html.escape(result.text)}</li>'


def _read(path: Path) -> NDArray[np.uint8] | None:
    from src.data.formats import PictureError
    from src.data.images import read_picture

    if not path.is_file():
        return None
    try:
        return read_picture(path)
    except PictureError as error:
        logger.warning("shown without its picture: %s", error)
        return None


def _empty_canvas(poses: Sequence[Pose]) -> tuple[NDArray[np.uint8], list[Pose]]:
    """A white picture as large as the skeletons, and the skeletons moved into it."""
    found = np.array([joint[:2] for pose in poses for joint in pose.joints if joint[2] > 0])
    if not len(found):
        return np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 255, np.uint8), []
    low, high = found.min(axis=0), found.max(axis=0)
    extent = max(float((high - low).max()), 1.0)
    scale, corner = THUMBNAIL_PX / (extent * (1 + 2 * MARGIN)), low - MARGIN * extent
    moved = [
        as_pose([[*((np.array(joint[:2]) - corner) * scale), joint[2]] for joint in pose.joints]) for pose in poses
    ]
    height, width = (max(int(side), 8) for side in ((high - low + 2 * MARGIN * extent) * scale)[::-1])
    return np.full((height, width, 3), 255, np.uint8), moved


def _draw(image: NDArray[np.uint8], pose: Pose, scale: float) -> None:
    for number, (start, end) in enumerate(LIMBS):
        first, second = pose.at(start), pose.at(end)
        if number in CONFIRMING_LIMBS or first is None or second is None:
            continue
        names = start.name + end.name
        colour = RIGHT_COLOUR if "Right" in names else LEFT_COLOUR if "Left" in names else MIDDLE_COLOUR
        ends = [(round(x * scale), round(y * scale)) for x, y in (first, second)]
        cv2.line(image, ends[0], ends[1], colour, 2, cv2.LINE_AA)
