"""One training sample from (seed, epoch, index): read, view, encode; the same three numbers give the same sample."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.augment import (
    AugmentSettings,
    View,
    decode_reduction,
    draw_view,
    fit_matrix,
    from_reduced,
    move_joints,
    to_cells,
    warp_picture,
)
from src.data.formats import PictureError
from src.data.images import decode_picture, size_error
from src.data.jpeg import exif_orientation
from src.data.masks import Mask, ignored_cells, ignored_regions, regions_of_file, valid_cells
from src.data.names import mask_name
from src.data.packed import MASKS, PICTURES, FileSource, open_files
from src.data.pose_index import PoseIndex
from src.errors import DataError
from src.pose.encode import encode_keypoints
from src.pose.grid import STRIDE
from src.pose.skeleton import HEATMAP_CHANNELS, MIRROR, PAF_CHANNELS
from src.pose.unknown import annotated_cells, leave_out_joints, leave_out_unlabelled, never_labelled

log = logging.getLogger(__name__)

UNLABELLED_ABSENT, UNLABELLED_UNKNOWN = "absent", "unknown"  # values of the setting unlabelled_joints


@dataclass(frozen=True)
class SampleSettings(AugmentSettings):
    """Settings of `default_config.yaml` that determine a sample. Pixels are network input pixels."""

    insize: int
    heatmap_sigma: float
    paf_half_width: float
    seed: int
    augment: bool
    missing_pictures_max: float
    unlabelled_joints: str
    ignore_unannotated: bool

    def __post_init__(self) -> None:
        if self.insize < STRIDE or self.insize % STRIDE:
            raise DataError(f"insize={self.insize} must be a multiple of the network's stride {STRIDE}")

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.insize, self.insize

    @property
    def map_size(self) -> tuple[int, int]:
        """(width, height) in cells."""
        return self.insize // STRIDE, self.insize // STRIDE

    @property
    def sample_bytes(self) -> int:
        """Memory of one `Sample`."""
        cells = self.map_size[0] * self.map_size[1]
        return 3 * self.insize**2 + 4 * cells * (HEATMAP_CHANNELS + PAF_CHANNELS + 1)


class Sample(NamedTuple):
    """Network input and targets of one picture.

    image (3, H, W) uint8 BGR; heatmaps (19, h, w), pafs (38, h, w) and valid_mask (1, h, w), 1 where the loss counts,
    float32. Cells of a target that are `unknown.UNKNOWN` do not count either.
    """

    image: NDArray[np.uint8]
    heatmaps: NDArray[np.float32]
    pafs: NDArray[np.float32]
    valid_mask: NDArray[np.float32]


class SampleMaker:
    """Makes the samples of an index; its only state is the list of broken pictures.

    An unreadable picture is logged once and replaced by another, chosen by (seed, epoch, index) alone. More broken
    pictures than the share `missing_pictures_max` (one is always allowed), or ten broken replacements in a row, raise
    DataError. `await_picture(name)` is called before a picture is read, and returns when its file is there.
    `never_labelled` (18,) are the joints that nobody in the index has labelled: they are left out of the loss.
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
        self.never_labelled = never_labelled(index.persons.values)
        self.broken: dict[str, str] = {}  # path -> reason

    def __len__(self) -> int:
        return len(self.index)

    def make(self, index: int, epoch: int) -> Sample:
        """The sample of picture `index` in `epoch`; an index beyond the pictures is another sample of them in turn."""
        rng = random.Random((self.settings.seed << 64) + (epoch << 32) + index)
        row = index % len(self.index)
        for _ in range(_ATTEMPTS):
            try:
                return self._make(row, rng)
            except PictureError as error:
                self._note(error)
                row = rng.randrange(len(self.index))
        raise DataError(f"{_ATTEMPTS} pictures in a row cannot be read, the last: {self._last()}; check the data")

    def exactly(self, row: int) -> Sample:
        """The sample of picture `row` in epoch 0; PictureError where it cannot be read."""
        return self._make(row, random.Random((self.settings.seed << 64) + row))

    def _make(self, row: int, rng: random.Random) -> Sample:
        view = self.view(row, rng)
        return Sample(self._image(row, view), *self.targets(row, view))

    def view(self, row: int, rng: random.Random) -> View:
        """A random view of a picture, or all of it without augmentation."""
        s = self.settings
        if s.augment:
            return draw_view(rng, np.array(self.index.persons[row]), s.input_size, s)
        size = int(self.index.sizes[row, 0]), int(self.index.sizes[row, 1])
        return View(fit_matrix(size, s.input_size), False, None)

    def targets(self, row: int, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """heatmaps, pafs and valid_mask of `Sample` for one view; the picture is not read."""
        s = self.settings
        persons = move_joints(np.array(self.index.persons[row]), view)
        heatmaps, pafs = encode_keypoints(persons, s.input_size, STRIDE, s.heatmap_sigma, s.paf_half_width)
        valid_mask = self.valid_mask(row, view)
        if s.unlabelled_joints == UNLABELLED_UNKNOWN:
            heatmaps, pafs = leave_out_unlabelled(heatmaps, pafs, persons, STRIDE)
        heatmaps, pafs = leave_out_joints(heatmaps, pafs, self._never_labelled_in(view))
        if s.ignore_unannotated:
            valid_mask = valid_mask * annotated_cells(persons, valid_mask.shape[1:], STRIDE)
        return heatmaps, pafs, valid_mask

    def _never_labelled_in(self, view: View) -> NDArray[np.bool_]:
        return self.never_labelled[_MIRROR] if view.flipped else self.never_labelled

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
            raise size_error(data, path, (int(self.index.sizes[row, 0]), int(self.index.sizes[row, 1])))
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
        return valid_cells(ignored_cells(regions, to_cells(view.matrix, STRIDE), self.settings.map_size))

    def _ignored_regions(self, row: int) -> Mask | None:
        """A picture's pixels where the loss is not counted; None where there are none."""
        index = self.index
        if self.masks is not None:
            name = mask_name(str(index.names[row]))
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
        allowed = max(1, int(self.settings.missing_pictures_max * len(self.index)))
        if len(self.broken) > allowed:
            raise DataError(
                f"{len(self.broken)} of {len(self.index)} pictures cannot be read (allowed: {allowed}), "
                f"the last: {self._last()}; check the data"
            )

    def _last(self) -> str:
        path, reason = next(reversed(self.broken.items()))
        return f"{path}: {reason}"


_ATTEMPTS = 10
_MIRROR = np.array(MIRROR)
