"""Several views of one picture, at other scales and mirrored: their maps brought to one grid and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.infer.network import Maps, Network
from src.infer.shapes import fit_picture
from src.pose.grid import Fit, cell_to_input, input_to_cell
from src.pose.skeleton import BACKGROUND_CHANNEL, LIMBS, MIRROR

_JOINT_CHANNELS = [*(int(joint) for joint in MIRROR), BACKGROUND_CHANNEL]
_MIRRORED_LIMBS = [LIMBS.index((MIRROR[start], MIRROR[end])) for start, end in LIMBS]


@dataclass(frozen=True)
class Views:
    """The network inputs made of one picture: (H, W, 3) uint8 BGR each, how it lies in them, and which are mirrored."""

    inputs: tuple[NDArray[np.uint8], ...]
    fits: tuple[Fit, ...]
    mirrored: tuple[bool, ...]

    @property
    def target(self) -> Fit:
        """The fit of the largest view, on whose grid the averaged maps lie."""
        return max(self.fits, key=lambda fit: fit.scaled_width)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The inputs' shapes: pictures with equal ones can go through the network together."""
        return tuple(one.shape for one in self.inputs)


def make_views(
    picture: NDArray[np.uint8], network: Network, scales: Sequence[float] = (1.0,), flip: bool = False
) -> Views:
    """The picture (H, W, 3) at all scales (factors of the network's input size) and, with `flip`, mirrored as well."""
    height, width = picture.shape[:2]
    fits = [network.fit(width, height, scale) for scale in scales]
    inputs = [fit_picture(picture, fit) for fit in fits]
    mirrored = [False] * len(fits)
    if flip:
        mirror_image = np.ascontiguousarray(picture[:, ::-1])
        inputs += [fit_picture(mirror_image, fit) for fit in fits]
        mirrored += [True] * len(fits)
        fits *= 2
    return Views(tuple(inputs), tuple(fits), tuple(mirrored))


def averaged(maps: Sequence[Maps], views: Views) -> Maps:
    """The mean of the views' maps on the grid of `views.target`."""
    if len(maps) == 1:
        return maps[0]
    target = views.target
    moved = []
    for one, fit, mirrored in zip(maps, views.fits, views.mirrored):
        if mirrored:
            one = Maps(one.heatmaps[_JOINT_CHANNELS], mirror_pafs(one.pafs))
        moved.append(one if fit == target and not mirrored else _moved(one, fit, target, mirrored))
    heatmaps = np.mean([one.heatmaps for one in moved], axis=0, dtype=np.float32)
    return Maps(heatmaps, np.mean([one.pafs for one in moved], axis=0, dtype=np.float32))


def averaged_maps(
    picture: NDArray[np.uint8], network: Network, scales: Sequence[float] = (1.0,), flip: bool = False
) -> tuple[Maps, Fit]:
    """The averaged maps of all views of a picture, and the fit whose grid they lie on."""
    views = make_views(picture, network, scales, flip)
    return averaged([network.forward([one])[0] for one in views.inputs], views), views.target


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
