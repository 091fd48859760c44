"""The small network: MobileNetV2 of half width and six two-branch stages of separable convolutions.

The architecture is that of the public "mobilenet_v2_small" OpenPose graph of tf-pose-estimation (Apache-2.0), with
ordinary batch normalisation, so its published weights can be imported (`python -m src.tools.import_weights`).
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Constant, HeNormal

from src.net.openposenet import StagedNet
from src.pose.skeleton import HEATMAP_CHANNELS, PAF_CHANNELS

STEM_CHANNELS = 16
#: (expanded channels, output channels, stride of the depthwise convolution) of each inverted residual block.
BLOCKS = (
    (16, 8, 1),
    (48, 16, 2),
    (96, 16, 1),
    (96, 16, 2),
    (96, 16, 1),
    (96, 16, 1),
    (96, 32, 2),
    (192, 32, 1),
    (192, 32, 1),
    (192, 32, 1),
    (192, 48, 1),
    (288, 48, 1),
    (288, 48, 1),
)
#: The features are the last output at stride 8 and the last of all, at stride 16, enlarged to stride 8.
STRIDE8_BLOCK = 5
FEATURES = BLOCKS[STRIDE8_BLOCK][1] + BLOCKS[-1][1]
STAGE_CHANNELS = 64
FIRST_STAGE_WIDE = 256
BATCHNORM_EPSILON = 1e-3


class ConvNorm(nn.Cell):
    """Convolution without bias, batch normalisation and, unless `act` is empty, ReLU or ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        group: int = 1,
        act: str = "",
        gain: float = 1,
    ) -> None:
        super().__init__()
        init = HeNormal(mode="fan_out" if group == 1 else "fan_in", nonlinearity="relu")
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, pad_mode="same", group=group, has_bias=False, weight_init=init
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=BATCHNORM_EPSILON, gamma_init=Constant(gain))
        self.act = {"": nn.Identity, "relu": nn.ReLU, "relu6": nn.ReLU6}[act]()

    def construct(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class InvertedResidual(nn.Cell):
    """Expand 1×1, depthwise 3×3, project 1×1; added to the input where shapes allow (Sandler et al., CVPR 2018)."""

    def __init__(self, in_channels: int, expanded: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.expand = ConvNorm(in_channels, expanded, 1, act="relu6") if expanded != in_channels else nn.Identity()
        self.depthwise = ConvNorm(expanded, expanded, 3, stride, group=expanded, act="relu6")
        self.project = ConvNorm(expanded, out_channels, 1)
        self.residual = stride == 1 and in_channels == out_channels

    def construct(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileBase(nn.Cell):
    """Backbone: (N, 3, H, W) to (N, 64, H/8, W/8); H and W are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvNorm(3, STEM_CHANNELS, 3, stride=2, act="relu6")
        blocks = []
        channels = STEM_CHANNELS
        for expanded, out_channels, stride in BLOCKS:
            blocks.append(InvertedResidual(channels, expanded, out_channels, stride))
            channels = out_channels
        self.blocks = nn.CellList(blocks)
        # Source pixel = target pixel / 2, without half-pixel centres: what the published weights were trained with.
        self.enlarge = ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)

    def construct(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for block in self.blocks[: STRIDE8_BLOCK + 1]:
            x = block(x)
        stride8 = x
        for block in self.blocks[STRIDE8_BLOCK + 1 :]:
            x = block(x)
        return ops.concat((stride8, self.enlarge(x, stride8.shape[2:])), 1)


class SeparableConv(nn.Cell):
    """Depthwise convolution, then 1×1 with batch normalisation and, unless `last`, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, last: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, kernel, pad_mode="same", group=in_channels, has_bias=False)
        # Maps are mostly near zero: starting there saves the first hundreds of steps.
        self.pointwise = ConvNorm(in_channels, out_channels, 1, act="" if last else "relu", gain=0.1 if last else 1)

    def construct(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class SeparableStage(nn.Cell):
    """One stage: two branches of five separable convolutions, the fourth `wide` channels wide."""

    def __init__(self, in_channels: int, wide: int) -> None:
        super().__init__()
        self.L1 = self._branch(in_channels, wide, PAF_CHANNELS)
        self.L2 = self._branch(in_channels, wide, HEATMAP_CHANNELS)

    @staticmethod
    def _branch(in_channels: int, wide: int, outputs: int) -> nn.SequentialCell:
        widths = (in_channels, *[STAGE_CHANNELS] * 3, wide, outputs)
        kernels = (3, 3, 3, 1, 1)
        return nn.SequentialCell(
            [SeparableConv(widths[i], widths[i + 1], kernel, last=i == 4) for i, kernel in enumerate(kernels)]
        )

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.L1(x), self.L2(x)


def openpose_mobilenet_v2(stages: int) -> StagedNet:
    """The small network; its input sides must be multiples of 16."""
    refining = FEATURES + PAF_CHANNELS + HEATMAP_CHANNELS
    later = [SeparableStage(refining, STAGE_CHANNELS) for _ in range(stages - 1)]
    return StagedNet(MobileBase(), [SeparableStage(FEATURES, FIRST_STAGE_WIDE), *later])
