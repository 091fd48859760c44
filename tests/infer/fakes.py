"""A network that costs nothing: the same drawn person in every picture, whatever it shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from src.infer.network import Maps
from src.infer.shapes import canonical_fit, tight_fit
from src.pose import DecodeSettings
from src.pose.grid import Fit
from tests.pose.drawing import draw_maps, standing_person


class FakeNetwork:
    """Stands in for a PoseNetwork: `log` holds the inputs' shapes batch by batch."""

    name = "fake"

    def __init__(self, insize: int = 96, batch_size: int = 1, dynamic: bool = True, delay_s: float = 0.0) -> None:
        self.insize, self.batch_size, self.dynamic, self.delay_s = insize, batch_size, dynamic, delay_s
        self.decode_settings = DecodeSettings()
        self.log: list[list[tuple[int, ...]]] = []
        self.threads: set[int] = set()

    @property
    def compiles(self) -> int:
        return len({batch[0] for batch in self.log})

    def fit(self, width_px: int, height_px: int, scale: float = 1.0) -> Fit:
        return (tight_fit if self.dynamic else canonical_fit)(width_px, height_px, round(self.insize * scale), 16)

    def forward(self, inputs: Sequence[np.ndarray[Any, Any]]) -> list[Maps]:
        assert 0 < len(inputs) <= self.batch_size
        assert len({picture.shape for picture in inputs}) == 1
        self.log.append([picture.shape for picture in inputs])
        self.threads.add(threading.get_ident())
        time.sleep(self.delay_s)
        return [_maps(*picture.shape[:2]) for picture in inputs]


@lru_cache(maxsize=64)
def _maps(height: int, width: int) -> Maps:
    return Maps(*draw_maps([standing_person(width * 0.4, height * 0.1, height * 0.8)], width, height))
