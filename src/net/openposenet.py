"""OpenPose on the first ten VGG19 layers (Cao et al., CVPR 2017), with the MindSpore reference's parameter names.

Every network of this package maps normalised pictures (N, 3, H, W) to `(pafs, heatmaps)`: for each stage one
(N, 38, H/8, W/8) and one (N, 19, H/8, W/8) tensor, the last stage's being the result. Branch L1 is the PAFs, L2 the
heatmaps.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import HeNormal, Normal

from src.pose.skeleton import HEATMAP_CHANNELS, PAF_CHANNELS

FEATURES = 128
VGG19_LAYERS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512)


def _conv(in_channels: int, out_channels: int, kernel: int, last: bool = False) -> nn.Conv2d:
    weight_init = Normal(0.01) if last else HeNormal(mode="fan_in", nonlinearity="relu")
    return nn.Conv2d(
        in_channels, out_channels, kernel, pad_mode="same", has_bias=True, weight_init=weight_init, bias_init="zeros"
    )


class VggBase(nn.Cell):
    """The first ten convolutions of VGG19: (N, 3, H, W) to (N, 512, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Cell] = []
        channels = 3
        for width in VGG19_LAYERS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2, pad_mode="same"))
            else:
                layers += [_conv(channels, width, 3), nn.ReLU()]
                channels = width
        self.layers = nn.SequentialCell(layers)

    def construct(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Base(nn.Cell):
    """VGG layers and the two convolutions that reduce them to the features all stages see."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg_base = VggBase()
        self.conv4_3_CPM = _conv(512, 256, 3)
        self.conv4_4_CPM = _conv(256, FEATURES, 3)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        x = self.vgg_base(x)
        x = self.relu(self.conv4_3_CPM(x))
        return self.relu(self.conv4_4_CPM(x))


class FirstStage(nn.Cell):
    """Stage 1: both branches from the features alone, by 3×3 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        for branch, outputs in (("L1", PAF_CHANNELS), ("L2", HEATMAP_CHANNELS)):
            widths = (FEATURES, FEATURES, FEATURES, FEATURES, 512, outputs)
            for i, kernel in enumerate((3, 3, 3, 1, 1), start=1):
                setattr(self, f"conv{i}_CPM_{branch}", _conv(widths[i - 1], widths[i], kernel, last=i == 5))
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        paf = self.relu(self.conv1_CPM_L1(x))
        paf = self.relu(self.conv2_CPM_L1(paf))
        paf = self.relu(self.conv3_CPM_L1(paf))
        paf = self.relu(self.conv4_CPM_L1(paf))
        heatmap = self.relu(self.conv1_CPM_L2(x))
        heatmap = self.relu(self.conv2_CPM_L2(heatmap))
        heatmap = self.relu(self.conv3_CPM_L2(heatmap))
        heatmap = self.relu(self.conv4_CPM_L2(heatmap))
        return self.conv5_CPM_L1(paf), self.conv5_CPM_L2(heatmap)


class RefiningStage(nn.Cell):
    """Stages 2 to 6: both branches from the previous stage's maps and the features, by 7×7 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        for branch, outputs in (("L1", PAF_CHANNELS), ("L2", HEATMAP_CHANNELS)):
            widths = (FEATURES + PAF_CHANNELS + HEATMAP_CHANNELS, *[FEATURES] * 6, outputs)
            for i, kernel in enumerate((7, 7, 7, 7, 7, 1, 1), start=1):
                setattr(self, f"conv{i}_{branch}", _conv(widths[i - 1], widths[i], kernel, last=i == 7))
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        paf = self.relu(self.conv1_L1(x))
        paf = self.relu(self.conv2_L1(paf))
        paf = self.relu(self.conv3_L1(paf))
        paf = self.relu(self.conv4_L1(paf))
        paf = self.relu(self.conv5_L1(paf))
        paf = self.relu(self.conv6_L1(paf))
        heatmap = self.relu(self.conv1_L2(x))
        heatmap = self.relu(self.conv2_L2(heatmap))
        heatmap = self.relu(self.conv3_L2(heatmap))
        heatmap = self.relu(self.conv4_L2(heatmap))
        heatmap = self.relu(self.conv5_L2(heatmap))
        heatmap = self.relu(self.conv6_L2(heatmap))
        return self.conv7_L1(paf), self.conv7_L2(heatmap)


class StagedNet(nn.Cell):
    """A backbone `base` and stages that each refine the maps of the one before, on the same features.

    Parameters are named `base.*`, `stage_1.*` … `stage_<n>.*`.
    """

    def __init__(self, base: nn.Cell, stages: list[nn.Cell]) -> None:
        super().__init__(auto_prefix=False)  # the names are given here: a list of cells would name them "stages.0"
        base.update_parameters_name("base.")
        for number, stage in enumerate(stages, start=1):
            stage.update_parameters_name(f"stage_{number}.")
        self.base = base
        self.stages = nn.CellList(stages, auto_prefix=False)

    def construct(self, x: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        features = self.base(x)
        pafs: tuple[Tensor, ...] = ()
        heatmaps: tuple[Tensor, ...] = ()
        stage_input = features
        for stage in self.stages:
            paf, heatmap = stage(stage_input)
            pafs += (paf,)
            heatmaps += (heatmap,)
            stage_input = ops.concat((paf, heatmap, features), 1)
        return pafs, heatmaps


def openpose_vgg19(stages: int) -> StagedNet:
    """The full-size network: 52,311,446 parameters with six stages."""
    return StagedNet(Base(), [FirstStage(), *[RefiningStage() for _ in range(stages - 1)]])
