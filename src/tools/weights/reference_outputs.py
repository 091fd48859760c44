"""Compares a network with golden outputs: what the publisher's own program makes of the same pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.errors import DataError
from src.net.build import PictureNet


class Difference(NamedTuple):
    """Largest absolute differences of one picture's maps."""

    picture: str
    heatmaps: float
    pafs: float


def compare_with_golden(network: PictureNet, golden: Path) -> list[Difference]:
    """The network's outputs against each .npz of `golden` (a folder or a file).

    A file holds `rgb` (H, W, 3) uint8, the picture as the network gets it, `heatmaps` (19, h, w) and `pafs` (38, h, w).
    """
    files = sorted(golden.glob("*.npz")) if golden.is_dir() else [golden]
    if not files:
        raise DataError(f"{golden}: holds no golden outputs (.npz)")
    network.set_train(False)
    return [_compare(network, path) for path in files]


def _compare(network: PictureNet, path: Path) -> Difference:
    import mindspore as ms

    try:
        with np.load(path, allow_pickle=False) as stored:
            rgb, heatmaps, pafs = stored["rgb"], stored["heatmaps"], stored["pafs"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a file of golden outputs with rgb, heatmaps and pafs ({error})") from None
    bgr = np.ascontiguousarray(rgb[:, :, ::-1].transpose(2, 0, 1)[None])
    own_pafs, own_heatmaps = (stages[-1].asnumpy()[0] for stages in network(ms.Tensor(bgr)))
    if own_heatmaps.shape != heatmaps.shape or own_pafs.shape != pafs.shape:
        raise DataError(f"{path}: its maps are {heatmaps.shape} and {pafs.shape}, the network's {own_heatmaps.shape}")
    return Difference(path.stem, _largest(own_heatmaps, heatmaps), _largest(own_pafs, pafs))


def _largest(own: NDArray[np.float32], golden: NDArray[np.float32]) -> float:
    return float(np.abs(own - golden.astype(np.float32)).max())
