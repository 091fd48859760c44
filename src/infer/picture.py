"""The steps of the job for one picture, each callable on its own: detect, infer_one_pic."""

from __future__ import annotations

import time
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from src.actions import Action, find_action
from src.data.images import Picture
from src.infer.finishing import find_persons, finish_picture
from src.infer.multiscale import make_views
from src.infer.network import Network
from src.infer.options import DEFAULTS, InferenceOptions
from src.infer.output.names import rendered_name
from src.infer.output.results import PictureResult
from src.infer.reading import read_and_fit
from src.progress import StageTimes


def detect(img: Picture, network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The persons in a BGR picture (H, W, 3): poses (P, 18, 3) [x_px, y_px, confidence] and scores (P,), best first.

    TypeError for anything but a uint8 colour picture, such as the None that `cv2.imread` returns for a missing file.
    """
    check_picture(img)
    views = make_views(img, network)
    return find_persons(network.forward([views.inputs[0]])[0], views.target, network.decode_settings)


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
    options: InferenceOptions = DEFAULTS,
) -> PictureResult:
    """Judge one picture, and write the original and `NAME_rendered.<ext>` to `output_img_path`.

    Where the folder of pictures holds a file of that name, it is `NAME_rendered_2.<ext>`: that one may be a picture
    too, whose original belongs there. `action` is a declared action or the name of one in default_config.yaml. A
    picture that cannot be read gives a result with status "unreadable"; OutputError when the results cannot be written.
    """
    times = times or StageTimes()
    action = find_action(action) if isinstance(action, str) else action
    fitted = read_and_fit(network, Path(pic_folder_path), filename, times, options)
    if isinstance(fitted, PictureResult):
        return fitted
    started = time.perf_counter()
    maps = [network.forward([view])[0] for view in fitted.views.inputs]
    seconds = time.perf_counter() - started
    times.add("network", seconds)
    rendered = rendered_name(filename, lambda name: (Path(pic_folder_path) / name).exists())
    output_dir, settings = Path(output_img_path), network.decode_settings
    return finish_picture(fitted, maps, action, output_dir, rendered, settings, times, seconds, options)
