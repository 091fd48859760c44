"""The steps of the job for one picture, each callable on its own: detect, infer_one_pic."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.actions import Action, find_action
from src.data.images import Picture
from src.infer.arguments import check_network, check_path, check_picture
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

    TypeError for anything but a uint8 colour picture, such as the None that `cv2.imread` returns for a missing file,
    and for what is no network of `load_model`.
    """
    check_picture(img)
    check_network(network)
    views = make_views(img, network)
    return find_persons(network.forward([views.inputs[0]])[0], views.target, network.decode_settings)


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
    check_network(network)
    for name, value in (
        ("pic_folder_path", pic_folder_path),
        ("filename", filename),
        ("output_img_path", output_img_path),
    ):
        check_path(name, value)
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
