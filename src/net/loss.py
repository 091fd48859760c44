"""The training loss: squared error of the maps of every stage outside the ignore mask."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from src.net.build import PictureNet


class PoseLoss(nn.Cell):
    """Sum over the stages of the mean squared errors of PAFs and heatmaps (Cao et al., CVPR 2017, eq. 5).

    The mean runs over all cells, the ignored ones counting as zero. Inputs: pictures (N, 3, H, W) uint8 BGR,
    heatmaps (N, 19, h, w), pafs (N, 38, h, w) and valid_mask (N, 1, h, w), 1 where the loss counts. Output: a scalar.
    """

    def __init__(self, network: PictureNet) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, pictures: Tensor, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor) -> Tensor:
        stage_pafs, stage_heatmaps = self.network(pictures)
        loss = 0.0
        for paf, heatmap in zip(stage_pafs, stage_heatmaps):
            loss += (
                ops.square(paf - pafs).mul(valid_mask).mean() + ops.square(heatmap - heatmaps).mul(valid_mask).mean()
            )
        return loss
