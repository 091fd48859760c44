"""Which statistics batch normalisation uses in training: the stored ones of the weights, or those of each batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mindspore import nn

STORED, BATCH, AUTO = "stored", "batch", "auto"

#: Names of a layer's stored statistics end like this.
STATISTICS = ("moving_mean", "moving_variance")


def use_statistics(network: nn.Cell, kind: str) -> int:
    """Have all batch normalisation layers train on STORED or BATCH statistics; returns how many there are.

    With STORED they stay as they are and the layers' scale and offset are trained, so that training and inference
    compute the same function, whatever the batch size. Call it before the training graph is compiled.
    """
    layers = list(batch_norms(network))
    for layer in layers:
        layer.use_batch_statistics = False if kind == STORED else None  # None: batch statistics in training mode
    return len(layers)


def batch_norms(network: nn.Cell) -> Iterator[nn.Cell]:
    """The network's batch normalisation layers."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return (cell for _, cell in network.cells_and_names() if isinstance(cell, kinds))


def missing_statistics(network: nn.Cell, loaded: Collection[str]) -> list[str]:
    """The stored statistics of the network that are not among the loaded parameters."""
    own = (parameter.name for parameter in network.get_parameters() if parameter.name.endswith(STATISTICS))
    return [name for name in own if name not in loaded]
