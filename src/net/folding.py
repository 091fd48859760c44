"""Batch normalisation folded into the convolutions before it: the same function in fewer operations, for inference."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import nn
from numpy.typing import NDArray

from src.net.mobilenet import ConvNorm


def fold_batch_norms(network: nn.Cell) -> int:
    """Fold each batch normalisation, with its stored statistics, into its convolution; returns how many were left.

    Outputs differ by rounding only. The network can no longer be trained, nor take a checkpoint's weights. Call it
    before the first graph is compiled.
    """
    found = (cell for _, cell in network.cells_and_names() if isinstance(cell, ConvNorm))
    cells = [cell for cell in found if isinstance(cell.bn, nn.BatchNorm2d)]
    for cell in cells:
        _fold(cell)
    return len(cells)


def _fold(cell: ConvNorm) -> None:
    """Scale the weights and add a bias: gamma · (w∗x − mean) / √(variance + ε) + beta = (s·w)∗x + (beta − s·mean)."""
    conv, norm = cell.conv, cell.bn
    scale = _values(norm.gamma) / np.sqrt(_values(norm.moving_variance) + norm.eps)
    weights = _values(conv.weight) * scale[:, None, None, None]
    bias = _values(norm.beta) - _values(norm.moving_mean) * scale
    conv.weight.set_data(ms.Tensor(weights.astype(np.float32)))
    conv.bias = ms.Parameter(ms.Tensor(bias.astype(np.float32)), name=norm.beta.name)
    conv.has_bias = True
    cell.bn = nn.Identity()


def _values(parameter: ms.Parameter) -> NDArray[np.float64]:
    return np.asarray(parameter.asnumpy(), np.float64)
