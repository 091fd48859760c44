"""Validation: the network in evaluation mode on a fixed set of pictures, shared among the cards."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from src.arrays import Reals
from src.data.augment import View, fit_matrix, move_joints
from src.data.formats import PictureError
from src.data.sample import Sample, SampleMaker
from src.net.build import PictureNet
from src.net.loss import map_errors, nothing_errors
from src.pose import DecodeSettings, decode_poses
from src.pose.grid import STRIDE, Fit, input_to_cell
from src.train.distributed import Communicator
from src.train.validation.result import COLUMNS, SHOWN_MAX, Validation, combine, encode
from src.train.validation.scores import PictureScore, score_picture

logger = logging.getLogger(__name__)

#: A person's area as a share of the box around the labelled joints, where no outline is at hand (as CrowdPose has it).
AREA_SHARE = 0.53
#: A found person counts as lying in an unknown region when more than this share of its joints does.
UNKNOWN_SHARE = 0.5


class EvaluationNet(nn.Cell):
    """Pictures and targets as for `PoseLoss`; gives each picture's loss (N,), that of empty maps (N,), and the last
    stage's heatmaps (N, 19, h, w) and pafs (N, 38, h, w)."""

    def __init__(self, network: PictureNet) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.stages = len(network.network.stages)

    def construct(
        self, pictures: Tensor, heatmaps: Tensor, pafs: Tensor, valid_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stage_pafs, stage_heatmaps = self.network(pictures)
        loss = map_errors(stage_pafs, stage_heatmaps, heatmaps, pafs, valid_mask)
        nothing = nothing_errors(heatmaps, pafs, valid_mask, self.stages)
        return loss, nothing, stage_heatmaps[-1], stage_pafs[-1]


@dataclass(frozen=True)
class Validator:
    """Scores `network` on all pictures of `maker`, whose samples are not augmented.

    Every rank takes each rank_size-th picture, in batches of one shape, and all learn the result for all. `training`
    is the cell that is put back into training mode afterwards; no weight or statistic changes. `name` says which
    pictures these are.
    """

    maker: SampleMaker
    network: EvaluationNet
    training: nn.Cell
    communicator: Communicator
    batch_size: int
    decode_settings: DecodeSettings
    name: str

    def run(self, stopping: Callable[[], bool] = lambda: False) -> Validation:
        """Validate; takes part in communication, so all ranks must call it at the same step.

        Once `stopping` says so, the remaining pictures are left out, and the result is of no use.
        """
        started = time.monotonic()
        card = self.communicator.card
        own = list(range(card.rank, len(self.maker), card.rank_size))
        table = np.zeros((len(self.maker), COLUMNS), np.float32)
        shown: dict[int, NDArray[np.float32]] = {}
        self.network.set_train(False)
        try:
            for first in range(0, len(own), self.batch_size):
                if stopping():
                    break
                for row, values, poses in self._batch(own[first : first + self.batch_size]):
                    table[row] = values
                    shown[row] = poses
        finally:
            self.training.set_train(True)
        chosen = [own[int(at)] for at in np.unique(np.linspace(0, len(own) - 1, SHOWN_MAX).astype(int))] if own else []
        poses_shown = {str(self.maker.index.names[row]): shown[row] for row in chosen if row in shown}
        return combine(self.communicator.sum(table), poses_shown, time.monotonic() - started)

    def _batch(self, rows: Sequence[int]) -> list[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """(row, its line of the table, poses in picture pixels) of the pictures that can be read."""
        samples = {row: sample for row in rows if (sample := self._sample(row)) is not None}
        if not samples:
            return []
        padded = [*samples.values()] + [next(iter(samples.values()))] * (self.batch_size - len(samples))
        outputs = self.network(*(Tensor(np.stack(part)) for part in zip(*padded)))
        loss, nothing, heatmaps, pafs = (output.asnumpy() for output in outputs)
        lines = []
        for at, (row, sample) in enumerate(samples.items()):
            score, poses = self._score(row, sample, heatmaps[at], pafs[at])
            lines.append((row, encode(score, float(loss[at]), float(nothing[at])), poses))
        return lines

    def _sample(self, row: int) -> Sample | None:
        try:
            return self.maker.exactly(row)
        except PictureError as error:
            logger.warning("skipping validation picture: %s", error)
            return None

    def _score(
        self, row: int, sample: Sample, heatmaps: NDArray[np.float32], pafs: NDArray[np.float32]
    ) -> tuple[PictureScore, NDArray[np.float32]]:
        fit = square_fit(self.maker, row)
        found = decode_poses(heatmaps, pafs, settings=self.decode_settings, fit=fit)
        poses, scores = (part.astype(np.float64) for part in found)
        view = View(fit_matrix((fit.width_px, fit.height_px), self.maker.settings.input_size), False, None)
        annotated = move_joints(np.array(self.maker.index.persons[row]), view).astype(np.float64)
        unknown = lies_outside(poses, sample.valid_mask[0])
        score = score_picture(
            poses.astype(np.float64), scores.astype(np.float64), annotated, box_areas(annotated), unknown
        )
        in_picture = poses.copy()
        in_picture[..., :2] = np.where(poses[..., 2:] > 0, fit.to_picture(poses[..., :2]), 0)
        return score, in_picture.astype(np.float32)


def square_fit(maker: SampleMaker, row: int) -> Fit:
    """How the whole picture lies in the square network input; the same map as `augment.fit_matrix`."""
    width, height = (int(side) for side in maker.index.sizes[row])
    side = maker.settings.insize
    scale = min(side / width, side / height)
    return Fit(width, height, max(1, round(width * scale)), max(1, round(height * scale)), side, side)


def box_areas(persons: Reals) -> NDArray[np.float64]:
    """(A,) estimated areas of the persons (A, 18, 3) in square pixels."""
    areas = []
    for person in persons:
        points = person[person[:, 2] > 0, :2]
        areas.append(AREA_SHARE * float(np.prod(np.maximum(np.ptp(points, axis=0), 1.0))))
    return np.array(areas, np.float64)


def lies_outside(poses: Reals, valid: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(P,) whether most found joints of each pose (input pixels) lie on cells of `valid` (h, w) that are 0."""
    outside = np.zeros(len(poses), bool)
    limits = np.array(valid.shape[::-1]) - 1
    for number, pose in enumerate(poses):
        points = pose[pose[:, 2] > 0, :2]
        if len(points):
            x, y = np.clip(np.round(input_to_cell(points, STRIDE)), 0, limits).astype(int).T
            outside[number] = float((valid[y, x] == 0).mean()) > UNKNOWN_SHARE
    return outside
