"""Where a map cell lies in the network input, and where the network input lies in the picture.

Coordinates are (x, y), pixel centres are whole numbers (pixel 0 covers -0.5 … 0.5). Three spaces: `_px` the original
picture, `_in` the network input, `_cell` the network's maps. Only this module converts between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from src.arrays import Reals

STRIDE = 8


def cell_to_input(xy_cell: ArrayLike, stride: int = STRIDE) -> Reals:
    """Map coordinates (in cells) to network input pixels: cell i is centred on pixel stride·i + (stride−1)/2."""
    return np.asarray(xy_cell) * stride + (stride - 1) / 2


def input_to_cell(xy_in: ArrayLike, stride: int = STRIDE) -> Reals:
    """Network input pixels to map coordinates (fractions of a cell); the inverse of `cell_to_input`."""
    return (np.asarray(xy_in) - (stride - 1) / 2) / stride


@dataclass(frozen=True)
class Fit:
    """How a picture lies in the network input: scaled to the top left corner, the rest is padding.

    `scale_x`, `scale_y` are input pixels per picture pixel. They differ by less than one input pixel over the whole
    side, because the scaled side is a whole number of pixels; the inverse below is exact for that real scale.
    """

    width_px: int
    height_px: int
    scaled_width: int
    scaled_height: int
    input_width: int
    input_height: int

    @property
    def scale_x(self) -> float:
        return self.scaled_width / self.width_px

    @property
    def scale_y(self) -> float:
        return self.scaled_height / self.height_px

    def to_input(self, xy_px: ArrayLike) -> NDArray[np.float32]:
        """(..., 2) picture pixels to (..., 2) network input pixels."""
        scale = np.array([self.scale_x, self.scale_y])
        return ((np.asarray(xy_px) + 0.5) * scale - 0.5).astype(np.float32)

    def to_picture(self, xy_in: ArrayLike) -> NDArray[np.float32]:
        """(..., 2) network input pixels to (..., 2) picture pixels; the inverse of `to_input`."""
        scale = np.array([self.scale_x, self.scale_y])
        return ((np.asarray(xy_in) + 0.5) / scale - 0.5).astype(np.float32)

    def contains(self, xy_in: ArrayLike) -> NDArray[np.bool_]:
        """(..., 2) network input pixels: True where the point lies on the picture and not on the padding."""
        xy = np.asarray(xy_in)
        return (
            (xy[..., 0] > -0.5)
            & (xy[..., 0] < self.scaled_width - 0.5)
            & (xy[..., 1] > -0.5)
            & (xy[..., 1] < self.scaled_height - 0.5)
        )
