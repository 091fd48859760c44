from __future__ import annotations

import logging
import random
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data.augment import PADDING
from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.pose_index import PoseIndex
from src.data.ragged import Ragged
from src.data.sample import SampleMaker
from src.errors import DataError
from src.pose.grid import cell_to_input
from src.pose.skeleton import MIRROR
from src.pose.skeleton import JointType as J
from src.pose.unknown import UNKNOWN
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION
from tests.pose.drawing import standing_person


def _empty(columns: tuple[int, ...], dtype: type) -> Ragged:
    return Ragged(np.zeros((0, *columns), dtype), np.zeros(2, np.int64))


def _index(name: str, size: tuple[int, int], joints: np.ndarray, outlines: np.ndarray | None = None) -> PoseIndex:
    """An index of one picture with one person."""
    ignored = _empty((2,), np.float32)
    if outlines is not None:
        ignored = Ragged(outlines.astype(np.float32), np.array([0, len(outlines)]))
    return PoseIndex(
        names=np.array([name]),
        picture_ids=np.array([1]),
        sizes=np.array([size], np.int32),
        persons=Ragged(joints.astype(np.float32)[None], np.array([0, 1])),
        ignored=ignored,
        crowds=_empty((), np.int32),
        kept=_empty((2,), np.float32),
    )


DOT_JOINTS = {J.LeftHand: (0, 255, 0), J.RightHand: (0, 0, 255), J.Nose: (255, 0, 0)}  # BGR


def _dots(folder: Path, size: tuple[int, int], name: str = "dots.png", orientation: int = 1) -> np.ndarray:
    """A grey picture with one coloured dot on each of three joints; returns the joints (18, 3)."""
    joints = np.zeros((18, 3))
    places = np.array([[0.32, 0.4], [0.71, 0.45], [0.5, 0.7]]) * size + [0.3, -0.2]
    picture = np.full((size[1], size[0], 3), float(PADDING))
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    for (joint, colour), place in zip(DOT_JOINTS.items(), places):
        dot = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * (0.008 * size[0]) ** 2))[:, :, None]
        picture = picture * (1 - dot) + np.array(colour) * dot
        joints[joint] = [*place, 2]
    image = Image.fromarray(picture.round().astype(np.uint8)[:, :, ::-1])
    exif = Image.Exif()
    if orientation == 6:  # stored turned to the left, to be shown turned to the right
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6
    image.save(folder / name, exif=exif, **({"quality": 98, "subsampling": 0} if name.endswith("jpg") else {}))
    return joints


def _dot(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Centroid (x, y) of the dot of one colour in (3, H, W)."""
    lit = colour.index(255)
    others = [c for c in range(3) if c != lit]
    weight = (image[lit].astype(float) - image[others].max(axis=0)).clip(0)
    weight[weight < 25] = 0
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize(
    ("name", "size", "orientation"),
    [("a.png", (640, 480), 1), ("a.jpg", (641, 481), 1), ("big.jpg", (2501, 1877), 1), ("turned.jpg", (2501, 1877), 6)],
)
def test_picture_heatmaps_and_flip_agree(tmp_path: Path, name: str, size: tuple[int, int], orientation: int) -> None:
    """Through file, reduced decode, random view and encoding: each joint's coloured dot lies where its heatmap says."""
    joints = _dots(tmp_path, size, name, orientation)
    scale = 368 / size[0]
    settings = sample_settings(scale_min=0.8 * scale, scale_max=1.3 * scale, colour_jitter=0)
    maker = SampleMaker(_index(name, size, joints), tmp_path, settings)
    checked = 0
    for epoch in range(12):
        sample = maker.make(0, epoch)
        for joint, colour in DOT_JOINTS.items():
            heatmap = np.log(np.maximum(sample.heatmaps[joint].astype(float), 1e-30))
            row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
            if not (2 < row < 43 and 2 < column < 43):
                continue  # too near the edge to be measured
            mirrored = [c for c in DOT_JOINTS if MIRROR[c] == joint]
            x = column + 0.5 * (heatmap[row, column - 1] - heatmap[row, column + 1]) / (
                heatmap[row, column - 1] - 2 * heatmap[row, column] + heatmap[row, column + 1]
            )
            y = row + 0.5 * (heatmap[row - 1, column] - heatmap[row + 1, column]) / (
                heatmap[row - 1, column] - 2 * heatmap[row, column] + heatmap[row + 1, column]
            )
            said = cell_to_input(np.array([x, y]))
            seen = {c: _dot(sample.image, c) for c in (colour, DOT_JOINTS[mirrored[0]])}
            assert min(np.abs(said - place).max() for place in seen.values()) < 0.15
            checked += 1
    assert checked > 15


def test_mirrored_picture_has_the_other_hand_there(tmp_path: Path) -> None:
    joints = _dots(tmp_path, (640, 480))
    for share, colour in ((0.0, DOT_JOINTS[J.LeftHand]), (1.0, DOT_JOINTS[J.RightHand])):
        settings = sample_settings(
            flip_probability=share, rotate_max=0, center_shift_max=0, colour_jitter=0, scale_max=1, scale_min=1
        )
        sample = SampleMaker(_index("dots.png", (640, 480), joints), tmp_path, settings).make(0, 0)
        row, column = np.unravel_index(sample.heatmaps[J.LeftHand].argmax(), (46, 46))
        assert np.abs(cell_to_input(np.array([column, row])) - _dot(sample.image, colour)).max() <= 4.5


def test_without_augmentation_the_whole_picture_is_shown(tmp_path: Path) -> None:
    joints = _dots(tmp_path, (640, 480))
    settings = sample_settings(insize=320, augment=False)
    sample = SampleMaker(_index("dots.png", (640, 480), joints), tmp_path, settings).make(0, 7)
    for joint, colour in DOT_JOINTS.items():
        assert _dot(sample.image, colour) == pytest.approx((joints[joint, :2] + 0.5) / 2 - 0.5, abs=0.1)
    assert (sample.image[:, 250:] == PADDING).all()


def test_ignored_people_lie_on_the_masks_zeros(tmp_path: Path) -> None:
    joints = _dots(tmp_path, (640, 480))
    x, y = joints[J.LeftHand, :2]
    outline = np.array([[x - 25, y - 25], [x + 25, y - 25], [x + 25, y + 25], [x - 25, y + 25], [np.nan, np.nan]])
    maker = SampleMaker(_index("dots.png", (640, 480), joints, outline), tmp_path, sample_settings())
    checked = 0
    for epoch in range(10):
        sample = maker.make(0, epoch)
        assert sample.valid_mask.shape == (1, 46, 46)
        assert set(np.unique(sample.valid_mask)) <= {0.0, 1.0}
        for joint in (J.LeftHand, J.RightHand):
            row, column = np.unravel_index(sample.heatmaps[joint].argmax(), (46, 46))
            if 0 < row < 45 and 0 < column < 45 and sample.heatmaps[joint].max() > 0.6:
                green, red = sample.image[1:, 8 * row + 4, 8 * column + 4].tolist()
                assert (sample.valid_mask[0, row, column] == 0) == (green > red)  # the left hand's dot is green
                checked += 1
    assert checked > 8


def test_mask_files_say_the_same_as_annotations(tmp_path: Path) -> None:
    joints = _dots(tmp_path, (640, 480))
    outline = np.array([[300, 100], [500, 100], [500, 300], [300, 300], [np.nan, np.nan]])
    (tmp_path / "masks").mkdir()
    file = np.full((480, 640), 255, np.uint8)
    file[100:301, 300:501] = 0
    cv2.imwrite(str(tmp_path / "masks" / "dots.png"), file)
    drawn = SampleMaker(_index("dots.png", (640, 480), joints, outline), tmp_path, sample_settings())
    read = SampleMaker(_index("dots.png", (640, 480), joints), tmp_path, sample_settings(), tmp_path / "masks")
    for epoch in range(5):
        one, other = drawn.make(0, epoch), read.make(0, epoch)
        assert (one.image == other.image).all()
        assert (one.valid_mask == 0).any()
        assert (one.valid_mask == other.valid_mask).all()


def test_bad_masks(tmp_path: Path) -> None:
    index = _index("dots.png", (640, 480), _dots(tmp_path, (640, 480)))
    with pytest.raises(DataError, match="no such folder of ignore masks"):
        SampleMaker(index, tmp_path, sample_settings(), tmp_path / "masks")
    (tmp_path / "masks").mkdir()
    maker = SampleMaker(index, tmp_path, sample_settings(), tmp_path / "masks")
    assert (maker.make(0, 0).valid_mask == 1).all()  # no file for this picture: drawn from the annotations
    cv2.imwrite(str(tmp_path / "masks" / "dots.png"), np.full((48, 64), 255, np.uint8))
    with pytest.raises(DataError, match="not an ignore mask of 640x480"):
        maker.make(0, 0)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 40, seed=8, sizes=[(240, 180), (180, 240)])
    return folder


def _maker(folder: Path, **changes: object) -> SampleMaker:
    settings = sample_settings(insize=128, **changes)  # type: ignore[arg-type]
    return SampleMaker(
        index_annotations(folder / "annotations" / "person_keypoints.json", SELECTION), folder / "images", settings
    )


def test_a_sample_is_a_function_of_seed_epoch_and_index(drawn: Path) -> None:
    one, other = _maker(drawn), _maker(drawn)
    one.make(5, 1)  # what was made before does not matter
    for index, epoch in ((0, 0), (3, 2), (0, 1)):
        assert all((a == b).all() for a, b in zip(one.make(index, epoch), other.make(index, epoch)))
    assert (one.make(0, 0).image != one.make(0, 1).image).any()
    assert (one.make(0, 0).image != _maker(drawn, seed=2).make(0, 0).image).any()


def test_shapes_types_and_ranges(drawn: Path) -> None:
    maker = _maker(drawn)
    for index in range(len(maker)):
        image, heatmaps, pafs, valid_mask = maker.make(index, 0)
        assert image.shape == (3, 128, 128)
        assert heatmaps.shape == (19, 16, 16)
        assert pafs.shape == (38, 16, 16)
        assert valid_mask.shape == (1, 16, 16)
        assert image.dtype == np.uint8
        assert heatmaps.dtype == pafs.dtype == valid_mask.dtype == np.float32
        assert 0 <= heatmaps.min() <= heatmaps.max() <= 1
        assert np.abs(pafs).max() <= 1
        assert all(v.flags.c_contiguous for v in (image, heatmaps, pafs, valid_mask))


def test_a_broken_picture_is_replaced_the_same_way_each_time(drawn: Path, tmp_path: Path, caplog: object) -> None:
    (tmp_path / "images").mkdir()
    for path in (drawn / "images").iterdir():
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    index = index_annotations(drawn / "annotations" / "person_keypoints.json", SELECTION)
    bad = tmp_path / "images" / str(index.names[4])
    bad.write_bytes(bad.read_bytes()[:-300])
    settings = sample_settings(insize=128)
    one, other = (SampleMaker(index, tmp_path / "images", settings) for _ in range(2))
    first = one.make(4, 3)
    other.make(1, 0)
    assert all((a == b).all() for a, b in zip(first, other.make(4, 3)))
    assert list(one.broken) == [str(bad)]
    assert "truncated" in one.broken[str(bad)]


def test_each_broken_picture_is_logged_once(drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    maker = SampleMaker(
        index_annotations(drawn / "annotations" / "person_keypoints.json", SELECTION).take(np.array([0, 1])),
        tmp_path,
        sample_settings(insize=64, missing_pictures_max=0.6),
    )
    good, bad = (str(name) for name in maker.index.names)
    (tmp_path / good).write_bytes((drawn / "images" / good).read_bytes())
    (tmp_path / bad).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        for epoch in range(5):
            maker.make(1, epoch)
    assert len(caplog.records) == 1
    assert "0 bytes" in caplog.text


def test_too_many_broken_pictures_stop(drawn: Path, tmp_path: Path) -> None:
    maker = SampleMaker(
        index_annotations(drawn / "annotations" / "person_keypoints.json", SELECTION),
        tmp_path,  # none of them is here
        sample_settings(insize=64),
    )
    with pytest.raises(DataError, match=r"5 of 40 pictures cannot be read \(allowed: 4\).*no such file"):
        maker.make(0, 0)


def test_a_picture_of_another_size_than_annotated_is_broken(tmp_path: Path) -> None:
    joints = _dots(tmp_path, (320, 240))
    maker = SampleMaker(_index("dots.png", (640, 480), joints), tmp_path, sample_settings())
    with pytest.raises(DataError, match="320x240 where 640x480 is annotated"):
        maker.make(0, 0)


@pytest.mark.parametrize("side", [0, 4, 100])
def test_input_sides_are_whole_cells(side: int) -> None:
    with pytest.raises(DataError, match=f"insize={side}"):
        sample_settings(insize=side)


def _standing(*unlabelled: J) -> np.ndarray:
    joints = np.array(standing_person(150, 40, 200))
    joints[:, 2] = 2
    joints[list(unlabelled)] = 0
    return joints


@pytest.mark.parametrize(("flip", "unknown", "known"), [(0, J.LeftEar, J.RightEar), (1, J.RightEar, J.LeftEar)])
def test_a_joint_nobody_has_labelled_is_left_out_on_its_side_of_a_flipped_view(
    tmp_path: Path, flip: float, unknown: J, known: J
) -> None:
    settings = sample_settings(insize=128, flip_probability=flip)
    maker = SampleMaker(_index("a.jpg", (400, 300), _standing(J.LeftEar)), tmp_path, settings)
    view = maker.view(0, random.Random(1))
    assert view.flipped == bool(flip)
    heatmaps, pafs, _ = maker.targets(0, view)
    assert (heatmaps[unknown] == UNKNOWN).all()
    assert (heatmaps[known] != UNKNOWN).all()
    assert (pafs == UNKNOWN).any()


def test_settings_decide_what_is_unknown(tmp_path: Path) -> None:
    two = _index("a.jpg", (400, 300), _standing())
    people = np.array([_standing(), _standing(J.LeftHand)], np.float32)
    two = replace(two, persons=Ragged(people, np.array([0, 2])))
    view = SampleMaker(two, tmp_path, sample_settings(insize=128, augment=False)).view(0, random.Random(1))
    targets = {
        changes: SampleMaker(two, tmp_path, sample_settings(insize=128, augment=False, **dict(changes))).targets(
            0, view
        )
        for changes in ((), (("unlabelled_joints", "unknown"),), (("ignore_unannotated", True),))
    }
    plain, unlabelled, ignoring = targets.values()
    assert (plain[0] != UNKNOWN).all()
    assert plain[2].all()
    assert (unlabelled[0][J.LeftHand] == UNKNOWN).any()
    assert unlabelled[2].all()
    assert (ignoring[0] != UNKNOWN).all()
    assert 0.05 < ignoring[2].mean() < 0.9
