"""The precision in which convolutions compute; weights, batch normalization, optimizer and loss stay float32."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from src.errors import ConfigError
from src.net.build import PictureNet

OFF, BF16, FP16 = "off", "bf16", "fp16"
_TYPES = {OFF: ms.float32, BF16: ms.bfloat16, FP16: ms.float16}


def use_precision(network: PictureNet, amp: str) -> None:
    """Have every convolution cast its input and weights to bfloat16 or float16, and the maps back to float32.

    `off` has them compute in float32 again. Must be called before the network is compiled.
    """
    network.returns_float32 = amp == OFF
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.Conv2d):
            cell.to_float(_TYPES[amp])
        elif isinstance(cell, nn.BatchNorm2d):
            cell.to_float(ms.float32)


def check_precision(amp: str, device: str) -> None:
    """ConfigError for a precision in which the device has no convolutions."""
    if amp == BF16 and device == "CPU":
        raise ConfigError(f"amp: {amp}: MindSpore has no such convolutions on CPU; use amp={OFF} or amp={FP16}")
