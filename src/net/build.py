"""Build a network by name, and choose the device it runs on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
from mindspore import Tensor, nn

from src.errors import ConfigError
from src.net.formats import INPUT_FORMATS, InputFormat
from src.net.mobilenet import openpose_mobilenet_v2
from src.net.openposenet import StagedNet, openpose_vgg19
from src.net.versions import select_device

logger = logging.getLogger(__name__)

#: On AVX-512 processors MindSpore 2.9 and 2.10 run float32 convolutions on oneDNN's reference kernel, 100 times too
#: slowly, unless this environment variable keeps them from it.
ONEDNN_ISA = ("ONEDNN_MAX_CPU_ISA", "AVX2")


BUILDERS: dict[str, Callable[[int], StagedNet]] = {"vgg19": openpose_vgg19, "mobilenet_v2": openpose_mobilenet_v2}


class PictureNet(nn.Cell):
    """Pictures (N, 3, H, W) uint8 BGR to `(pafs, heatmaps)` of each stage; normalisation happens on the device.

    Its parameters keep the names of the network inside.
    """

    def __init__(self, network: StagedNet, takes: InputFormat) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.scale = takes.scale
        self.offset = takes.offset
        self.rgb = takes.rgb
        self.returns_float32 = True

    def construct(self, pictures: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        x = pictures.astype(ms.float32)
        if self.rgb:
            x = x.flip((1,))
        pafs, heatmaps = self.network(x * self.scale + self.offset)
        if self.returns_float32:
            return pafs, heatmaps
        return tuple([m.astype(ms.float32) for m in pafs]), tuple([m.astype(ms.float32) for m in heatmaps])


def choose_device(device_target: str, device_id: int = 0) -> str:
    """Set MindSpore up for graph mode on `device_target` (auto, CPU, Ascend) and return the device chosen.

    Raises ConfigError when the installed MindSpore cannot compute there.
    """
    candidates = ("Ascend", "CPU") if device_target == "auto" else (device_target,)
    for target in candidates:
        if target == "CPU":
            _prefer_fast_cpu_kernels()
        elif not ascend_cards():
            continue
        try:
            select_device(target, device_id)
        except (RuntimeError, ValueError) as error:
            logger.debug("device %s: %s", target, error)
            continue
        return target
    raise ConfigError(f"device_target: MindSpore {ms.__version__} here cannot compute on {device_target}; use CPU")


def build_network(name: str, stages: int) -> PictureNet:
    """The network with fresh random weights (`mindspore.set_seed` decides which)."""
    return PictureNet(BUILDERS[name](stages), INPUT_FORMATS[name])


def ascend_cards(devices: Path = Path("/dev")) -> list[str]:
    """The cards that this container has; the driver's or toolkit's files alone, as in an image, are none."""
    return sorted(path.name for path in devices.glob("davinci[0-9]*"))


def _prefer_fast_cpu_kernels() -> None:
    name, value = ONEDNN_ISA
    if name not in os.environ:
        os.environ[name] = value
        logger.debug(
            "set %s=%s: this MindSpore's convolutions are up to 100 times slower without it on AVX-512 processors",
            name,
            value,
        )
