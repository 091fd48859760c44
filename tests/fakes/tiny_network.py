"""A network of few layers in place of the small one, where the job around it is tested and compiling takes longest.

As a script it runs train_start.py with that network: `python tests/fakes/tiny_network.py --network=mobilenet_v2 …`.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
#: (expanded channels, output channels, stride): the features are at strides 8 and 16, as in the real network.
BLOCKS = ((16, 16, 2), (16, 16, 2), (16, 16, 2))
STRIDE8_BLOCK = 1
FEATURES = BLOCKS[STRIDE8_BLOCK][1] + BLOCKS[-1][1]


@contextmanager
def tiny_network() -> Iterator[None]:
    """`mobilenet_v2` has three blocks, and its stages two separable convolutions in each branch."""
    from mindspore import nn

    from src.net import mobilenet

    def branch(in_channels: int, wide: int, outputs: int) -> nn.SequentialCell:
        first = mobilenet.SeparableConv(in_channels, wide, 3, last=False)
        return nn.SequentialCell([first, mobilenet.SeparableConv(wide, outputs, 1, last=True)])

    sizes = {"BLOCKS": BLOCKS, "STRIDE8_BLOCK": STRIDE8_BLOCK, "FEATURES": FEATURES, "FIRST_STAGE_WIDE": 16}
    with patch.multiple(mobilenet, **sizes), patch.object(mobilenet.SeparableStage, "_branch", staticmethod(branch)):
        yield


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    with tiny_network():
        runpy.run_path(str(ROOT / "train_start.py"), run_name="__main__")
