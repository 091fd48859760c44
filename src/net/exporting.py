"""Export a network to MINDIR, ONNX or AIR, read the file back, and compare its outputs with the network's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from src.errors import ConfigError, OutputError
from src.net.build import PictureNet
from src.net.mobilenet import MobileBase
from src.net.weights import first_line

ENDINGS = {"MINDIR": ".mindir", "ONNX": ".onnx", "AIR": ".air"}

#: Largest difference of an exported network's outputs, as a share of its largest output.
TOLERANCE = 1e-3

Outputs = list[NDArray[np.float32]]


class ExportedNet(nn.Cell):
    """Pictures (N, 3, H, W) uint8 BGR to the last stage's maps, using only operators of all formats."""

    def __init__(self, pictures: PictureNet) -> None:
        super().__init__(auto_prefix=False)
        self.network = pictures.network
        self.scale = pictures.scale
        self.offset = pictures.offset
        self.rgb = pictures.rgb

    def construct(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = pictures.astype(ms.float32)
        if self.rgb:
            x = ops.concat((x[:, 2:3], x[:, 1:2], x[:, 0:1]), 1)
        pafs, heatmaps = self.network(x * self.scale + self.offset)
        return pafs[-1], heatmaps[-1]


class Doubling(nn.Cell):
    """TensorFlow 1's bilinear enlargement by two of a fixed shape: every second value is copied, the rest are means."""

    def construct(self, x: Tensor, _: tuple[int, ...]) -> Tensor:
        n, c, h, w = x.shape
        right = ops.concat((x[:, :, :, 1:], x[:, :, :, w - 1 :]), 3)
        x = ops.concat((x.expand_dims(4), ((x + right) * 0.5).expand_dims(4)), 4).reshape((n, c, h, 2 * w))
        below = ops.concat((x[:, :, 1:], x[:, :, h - 1 :]), 2)
        return ops.concat((x.expand_dims(3), ((x + below) * 0.5).expand_dims(3)), 3).reshape((n, c, 2 * h, 2 * w))


class Sample(NamedTuple):
    """Pictures (N, 3, H, W) uint8 and the outputs for them, pafs and heatmaps."""

    pictures: NDArray[np.uint8]
    outputs: Outputs


class Difference(NamedTuple):
    """Largest absolute difference of the exported network's outputs, and the largest output to compare it with."""

    largest: float
    scale: float

    @property
    def is_small(self) -> bool:
        """Whether rounding explains it; never true for outputs that are not finite."""
        return self.largest <= TOLERANCE * max(self.scale, 1e-6)


def check_possible(file_format: str, dynamic: bool, device: str) -> None:
    """Raise ConfigError for a format that this installation cannot export, naming those that it can."""
    if file_format == "AIR" and device != "Ascend":
        raise ConfigError(
            f"file_format: MindSpore {ms.__version__} on {device} cannot export AIR, that needs Ascend; "
            "here MINDIR and ONNX work"
        )
    if dynamic and file_format != "MINDIR":
        raise ConfigError(
            f"--dynamic: MindSpore exports {file_format} with fixed shapes only; leave --dynamic out or take MINDIR"
        )


def export_network(
    network: PictureNet, path: Path, file_format: str, shape: tuple[int, int, int, int], dynamic: bool
) -> Path:
    """Write the network with its weights to `path` plus the format's ending; it appears whole or not at all."""
    exported = exportable(network, file_format)
    inputs = Tensor(shape=[None, 3, None, None], dtype=ms.uint8) if dynamic else Tensor(np.zeros(shape, np.uint8))
    target = path.with_name(path.name + ENDINGS[file_format])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export_") as folder:
            aside = Path(folder) / path.name
            ms.export(exported, inputs, file_name=str(aside), file_format=file_format)
            written = aside.with_name(aside.name + ENDINGS[file_format])
            written.chmod(0o644)
            written.replace(target)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise OutputError(f"{target}: MindSpore {ms.__version__} cannot export this: {first_line(error)}") from None
    return target


def exportable(network: PictureNet, file_format: str) -> ExportedNet:
    """The network as it is exported; ONNX lacks MindSpore's bilinear operator, which is replaced by simpler ones."""
    base = network.network.base
    if file_format == "ONNX" and isinstance(base, MobileBase):
        base.enlarge = Doubling()
    return ExportedNet(network).set_train(False)


def sample_outputs(network: PictureNet, shapes: Sequence[tuple[int, int, int, int]]) -> list[Sample]:
    """Random pictures of the shapes with the network's outputs; call it before exporting, which changes the network."""
    samples = []
    for number, shape in enumerate(shapes):
        pictures = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
        samples.append(Sample(pictures, [stages[-1].asnumpy() for stages in network(Tensor(pictures))]))
    return samples


def compare(file: Path, file_format: str, samples: Sequence[Sample]) -> Difference:
    """Load the exported file, run it on the samples' pictures, and compare the outputs."""
    run = _loaded(file, file_format)
    distances: list[float] = []
    scale = 0.0
    for pictures, wanted in samples:
        given = run(pictures)
        if [array.shape for array in given] != [array.shape for array in wanted]:
            raise OutputError(f"{file}: its outputs have the shapes {[array.shape for array in given]}")
        distances += [float(np.abs(a - b).max()) for a, b in zip(given, wanted)]
        scale = max(scale, *(float(np.abs(array).max()) for array in wanted))
    return Difference(float(np.max(distances)), scale)  # NumPy's maximum passes on what is no number


def _loaded(file: Path, file_format: str) -> Callable[[NDArray[np.uint8]], Outputs]:
    """The exported network as a function: MINDIR by MindSpore, ONNX by OpenCV, an implementation of its own."""
    if file_format == "MINDIR":
        cell = nn.GraphCell(ms.load(str(file)))
        return lambda pictures: [output.asnumpy() for output in cell(Tensor(pictures))]
    network = cv2.dnn.readNetFromONNX(str(file))
    names = network.getUnconnectedOutLayersNames()

    def run(pictures: NDArray[np.uint8]) -> Outputs:
        network.setInput(pictures)
        return [np.asarray(output) for output in network.forward(names)]

    return run
