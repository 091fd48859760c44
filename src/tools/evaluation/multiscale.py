"""One picture's maps from several scales and its mirror image, brought to one grid and averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.infer.forward import PoseNetwork
from src.infer.picture import Maps
from src.infer.shapes import fit_picture
from src.pose.grid import Fit, cell_to_input, input_to_cell
from src.pose.skeleton import BACKGROUND_CHANNEL, LIMBS, MIRROR

_JOINT_CHANNELS = [*(int(joint) for joint in MIRROR), BACKGROUND_CHANNEL]
_MIRRORED_LIMBS = [LIMBS.index((MIRROR[start], MIRROR[end])) for start, end in LIMBS]


def averaged_maps(
    picture: NDArray[np.uint8], network: PoseNetwork, scales: Sequence[float] = (1.0,), flip: bool = False
) -> tuple[Maps, Fit]:
    """The mean of the maps at all scales (factors of the network's `insize`) and, with `flip`, of the mirror image.

    They lie on the grid of the largest scale, whose fit is returned.
    """
    height, width = picture.shape[:2]
    fits = [network.fit(width, height, scale) for scale in scales]
    target = max(fits, key=lambda fit: fit.scaled_width)
    views = [(fit_picture(picture, fit), fit, False) for fit in fits]
    if flip:
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        views += [(fit_picture(mirrored, fit), fit, True) for fit in fits]
    moved = []
    for fitted, fit, is_mirrored in views:
        maps = network.forward([fitted])[0]
        if is_mirrored:
            maps = Maps(maps.heatmaps[_JOINT_CHANNELS], mirror_pafs(maps.pafs))
        moved.append(maps if fit == target and not is_mirrored else _moved(maps, fit, target, is_mirrored))
    heatmaps = np.mean([maps.heatmaps for maps in moved], axis=0, dtype=np.float32)
    return Maps(heatmaps, np.mean([maps.pafs for maps in moved], axis=0, dtype=np.float32)), target


def mirror_pafs(pafs: NDArray[np.float32]) -> NDArray[np.float32]:
    """PAFs (38, h, w) of a mirror image: left limbs become right ones, x components change sign; columns stay."""
    fields = pafs.reshape(len(LIMBS), 2, *pafs.shape[1:])[_MIRRORED_LIMBS]
    return (fields * np.array([-1, 1], np.float32)[:, None, None]).reshape(pafs.shape)


def _moved(maps: Maps, source: Fit, target: Fit, mirrored: bool) -> Maps:
    """Maps on the grid of `source` read bilinearly at the cells of `target`."""
    rows = _reading(target, source, 1, maps.heatmaps.shape[1], False)
    columns = _reading(target, source, 0, maps.heatmaps.shape[2], mirrored)
    return Maps(rows @ maps.heatmaps @ columns.T, rows @ maps.pafs @ columns.T)


def _reading(target: Fit, source: Fit, axis: int, count: int, mirrored: bool) -> NDArray[np.float32]:
    """(target cells, source cells) weights that read a source axis at the target's cells; beyond its ends, the ends."""
    cells = (target.input_width, target.input_height)[axis] * count // (source.input_width, source.input_height)[axis]
    position = np.zeros((cells, 2))
    position[:, axis] = np.arange(cells)
    in_picture = target.to_picture(cell_to_input(position))
    if mirrored:
        in_picture[:, 0] = target.width_px - 1 - in_picture[:, 0]
    wanted = np.clip(input_to_cell(source.to_input(in_picture))[:, axis], 0, count - 1)
    before = np.minimum(np.floor(wanted).astype(int), max(count - 2, 0))
    after = np.minimum(before + 1, count - 1)
    weights = np.zeros((cells, count), np.float32)
    weights[np.arange(cells), before] = 1 - (wanted - before)
    weights[np.arange(cells), after] += wanted - before
    return weights
