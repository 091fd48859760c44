"""The forward pass: a loaded network that turns pictures into maps, counting the graphs it had to compile."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
from numpy.typing import NDArray

from src.infer.shapes import canonical_fit, tight_fit
from src.net.build import PictureNet, build_network, choose_device
from src.net.formats import INPUT_FORMATS
from src.net.weights import load_all_weights
from src.pose import DecodeSettings
from src.pose.grid import Fit

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Maps:
    """What the network says of one picture: heatmaps (19, h, w) and pafs (38, h, w), float32."""

    heatmaps: NDArray[np.float32]
    pafs: NDArray[np.float32]


class PoseNetwork:
    """A network with weights, ready for inference. Made by `load_model`."""

    def __init__(
        self, name: str, cell: PictureNet, insize: int, dynamic: bool, decode_settings: DecodeSettings
    ) -> None:
        self.name = name
        self.insize = insize
        self.dynamic = dynamic
        self.decode_settings = decode_settings
        self.seconds_in_network = 0.0
        self._multiple = INPUT_FORMATS[name].multiple
        self._cell = cell.set_train(False)
        self._shapes: set[tuple[int, ...]] = set()
        if dynamic:
            self._cell.set_inputs(ms.Tensor(shape=[None, 3, None, None], dtype=ms.uint8))

    @property
    def compiles(self) -> int:
        """Graphs compiled so far: one for each input shape, or a single one when the graph takes all shapes."""
        return min(len(self._shapes), 1) if self.dynamic else len(self._shapes)

    def fit(self, width_px: int, height_px: int) -> Fit:
        """How a picture of this size is laid into the network's input."""
        choose = tight_fit if self.dynamic else canonical_fit
        return choose(width_px, height_px, self.insize, self._multiple)

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> list[Maps]:
        """Fitted pictures of one shape (H, W, 3), uint8 BGR, to their maps."""
        batch = np.ascontiguousarray(np.stack(inputs).transpose(0, 3, 1, 2))
        if batch.shape not in self._shapes:
            self._shapes.add(batch.shape)
            if len(self._shapes) == self.compiles:
                logger.info("compiling the network for input %d×%d, this takes a while", batch.shape[3], batch.shape[2])
        started = time.perf_counter()
        pafs, heatmaps = self._cell(ms.Tensor(batch))
        last_pafs, last_heatmaps = pafs[-1].asnumpy(), heatmaps[-1].asnumpy()
        self.seconds_in_network += time.perf_counter() - started
        return [Maps(heatmap, paf) for heatmap, paf in zip(last_heatmaps, last_pafs)]


def load_model(
    checkpoint: str | Path,
    network: str = "vgg19",
    stages: int = 6,
    *,
    insize: int = 368,
    device_target: str = "auto",
    input_shapes: str = "auto",
    decode_settings: DecodeSettings | None = None,
) -> PoseNetwork:
    """The named network with the checkpoint's weights, on the device.

    `insize` is the input's shorter side in pixels; `input_shapes` is `dynamic` (one graph for all shapes), `buckets` (four
    fixed shapes) or `auto` (dynamic on CPU). Raises CheckpointError when the checkpoint is missing, damaged or of
    another network, and ConfigError when the device cannot be used.
    """
    device = choose_device(device_target)
    cell = build_network(network, stages)
    report = load_all_weights(cell, Path(checkpoint), network, stages)
    dynamic = input_shapes == "dynamic" or (input_shapes == "auto" and device == "CPU")
    logger.info("network %s on %s: %s", network, device, report)
    return PoseNetwork(network, cell, insize, dynamic, decode_settings or DecodeSettings())
