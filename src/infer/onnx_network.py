"""A network exported with `python -m src.tools.export_onnx`, run by ONNX Runtime: MindSpore need not be installed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from src.errors import CheckpointError, ConfigError
from src.infer.network import Maps
from src.infer.shapes import as_batch, tight_fit
from src.net.formats import INPUT_FORMATS
from src.pose import DecodeSettings
from src.pose.grid import Fit

logger = logging.getLogger(__name__)

ENDING = ".onnx"
PROVIDERS = ["CPUExecutionProvider"]


class Metadata(Protocol):
    """Of ONNX Runtime's `ModelMetadata`, what is used here."""

    @property
    def custom_metadata_map(self) -> Mapping[str, str]: ...


class Session(Protocol):
    """Of ONNX Runtime's `InferenceSession`, what is used here."""

    def get_modelmeta(self) -> Metadata: ...

    def run(
        self, output_names: Sequence[str], input_feed: Mapping[str, NDArray[np.uint8]]
    ) -> list[NDArray[np.float32]]: ...


class OnnxNetwork:
    """A `Network` that takes every input shape without compiling. Made by `load_onnx`."""

    compiles = 0

    def __init__(
        self, name: str, session: Session, insize: int, decode_settings: DecodeSettings, batch_size: int = 1
    ) -> None:
        self.name = name
        self.insize = insize
        self.batch_size = batch_size
        self.decode_settings = decode_settings
        self.seconds_in_network = 0.0
        self._multiple = INPUT_FORMATS[name].multiple
        self._session = session

    def fit(self, width_px: int, height_px: int, scale: float = 1.0) -> Fit:
        """How a picture of this size is laid into the network's input, which is `scale` times the usual `insize`."""
        return tight_fit(width_px, height_px, round(self.insize * scale), self._multiple)

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> list[Maps]:
        """At most `batch_size` fitted pictures of one shape (H, W, 3), uint8 BGR, to their maps."""
        if not 0 < len(inputs) <= self.batch_size:
            raise ValueError(f"{len(inputs)} pictures given, a batch holds 1 … {self.batch_size}")
        started = time.perf_counter()
        pafs, heatmaps = self._session.run(["pafs", "heatmaps"], {"pictures": as_batch(inputs, len(inputs))})
        self.seconds_in_network += time.perf_counter() - started
        return [Maps(heatmaps[index], pafs[index]) for index in range(len(inputs))]


def load_onnx(
    path: Path, network: str | None, insize: int, decode_settings: DecodeSettings, batch_size: int = 1
) -> OnnxNetwork:
    """The exported network of a file; `network` is what it must be, if anybody said so.

    Raises CheckpointError when the file is missing, damaged or another program's, and ConfigError when ONNX Runtime is
    not installed.
    """
    if path.suffix.lower() != ENDING:
        raise CheckpointError(
            f"{path}: engine=onnxruntime takes {ENDING} files; make one where MindSpore is installed: "
            f"python -m src.tools.export_onnx --checkpoint={path}"
        )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    session = _open(path)
    name = session.get_modelmeta().custom_metadata_map.get("network", "")
    if name not in INPUT_FORMATS:
        raise CheckpointError(f"{path}: was not written by python -m src.tools.export_onnx")
    if network not in (None, name):
        raise CheckpointError(f"{path}: holds network={name}, not {network}; leave --network out")
    logger.info("network %s on ONNX Runtime", name)
    return OnnxNetwork(name, session, insize, decode_settings, batch_size)


def _open(path: Path) -> Session:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            "engine: onnxruntime is not installed; run: python -m pip install -r requirements-onnx.txt"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return cast(Session, onnxruntime.InferenceSession(path.read_bytes(), options, providers=PROVIDERS))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no other base
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not an ONNX network, or a damaged one ({reason})") from None
