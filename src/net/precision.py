"""The precision in which convolutions compute; weights, batch normalization, optimizer and loss stay float32."""

from __future__ import annotations

import logging

import mindspore as ms
from mindspore import nn

from src.net.build import PictureNet
from src.net.formats import BF16, FP16, OFF

logger = logging.getLogger(__name__)

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
    if amp != OFF:
        logger.info("amp=%s: convolutions compute in %s", amp, str(_TYPES[amp]).lower())
