"""Network outputs in files, so that a decoder can be evaluated without a network: one .npz a picture."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.arrays import Reals
from src.errors import DataError
from src.pose.grid import STRIDE, Fit

#: Where in the network input the picture lies: its (width, height) there; left out where it fills the input.
SCALED_SIZE = "scaled_size"


class StoredMaps(NamedTuple):
    """Heatmaps (19, h, w) and PAFs (38, h, w) as stored, and how the picture lies in the network input."""

    heatmaps: Reals
    pafs: Reals
    fit: Fit


def maps_path(folder: Path, picture_name: str) -> Path:
    """Where the outputs for a picture are kept."""
    return folder / Path(picture_name).with_suffix(".npz")


def save_maps(path: Path, heatmaps: NDArray[np.float32], pafs: NDArray[np.float32], fit: Fit) -> None:
    """Write one picture's outputs in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = np.array([fit.scaled_width, fit.scaled_height])
    np.savez_compressed(path, heatmaps=heatmaps.astype(np.float16), pafs=pafs.astype(np.float16), **{SCALED_SIZE: size})


def load_maps(path: Path, width_px: int, height_px: int) -> StoredMaps:
    """One picture's outputs; the picture measures `width_px` x `height_px`. Raises DataError for a damaged file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            heatmaps, pafs = stored["heatmaps"], stored["pafs"]
            height, width = heatmaps.shape[1] * STRIDE, heatmaps.shape[2] * STRIDE
            scaled = stored.get(SCALED_SIZE, (width, height))
            fit = Fit(width_px, height_px, int(scaled[0]), int(scaled[1]), width, height)
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a network's outputs with heatmaps and pafs ({error})") from None
    return StoredMaps(heatmaps, pafs, fit)
