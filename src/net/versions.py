"""The MindSpore calls that are announced as deprecated or removed, each in a form that works before and after.

`nn.Momentum` is to go after 2.9, `set_context(device_target=…)` is deprecated since 2.5 and
`set_auto_parallel_context` since 2.6.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops


def select_device(target: str, device_id: int) -> None:
    """Compute in graph mode on a device; RuntimeError or ValueError where MindSpore cannot."""
    if hasattr(ms, "set_device"):
        ms.set_context(mode=ms.GRAPH_MODE)
        ms.set_device(target, device_id)
    else:
        ms.set_context(mode=ms.GRAPH_MODE, device_target=target, device_id=device_id)


def momentum_optimizer(parameters: list[dict[str, object]], learning_rate: nn.Cell, momentum: float) -> nn.Optimizer:
    """Stochastic gradient descent with momentum: v = momentum·v + gradient, weight -= rate·v."""
    if hasattr(nn, "Momentum"):
        return nn.Momentum(parameters, learning_rate=learning_rate, momentum=momentum)
    return nn.SGD(parameters, learning_rate=learning_rate, momentum=momentum)


def clip_by_norm(gradient: Tensor, norm: Tensor) -> Tensor:
    """The gradient, shortened to the Euclidean length `norm` where it is longer (inside a compiled graph)."""
    length = ops.sqrt(ops.square(gradient).sum())
    return gradient * (norm / ops.maximum(length, norm))


def start_data_parallel() -> None:
    """Have gradients averaged over all ranks, where MindSpore must be told before the graph is built."""
    if hasattr(ms, "set_auto_parallel_context"):
        ms.set_auto_parallel_context(parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True)


def end_data_parallel() -> None:
    """Compile later graphs for this rank alone."""
    if hasattr(ms, "reset_auto_parallel_context"):
        ms.reset_auto_parallel_context()
