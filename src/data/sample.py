"""One training sample from (seed, epoch, index): read, view, encode; the same three numbers give the same sample."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.augment import (
    AugmentRanges,
    View,
    decode_reduction,
    draw_view,
    fit_matrix,
    from_reduced,
    move_joints,
    to_cells,
    warp_picture,
)
from src.data.images import PictureError, decode_picture, exif_orientation
from src.data.masks import Mask, ignored_cells, ignored_regions, regions_of_file, valid_cells
from src.data.packed import MASKS, PICTURES, FileSource, open_files
from src.data.pose_index import PoseIndex
from src.errors import DataError
from src.pose.encode import encode_keypoints
from src.pose.grid import STRIDE
from src.pose.skeleton import HEATMAP_CHANNELS, PAF_CHANNELS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampleSettings:
    """What a sample looks like. Pixels are network input pixels."""

    input_width: int = 368
    input_height: int = 368
    stride: int = STRIDE
    sigma: float = 7.0
    paf_half_width: float = 8.0
    seed: int = 0
    augment: bool = True
    ranges: AugmentRanges = field(default_factory=AugmentRanges)
    max_broken_share: float = 0.05  # of the pictures may be unreadable (one always may); more stops the training

    def __post_init__(self) -> None:
        for name in ("input_width", "input_height"):
            side = getattr(self, name)
            if side < self.stride or side % self.stride:
                raise DataError(f"{name}={side} must be a multiple of the network's stride {self.stride}")

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.input_width, self.input_height

    @property
    def map_size(self) -> tuple[int, int]:
        """(width, height) in cells."""
        return self.input_width // self.stride, self.input_height // self.stride

    @property
    def sample_bytes(self) -> int:
        """Memory of one `Sample`."""
        cells = self.map_size[0] * self.map_size[1]
        return 3 * self.input_width * self.input_height + 4 * cells * (HEATMAP_CHANNELS + PAF_CHANNELS + 1)


class Sample(NamedTuple):
    """What the network and the loss take, for one picture.

    image (3, H, W) uint8 BGR; heatmaps (19, h, w), pafs (38, h, w) and valid_mask (1, h, w), 1 where the loss counts,
    float32.
    """

    image: NDArray[np.uint8]
    heatmaps: NDArray[np.float32]
    pafs: NDArray[np.float32]
    valid_mask: NDArray[np.float32]


class SampleMaker:
    """Makes the samples of an index; keeps only what it needs to say that a picture is broken.

    A picture that cannot be read is logged once and replaced by another that depends on (seed, epoch, index) alone.
    When more than `max_broken_share` of the pictures are broken, or ten replacements in a row, it raises DataError.
    `await_picture(name)` is called before a picture is read, and returns when its file is there.
    """

    def __init__(
        self,
        index: PoseIndex,
        folder: str | Path,
        settings: SampleSettings,
        mask_folder: str | Path | None = None,
        await_picture: Callable[[str], object] | None = None,
    ) -> None:
        self.index, self.settings = index, settings
        self._await_picture = await_picture
        self.pictures = open_files(folder, PICTURES)
        if mask_folder and not os.path.isdir(mask_folder):
            raise DataError(f"{mask_folder}: no such folder of ignore masks; leave it empty to draw them")
        self.masks = open_files(mask_folder, MASKS) if mask_folder else None
        self.broken: dict[str, str] = {}  # path -> reason

    def __len__(self) -> int:
        return len(self.index)

    def make(self, index: int, epoch: int) -> Sample:
        """The sample of picture `index` in `epoch`."""
        rng = random.Random((self.settings.seed << 64) + (epoch << 32) + index)
        row = index
        for _ in range(_ATTEMPTS):
            try:
                return self._make(row, rng)
            except PictureError as error:
                self._note(error)
                row = rng.randrange(len(self.index))
        raise DataError(f"{_ATTEMPTS} pictures in a row cannot be read, the last: {self._last()}; check the data")

    def _make(self, row: int, rng: random.Random) -> Sample:
        s = self.settings
        joints = np.array(self.index.persons[row])
        if s.augment:
            view = draw_view(rng, joints, s.input_size, s.ranges)
        else:
            size = int(self.index.sizes[row, 0]), int(self.index.sizes[row, 1])
            view = View(fit_matrix(size, s.input_size), False, None)
        image = self._image(row, view)
        persons = move_joints(joints, view)
        heatmaps, pafs = encode_keypoints(persons, s.input_size, s.stride, s.sigma, s.paf_half_width)
        return Sample(image, heatmaps, pafs, self.valid_mask(row, view))

    def _image(self, row: int, view: View) -> NDArray[np.uint8]:
        """(3, H, W): the picture, decoded no larger than needed, through the view's map and colours."""
        name = str(self.index.names[row])
        if self._await_picture is not None:
            self._await_picture(name)
        path = self.pictures.place(name)
        data = self.pictures.read(name)
        reduction = decode_reduction(view.matrix)
        if reduction > 1 and exif_orientation(data) != 1:
            reduction = 1  # blocks begin at the stored picture's corner, which a turned picture has elsewhere
        picture = decode_picture(data, path, reduction)
        width, height = (-(-int(side) // reduction) for side in self.index.sizes[row])
        if picture.shape[:2] != (height, width):
            told, real = self.index.sizes[row] // reduction, picture.shape[1::-1]
            raise PictureError(path, f"is {real[0]}x{real[1]} where {told[0]}x{told[1]} is annotated")
        warped = warp_picture(picture, from_reduced(view.matrix, reduction), self.settings.input_size)
        if view.colour is not None:
            warped = cv2.transform(warped, view.colour)
        return self.planes(warped)

    @staticmethod
    def planes(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) as contiguous (3, H, W)."""
        planes = np.empty((3, *picture.shape[:2]), np.uint8)
        for channel in range(3):
            cv2.extractChannel(picture, channel, planes[channel])
        return planes

    def valid_mask(self, row: int, view: View) -> NDArray[np.float32]:
        """(1, h, w) 1 where the loss counts in this view; from the picture's mask file where there is one."""
        regions = self._ignored_regions(row)
        if regions is None:
            return np.ones((1, *self.settings.map_size[::-1]), np.float32)
        return valid_cells(ignored_cells(regions, to_cells(view.matrix, self.settings.stride), self.settings.map_size))

    def _ignored_regions(self, row: int) -> Mask | None:
        """A picture's pixels where the loss is not counted; None where there are none."""
        index = self.index
        if self.masks is not None:
            name = os.path.splitext(str(index.names[row]))[0] + ".png"
            if self.masks.has(name):
                return regions_of_file(self._mask_file(self.masks, name, row))
        if not len(index.ignored[row]) and not len(index.crowds[row]):
            return None
        width, height = (int(side) for side in index.sizes[row])
        return ignored_regions(index.ignored[row], index.crowds[row], index.kept[row], (width, height))

    def _mask_file(self, masks: FileSource, name: str, row: int) -> NDArray[np.uint8]:
        """(height, width) of a mask file as `gen_ignore_mask` writes it: 0 ignored, 255 valid."""
        mask = cv2.imdecode(np.frombuffer(masks.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
        width, height = self.index.sizes[row]
        if mask is None or mask.shape != (height, width):
            raise PictureError(masks.place(name), f"not an ignore mask of {width}x{height} pixels")
        return mask

    def _note(self, error: PictureError) -> None:
        if error.path in self.broken:
            return
        self.broken[error.path] = error.reason
        log.warning("%s; another picture takes its place", error)
        allowed = max(1, int(self.settings.max_broken_share * len(self.index)))
        if len(self.broken) > allowed:
            raise DataError(
                f"{len(self.broken)} of {len(self.index)} pictures cannot be read (allowed: {allowed}), "
                f"the last: {self._last()}; check the data"
            )

    def _last(self) -> str:
        path, reason = next(reversed(self.broken.items()))
        return f"{path}: {reason}"


_ATTEMPTS = 10
