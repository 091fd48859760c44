"""The second half of a picture's way: maps → persons → judged → rendered → written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from src.actions import Action, judge_persons
from src.data.images import Picture, ReducedPicture
from src.errors import OutputError
from src.infer.drawing.fonts import drawable
from src.infer.drawing.label_placement import draw_notice
from src.infer.drawing.render import draw_person_pose, head_position
from src.infer.multiscale import averaged
from src.infer.network import Maps
from src.infer.options import DEFAULTS, InferenceOptions
from src.infer.output.results import IgnoredPerson, Person, PictureResult, write_bytes, write_unless_same_file
from src.infer.people import reasons_to_ignore
from src.infer.reading import Fitted
from src.pose import DecodeSettings, decode_poses
from src.pose.grid import Fit
from src.progress import StageTimes
from src.translations import say, translate

#: Longer side of the small pictures that the report shows, in pixels, and their JPEG quality.
THUMBNAIL_SIDE = 480
_THUMBNAIL_QUALITY = 78


def finish_picture(
    fitted: Fitted,
    maps: Sequence[Maps],
    action: Action,
    output_dir: Path,
    rendered: str,
    settings: DecodeSettings,
    times: StageTimes,
    seconds_in_network: float,
    options: InferenceOptions = DEFAULTS,
    thumbnail: str = "",
) -> PictureResult:
    """Find and judge the persons; write the original, the picture `rendered` and its `thumbnail` to `output_dir`.

    `maps`: the network's for each of the views. OutputError when nothing can be written.
    """
    started = time.perf_counter()
    picture = fitted.picture
    with times("decode"):
        poses, scores = find_persons(averaged(maps, fitted.views), fitted.views.target, settings)
        reasons = reasons_to_ignore(poses, scores, options.people)
    counted = [index for index, reason in enumerate(reasons) if not reason]
    original_poses = _enlarged(poses, picture)
    scene = options.scenes.of(fitted.filename, picture.width_px, picture.height_px)
    with times("judge"):
        judgements = judge_persons([original_poses[index] for index in counted], action, scene)
        judged = [
            Person(original_poses[index], float(scores[index]), judgement)
            for index, judgement in zip(counted, judgements)
        ]
    ignored = [
        IgnoredPerson(pose, float(score), reason)
        for pose, score, reason in zip(original_poses, scores, reasons)
        if reason
    ]
    with times("render"):
        drawn = render(picture.pixels, poses[counted], judged, action, options.language)
    with times("encode"):
        encoded = _encode(drawn, rendered)
        small = _thumbnail(drawn) if thumbnail else None
    with times("write"):
        write_unless_same_file(fitted.path, fitted.source.data, output_dir / fitted.filename)
        write_bytes(output_dir / rendered, encoded)
        if small:
            write_bytes(output_dir / thumbnail, small)
    return PictureResult(
        fitted.filename,
        "ok",
        picture.width_px,
        picture.height_px,
        tuple(judged),
        tuple(ignored),
        seconds=fitted.seconds + seconds_in_network + time.perf_counter() - started,
        rendered=rendered,
        thumbnail=thumbnail if small else "",
        source=fitted.source.identity,
    )


def render(
    picture: Picture, poses: NDArray[np.float32], judged: Sequence[Person], action: Action, language: str = "auto"
) -> Picture:
    """A copy of the picture with the skeletons and numbers of the persons, or with the note that there is nobody."""
    drawn = draw_person_pose(
        picture,
        poses,
        [bool(person.judgement.occurred) for person in judged],
        [head_position(pose) for pose in poses],
        label=action_labels(action, language),
        numbered=True,
    )
    if not len(poses):
        nobody = say("report.nobody")
        texts = [translate(nobody, one) for one in label_languages(language)]
        draw_notice(drawn, drawable(texts[0]) or translate(nobody))
    return drawn


def find_persons(maps: Maps, fit: Fit, settings: DecodeSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Poses (P, 18, 3) [x, y, confidence] in pixels of the picture that was fitted, and scores (P,), best first."""
    poses, scores = decode_poses(maps.heatmaps, maps.pafs, settings=settings, fit=fit)
    found = poses[..., 2:] > 0
    poses[..., :2] = np.where(found, fit.to_picture(poses[..., :2]), 0)
    return poses, scores


def label_languages(language: str) -> tuple[str, ...]:
    """The languages of a label, in order: those of the setting `label_language`."""
    return {"auto": ("zh", "en"), "both": ("zh", "en")}.get(language, (language,))


def action_labels(action: Action, language: str = "auto") -> list[str]:
    """What may be written beside a person in whom the action occurs; the first that fits into a line is."""
    names = list(dict.fromkeys(action.display_name(one) for one in label_languages(language)))
    whole = " ".join(names)
    return [whole, names[0]] if language == "auto" and len(names) > 1 else [whole]


def _thumbnail(picture: Picture) -> bytes | None:
    """A small JPEG of the picture; None where the picture is about as small itself."""
    scale = THUMBNAIL_SIDE / max(picture.shape[:2])
    if scale > 0.75:
        return None
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])[1].tobytes()


def _enlarged(poses: NDArray[np.float32], picture: ReducedPicture) -> NDArray[np.float32]:
    """Poses in the pixels that were read, in pixels of the original picture."""
    height, width = picture.pixels.shape[:2]
    if (width, height) == (picture.width_px, picture.height_px):
        return poses
    enlarged = poses.copy()
    scale = np.array([picture.width_px / width, picture.height_px / height])
    enlarged[..., :2] = np.where(poses[..., 2:] > 0, (poses[..., :2] + 0.5) * scale - 0.5, 0)
    return enlarged


def _encode(picture: Picture, name: str) -> bytes:
    done, data = cv2.imencode(PurePosixPath(name).suffix, picture)
    if not done:
        raise OutputError(f"{name}: the rendered picture cannot be encoded")
    return data.tobytes()
