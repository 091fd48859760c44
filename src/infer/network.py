"""What the inference line needs of a network; without MindSpore, so that tests and other engines can take its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from src.pose import DecodeSettings
from src.pose.grid import Fit


@dataclass(frozen=True)
class Maps:
    """What the network says of one picture: heatmaps (19, h, w) and pafs (38, h, w), float32."""

    heatmaps: NDArray[np.float32]
    pafs: NDArray[np.float32]


class Network(Protocol):
    """A loaded network. `fit` lays a picture into its input, `scale` times as large as usual."""

    @property
    def name(self) -> str: ...

    @property
    def compiles(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def decode_settings(self) -> DecodeSettings: ...

    def fit(self, width_px: int, height_px: int, scale: float = 1.0) -> Fit: ...

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> Sequence[Maps]: ...
