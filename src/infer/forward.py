"""The forward pass: a loaded network that turns pictures into maps, counting the graphs it had to compile.

MindSpore is imported when a network is loaded, so that this module can be imported, and documented, without it.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from src.files import file_sha256
from src.infer.arguments import check_path
from src.infer.network import Maps
from src.infer.onnx_network import OnnxNetwork, load_onnx
from src.infer.shapes import CANONICAL_ASPECTS, as_batch, canonical_fit, tight_fit
from src.net.formats import INPUT_FORMATS, require_checkpoint
from src.pose import DecodeSettings
from src.pose.grid import Fit

if TYPE_CHECKING:
    from src.model_utils.config import Config
    from src.net.build import PictureNet
    from src.net.graph_cache import GraphCache

logger = logging.getLogger(__name__)

MINDSPORE, ONNXRUNTIME = "mindspore", "onnxruntime"
#: Pictures at once where nobody says how many: batches gain nothing on a processor, and fill an accelerator.
BATCH_SIZES = {"CPU": 1, "Ascend": 8}


class PoseNetwork:
    """A network with weights, ready for inference. Made by `load_model`. One thread at a time may call `forward`.

    Without `dynamic`, every batch is filled up to `batch_size` pictures, so that each input shape is compiled once.
    """

    def __init__(
        self,
        name: str,
        cell: PictureNet,
        insize: int,
        dynamic: bool,
        decode_settings: DecodeSettings,
        batch_size: int = 1,
        aspects: Sequence[float] = CANONICAL_ASPECTS,
        graphs: GraphCache | None = None,
    ) -> None:
        self.name = name
        self.insize = insize
        self.dynamic = dynamic
        self.batch_size = batch_size
        self.decode_settings = decode_settings
        self.aspects = aspects
        self.seconds_in_network = 0.0
        self._multiple = INPUT_FORMATS[name].multiple
        self._cell = cell.set_train(False)
        self._shapes: set[tuple[int, ...]] = set()
        self._graphs = graphs
        if dynamic:
            import mindspore as ms

            self._cell.set_inputs(ms.Tensor(shape=[None, 3, None, None], dtype=ms.uint8))

    @property
    def compiles(self) -> int:
        """Graphs compiled so far: one for each input shape, or a single one when the graph takes all shapes."""
        return min(len(self._shapes), 1) if self.dynamic else len(self._shapes)

    def fit(self, width_px: int, height_px: int, scale: float = 1.0) -> Fit:
        """How a picture of this size is laid into the network's input, which is `scale` times the usual `insize`."""
        insize = round(self.insize * scale)
        if self.dynamic:
            return tight_fit(width_px, height_px, insize, self._multiple)
        return canonical_fit(width_px, height_px, insize, self._multiple, self.aspects)

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> list[Maps]:
        """At most `batch_size` fitted pictures of one shape (H, W, 3), uint8 BGR, to their maps."""
        if not 0 < len(inputs) <= self.batch_size:
            raise ValueError(f"{len(inputs)} pictures given, a batch holds 1 … {self.batch_size}")
        import mindspore as ms

        batch = as_batch(inputs, len(inputs) if self.dynamic else self.batch_size)
        if batch.shape not in self._shapes:
            self._shapes.add(batch.shape)
            if len(self._shapes) == self.compiles:
                logger.info("compiling the network for input %d×%d, this takes a while", batch.shape[3], batch.shape[2])
        started = time.perf_counter()
        pafs, heatmaps = self._cell(ms.Tensor(batch))
        last_pafs, last_heatmaps = pafs[-1].asnumpy(), heatmaps[-1].asnumpy()
        self.seconds_in_network += time.perf_counter() - started
        if self._graphs:
            self._graphs.keep()
            self._graphs = None
        return [Maps(last_heatmaps[index], last_pafs[index]) for index in range(len(inputs))]


def load_model(
    checkpoint: str | Path,
    network: str | None = None,
    stages: int | None = None,
    *,
    insize: int = 368,
    device_target: str = "auto",
    device_id: int = 0,
    input_shapes: str = "auto",
    aspects: Sequence[float] = CANONICAL_ASPECTS,
    batch_size: int = 0,
    decode_settings: DecodeSettings | None = None,
    engine: str = MINDSPORE,
    compile_cache: Path | None = None,
) -> PoseNetwork | OnnxNetwork:
    """The checkpoint's network with its weights, on the device; batch normalisations are folded.

    `network` and `stages` are what the checkpoint says of itself unless given, else vgg19 and 6.
    `insize` is the input's shorter side in pixels; `input_shapes` is `dynamic` (one graph for all shapes), `buckets`
    (fixed shapes of these `aspects`, lying and standing) or `auto` (dynamic on CPU); `batch_size` is the most pictures
    that `forward` takes at once, 0 as many as the device likes best. `engine`: "mindspore", or "onnxruntime" for a file
    of `export_onnx`. `compile_cache`: folder in which a compiled dynamic graph is kept for later starts on
    a processor.
    Raises CheckpointError when the checkpoint is missing, damaged or of another network, and ConfigError when the
    device cannot be used.
    """
    check_path("checkpoint", checkpoint)
    settings = decode_settings or DecodeSettings()
    if engine == ONNXRUNTIME:
        return load_onnx(Path(checkpoint), network, insize, settings, batch_size or BATCH_SIZES["CPU"])
    require_checkpoint(Path(checkpoint))
    from src.net.build import choose_device
    from src.net.folding import fold_batch_norms
    from src.net.graph_cache import open_graph_cache
    from src.net.loading import load_network

    device = choose_device(device_target, device_id)
    loaded = load_network(Path(checkpoint), network, stages)
    dynamic = input_shapes == "dynamic" or (input_shapes == "auto" and device == "CPU")
    fold_batch_norms(loaded.cell)
    logger.info("network %s (%d stages) on %s", loaded.name, loaded.stages, device)
    batch_size = batch_size or BATCH_SIZES.get(device, 1)
    graphs = None
    if compile_cache and device == "CPU" and dynamic:
        weights = file_sha256(Path(checkpoint))
        graphs = open_graph_cache(compile_cache, {"network": loaded.name, "stages": loaded.stages, "weights": weights})
    return PoseNetwork(loaded.name, loaded.cell, insize, dynamic, settings, batch_size, aspects, graphs)


def load_model_for(
    settings: Config | argparse.Namespace,
    checkpoint: str | Path,
    device_id: int = 0,
    batch_size: int = 0,
    compile_cache: Path | None = None,
) -> PoseNetwork | OnnxNetwork:
    """`load_model` as a job's settings or a tool's command line say; all that run a network on pictures come here."""
    return load_model(
        checkpoint,
        settings.network,
        settings.stages,
        insize=settings.infer_insize,
        device_target=settings.device_target,
        device_id=device_id,
        input_shapes=settings.input_shapes,
        aspects=settings.bucket_aspects,
        batch_size=batch_size,
        decode_settings=DecodeSettings(peak_threshold=settings.peak_threshold),
        engine=settings.engine,
        compile_cache=compile_cache,
    )
