"""One picture's way: read → fit → forward → decode → unfit → judge → render → write, each step callable on its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from src.actions import Action, find_action, judge_person
from src.data.formats import PictureError
from src.data.images import Picture, ReducedPicture, decode_reduced, picture_size, read_bytes
from src.data.listing import inside
from src.errors import OutputError
from src.infer.drawing.render import draw_person_pose, head_position
from src.infer.output.names import rendered_name
from src.infer.output.results import Person, PictureResult, copy_file, write_bytes
from src.infer.shapes import fit_picture
from src.pose import DecodeSettings, decode_poses
from src.pose.grid import Fit
from src.progress import StageTimes

logger = logging.getLogger(__name__)

#: Longest side, in pixels, at which a picture is looked at and drawn on. Larger ones are reduced while they are read,
#: so that a few of them stay within some hundred megabytes. Results are in the original's coordinates all the same.
SHOWN_SIDE_MAX = 4096

#: Pictures above this many pixels are decoded one at a time: some formats need the whole picture several times over.
LARGE_PIXELS = 20_000_000
_one_large_picture = threading.Lock()


@dataclass(frozen=True)
class Maps:
    """What the network says of one picture: heatmaps (19, h, w) and pafs (38, h, w), float32."""

    heatmaps: NDArray[np.float32]
    pafs: NDArray[np.float32]


class Network(Protocol):
    """What is needed of a `PoseNetwork`; without MindSpore, so that tests can put something quicker in its place."""

    @property
    def name(self) -> str: ...

    @property
    def compiles(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def decode_settings(self) -> DecodeSettings: ...

    def fit(self, width_px: int, height_px: int) -> Fit: ...

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> Sequence[Maps]: ...


@dataclass(frozen=True)
class Fitted:
    """A picture that was read (`bytes` long in its file), and the network's input made of it in `seconds`."""

    filename: str
    path: Path
    picture: ReducedPicture
    fit: Fit
    pixels_in: NDArray[np.uint8]
    bytes: int
    seconds: float


def read_and_fit(network: Network, folder: Path, filename: str, times: StageTimes) -> Fitted | PictureResult:
    """The picture fitted to the network's input, or the result that says why it cannot be read."""
    started = time.perf_counter()
    path = inside(folder, filename)
    try:
        with times("read"):
            data = read_bytes(path)
            picture = _decode(data, path)
    except PictureError as error:
        logger.warning("skipped: %s", error)
        return PictureResult(filename, "unreadable", seconds=time.perf_counter() - started, error=error.message)
    with times("fit"):
        fit, pixels_in = _fit(network, picture.pixels)
    return Fitted(filename, path, picture, fit, pixels_in, len(data), time.perf_counter() - started)


def finish_picture(
    fitted: Fitted,
    maps: Maps,
    action: Action,
    output_dir: Path,
    rendered: str,
    settings: DecodeSettings,
    times: StageTimes,
    seconds_in_network: float,
) -> PictureResult:
    """Find and judge the persons; write the original and the picture `rendered` to `output_dir`.

    OutputError when that is impossible.
    """
    started = time.perf_counter()
    picture = fitted.picture
    with times("decode"):
        poses, scores = find_persons(maps, fitted.fit, settings)
    with times("judge"):
        original_poses = _enlarged(poses, picture)
        judged = [Person(pose, float(score), judge_person(pose, action)) for pose, score in zip(original_poses, scores)]
    with times("render"):
        drawn = draw_person_pose(
            picture.pixels,
            poses,
            [bool(person.judgement.occurred) for person in judged],
            [head_position(pose) for pose in poses],
            label=action_label(action),
        )
    with times("encode"):
        encoded = _encode(drawn, rendered)
    with times("write"):
        copy_file(fitted.path, output_dir / fitted.filename)
        write_bytes(output_dir / rendered, encoded)
    return PictureResult(
        fitted.filename,
        "ok",
        picture.width_px,
        picture.height_px,
        tuple(judged),
        seconds=fitted.seconds + seconds_in_network + time.perf_counter() - started,
        rendered=rendered,
        bytes=fitted.bytes,
    )


def find_persons(maps: Maps, fit: Fit, settings: DecodeSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Poses (P, 18, 3) [x, y, confidence] in pixels of the picture that was fitted, and scores (P,), best first."""
    poses, scores = decode_poses(maps.heatmaps, maps.pafs, settings=settings, fit=fit)
    found = poses[..., 2:] > 0
    poses[..., :2] = np.where(found, fit.to_picture(poses[..., :2]), 0)
    return poses, scores


def detect(img: Picture, network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The persons in a BGR picture (H, W, 3): poses (P, 18, 3) [x_px, y_px, confidence] and scores (P,), best first.

    TypeError for anything but a uint8 colour picture, such as the None that `cv2.imread` returns for a missing file.
    """
    check_picture(img)
    fit, pixels_in = _fit(network, img)
    return find_persons(network.forward([pixels_in])[0], fit, network.decode_settings)


def check_picture(img: object) -> None:
    """TypeError, saying what to give instead, unless `img` is a (H, W, 3) uint8 array."""
    wanted = "a picture of the form (height, width, 3), uint8, BGR, such as src.data.images.read_picture(path) returns"
    if img is None:
        raise TypeError(f"img is None (cv2.imread returns that when it cannot read a file); give {wanted}")
    if isinstance(img, (str, bytes, PurePath)):
        raise TypeError(f"img is the path {str(img)!r}; give {wanted}, or judge a file with infer_one_pic")
    if not isinstance(img, np.ndarray):
        raise TypeError(f"img is a {type(img).__name__}; give {wanted}")
    if img.ndim != 3 or img.shape[2] != 3 or img.dtype != np.uint8 or 0 in img.shape:
        raise TypeError(f"img is an array {img.shape} of {img.dtype}; give {wanted}")


def infer_one_pic(
    network: Network,
    pic_folder_path: str | Path,
    filename: str,
    output_img_path: str | Path,
    *,
    action: Action | str = "climb_up",
    times: StageTimes | None = None,
) -> PictureResult:
    """Judge one picture, and write the original and `NAME_rendered.<ext>` to `output_img_path`.

    Where the folder of pictures holds a file of that name, it is `NAME_rendered_2.<ext>`: that one may be a picture
    too, whose original belongs there. `action` is a declared action or the name of one in default_config.yaml. A
    picture that cannot be read gives a result with status "unreadable"; OutputError when the results cannot be written.
    """
    times = times or StageTimes()
    action = find_action(action) if isinstance(action, str) else action
    fitted = read_and_fit(network, Path(pic_folder_path), filename, times)
    if isinstance(fitted, PictureResult):
        return fitted
    started = time.perf_counter()
    maps = network.forward([fitted.pixels_in])[0]
    seconds = time.perf_counter() - started
    times.add("network", seconds)
    rendered = rendered_name(filename, lambda name: (Path(pic_folder_path) / name).exists())
    output_dir, settings = Path(output_img_path), network.decode_settings
    return finish_picture(fitted, maps, action, output_dir, rendered, settings, times, seconds)


def action_label(action: Action) -> str:
    """What is written beside a person in whom the action occurs: its Chinese and English display name."""
    return " ".join(dict.fromkeys((action.display_name("zh"), action.display_name("en"))))


def _decode(data: bytes, path: Path) -> ReducedPicture:
    width, height = picture_size(data, path)
    alone: AbstractContextManager[object] = _one_large_picture if width * height > LARGE_PIXELS else nullcontext()
    with alone:
        return decode_reduced(data, path, SHOWN_SIDE_MAX)


def _fit(network: Network, picture: Picture) -> tuple[Fit, NDArray[np.uint8]]:
    fit = network.fit(picture.shape[1], picture.shape[0])
    return fit, fit_picture(picture, fit)


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
