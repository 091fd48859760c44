"""Dynamic loss scale for float16: lowered when gradients overflow, raised after a long time without overflow."""

from __future__ import annotations

import logging

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from src.errors import JobError

logger = logging.getLogger(__name__)

#: As in Micikevicius et al., Mixed Precision Training (ICLR 2018), and MindSpore's own scaler.
FACTOR, WINDOW = 2.0, 2000
LOWEST, HIGHEST = 1.0, float(2**24)


class DynamicLossScale(nn.Cell):
    """Halves the scale after an overflow and doubles it after every WINDOW steps without one.

    Both parameters belong to the training step, so that a checkpoint holds them and a resumed run goes on alike.
    """

    def __init__(self, initial: float) -> None:
        super().__init__(auto_prefix=False)
        self.scale_sense = Parameter(Tensor(initial, ms.float32), name="scale_sense", requires_grad=False)
        self.steps = Parameter(Tensor(0, ms.int32), name="steps_since_overflow", requires_grad=False)

    def construct(self, finite: Tensor) -> Tensor:
        scale = self.scale_sense * 1.0
        steps = ops.where(finite, self.steps + 1, ops.zeros_like(self.steps))
        grows = ops.logical_and(finite, steps % WINDOW == 0)
        raised = ops.where(grows, ops.minimum(scale * FACTOR, HIGHEST), scale)
        new = ops.where(finite, raised, ops.maximum(scale / FACTOR, LOWEST))
        ops.assign(self.scale_sense, new)
        ops.assign(self.steps, steps)
        return new

    def report(self) -> None:
        """Log a skipped step; JobError when the scale cannot be lowered further."""
        if int(self.steps.asnumpy()) > 0:
            return
        scale = float(self.scale_sense.asnumpy())
        if scale <= LOWEST:
            raise JobError(
                "gradients overflow float16 at every loss scale: training has diverged, or needs amp=bf16 or amp=off; "
                "lower lr, or go on from the last checkpoint with --resume_changed=True and another amp"
            )
        logger.warning("gradients overflowed float16: step skipped, loss scale lowered to %g", scale)
