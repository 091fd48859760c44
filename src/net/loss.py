"""The training loss: squared error of every stage's maps, where the targets are known."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.net.build import PictureNet
from src.pose.skeleton import BACKGROUND_CHANNEL
from src.pose.unknown import UNKNOWN

Stages = tuple[Tensor, ...]


def map_errors(
    stage_pafs: Stages, stage_heatmaps: Stages, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor
) -> Tensor:
    """(N,) for each picture the sum over the stages of the mean squared errors of PAFs and heatmaps.

    The mean runs over all cells; those outside `valid_mask` and those whose target is UNKNOWN count as zero.
    """
    paf_weight, heatmap_weight = known(pafs, valid_mask), known(heatmaps, valid_mask)
    total = ops.zeros((heatmaps.shape[0],), ms.float32)
    for paf, heatmap in zip(stage_pafs, stage_heatmaps):
        total += ops.square(paf - pafs).mul(paf_weight).mean((1, 2, 3))
        total += ops.square(heatmap - heatmaps).mul(heatmap_weight).mean((1, 2, 3))
    return total


def nothing_errors(heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor, stages: int) -> Tensor:
    """(N,) the same for maps that show nobody: no joint, no limb, background everywhere."""
    empty = ops.zeros_like(heatmaps)
    empty[:, BACKGROUND_CHANNEL] = 1.0
    return stages * map_errors((ops.zeros_like(pafs),), (empty,), heatmaps, pafs, valid_mask)


def known(target: Tensor, valid_mask: Tensor) -> Tensor:
    """1 where a target (N, C, h, w) counts, else 0; float32."""
    return (target > UNKNOWN / 2).astype(ms.float32).mul(valid_mask)


class PoseLoss(nn.Cell):
    """Mean over the pictures of `map_errors` (Cao et al., CVPR 2017, eq. 5).

    Inputs: pictures (N, 3, H, W) uint8 BGR, heatmaps (N, 19, h, w), pafs (N, 38, h, w) and valid_mask (N, 1, h, w), 1
    where the loss counts. Output: a scalar.
    """

    def __init__(self, network: PictureNet) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, pictures: Tensor, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor) -> Tensor:
        stage_pafs, stage_heatmaps = self.network(pictures)
        return map_errors(stage_pafs, stage_heatmaps, heatmaps, pafs, valid_mask).mean()
