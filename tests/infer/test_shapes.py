"""Bounded compiles: pictures of any size in a few input shapes, with keypoints as without padding and batches."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from src.actions import find_action
from src.data.images import read_picture
from src.errors import ConfigError
from src.infer.finishing import find_persons
from src.infer.forward import PoseNetwork, load_model
from src.infer.run import judge_pictures
from src.infer.shapes import PADDING, canonical_fit, canonical_shapes, fit_picture, tight_fit
from src.model_utils.config import parse_config
from src.pose.grid import Fit
from src.progress import StageTimes
from tests.infer.fakes import FakeNetwork

RNG = np.random.default_rng(7)
SIZES = [(int(w), int(h)) for w, h in RNG.integers(60, 900, (60, 2))]


@pytest.mark.parametrize("multiple", [8, 16])
@pytest.mark.parametrize("choose", [tight_fit, canonical_fit])
def test_pictures_are_padded_never_distorted(choose: object, multiple: int) -> None:
    for width, height in [*SIZES, (1, 1), (5000, 3), (3, 5000), (368, 368), (10_000, 6000)]:
        fit: Fit = choose(width, height, 368, multiple)  # type: ignore[operator]
        assert fit.input_width % multiple == fit.input_height % multiple == 0
        assert 1 <= fit.scaled_width <= fit.input_width
        assert 1 <= fit.scaled_height <= fit.input_height
        assert min(fit.scaled_width, fit.scaled_height) <= 368
        # Sides are whole pixels: apart from that rounding both scales are the same.
        if min(fit.scaled_width, fit.scaled_height) > 1:
            assert abs(fit.scale_x * height - fit.scale_y * height) <= 1.01 * max(1, height / width)


def test_tight_inputs_are_bounded_and_nearly_as_large_as_wanted() -> None:
    for width, height in SIZES:
        fit = tight_fit(width, height, 368, 16)
        assert fit.input_width * fit.input_height <= 368 * 368 * 3 + 16 * 16 * 100
        if max(width, height) < 3 * min(width, height):
            assert min(fit.scaled_width, fit.scaled_height) > 368 - 16


def test_canonical_inputs_take_at_most_four_shapes_whatever_the_sizes() -> None:
    shapes = {(fit.input_height, fit.input_width) for fit in (canonical_fit(w, h, 368, 16) for w, h in SIZES)}
    assert shapes <= set(canonical_shapes(368, 16))
    assert len(shapes) == 4


def test_aspects_can_be_chosen() -> None:
    shapes = canonical_shapes(368, 16, [1.0, 2.0])
    assert shapes == [(368, 368), (368, 736), (736, 368)]
    for size, shape in (((500, 400), (368, 736)), ((400, 400), (368, 368)), ((300, 900), (736, 368))):
        fit = canonical_fit(*size, 368, 16, [1.0, 2.0])
        assert (fit.input_height, fit.input_width) == shape


def test_the_settings_aspects_are_the_usual_ones() -> None:
    config = parse_config([], "test")
    for insize, multiple in itertools.product(range(64, 1025, 8), (8, 16)):
        assert canonical_shapes(insize, multiple, config.bucket_aspects) == canonical_shapes(insize, multiple)
    with pytest.raises(ConfigError, match=r"bucket_aspects: 0\.5 is too small"):
        parse_config(["--bucket_aspects=0.5"], "test")
    with pytest.raises(ConfigError, match=r"bucket_aspects: give (at least one|1 to)"):
        parse_config(["--bucket_aspects="], "test")


def test_padding_is_grey_and_the_picture_whole() -> None:
    picture = np.full((100, 50, 3), 200, np.uint8)
    fit = canonical_fit(50, 100, 128, 16)
    fitted = fit_picture(picture, fit)
    assert (fitted[: fit.scaled_height, : fit.scaled_width] == 200).all()
    assert (fitted[:, fit.scaled_width :] == PADDING).all()
    assert (fitted[fit.scaled_height :] == PADDING).all()


def test_one_bright_dot_comes_back_to_where_it_was() -> None:
    for width, height in SIZES[:20]:
        x, y = width // 3, height // 4
        for choose in (tight_fit, canonical_fit):
            fit = choose(width, height, 368, 8)
            picture = np.zeros((height, width, 3), np.uint8)
            cv2.circle(picture, (x, y), max(2, round(2 / fit.scale_x)), (255, 255, 255), cv2.FILLED)
            fitted = fit_picture(picture, fit)[: fit.scaled_height, : fit.scaled_width, 0].astype(float)
            rows, columns = np.indices(fitted.shape)
            centre = np.array([(columns * fitted).sum(), (rows * fitted).sum()]) / fitted.sum()
            assert np.abs(fit.to_picture(centre) - (x, y)).max() * fit.scale_x < 0.5


def sized_pictures(shared: Path, folder: Path, count: int) -> list[str]:
    """`count` files of 60 different sizes, cut or scaled from real photographs."""
    folder.mkdir()
    photographs = [read_picture(path) for path in sorted((shared / "data/coco_sample").glob("0*.jpg"))]
    names = []
    for i in range(count):
        size = (SIZES[i % 60][0] // 3, SIZES[i % 60][1] // 3)  # small, to be quick
        picture = cv2.resize(photographs[i % 4], size, interpolation=cv2.INTER_AREA)
        names.append(f"{i:03d}.jpg")
        cv2.imwrite(str(folder / names[-1]), picture)
    return names


def compiled_graphs(network: PoseNetwork) -> int:
    """Graphs that MindSpore itself has kept for the network."""
    return len(network._cell.compile_cache)


@pytest.mark.mindspore
@pytest.mark.parametrize(("kind", "at_most"), [("buckets", 4), ("dynamic", 1)])
def test_200_pictures_of_60_sizes_need_few_compiles(
    kind: str, at_most: int, shared: Path, checkpoint: Path, tmp_path: Path
) -> None:
    names = sized_pictures(shared, tmp_path / "pics", 200)
    network = load_model(checkpoint, "mobilenet_v2", device_target="CPU", insize=64, input_shapes=kind, batch_size=4)
    action = find_action("climb_up")
    results = list(judge_pictures(network, tmp_path / "pics", names, tmp_path / "out", action, StageTimes()))
    assert sorted(result.file for result in results) == names
    assert all(result.status == "ok" for result in results)
    assert 1 <= network.compiles <= at_most
    assert compiled_graphs(network) == network.compiles


def matched_distance(poses: np.ndarray, others: np.ndarray, fit: Fit) -> list[float]:
    """For each pose, input pixels between its sure joints and the nearest of the other poses', away from the border."""
    distances = []
    for pose in poses:
        sure = pose[:, 2] > 0.3
        inner = (pose[:, :2] > 0.12 * np.array([fit.width_px, fit.height_px])).all(axis=1)
        inner &= (pose[:, :2] < 0.88 * np.array([fit.width_px, fit.height_px])).all(axis=1)
        for other in others:
            both = sure & inner & (other[:, 2] > 0.3)
            if both.sum() >= 5 and np.median(np.abs(pose[both] - other[both])[:, :2]) < 20:
                distances += (np.hypot(*(pose[both, :2] - other[both, :2]).T) * fit.scale_x).tolist()
    return distances


@pytest.mark.mindspore
def test_padding_and_batches_do_not_move_keypoints(shared: Path, checkpoint: Path) -> None:
    padded = load_model(checkpoint, "mobilenet_v2", device_target="CPU", input_shapes="buckets", batch_size=2)
    plain = load_model(checkpoint, "mobilenet_v2", device_target="CPU", input_shapes="dynamic")
    compared: list[float] = []
    for path in sorted((shared / "data/coco_sample").glob("0*.jpg")):
        photograph = read_picture(path)
        # Cut so that at this scale whole multiples of 16 come out: nothing needs padding.
        scale = 368 / photograph.shape[0]
        width = int(photograph.shape[1] * scale) // 16 * 16
        picture = cv2.resize(photograph, (int(photograph.shape[1] * scale), 368))[:, :width]
        bare = Fit(width, 368, width, 368, width, 368)
        expected, _ = find_persons(plain.forward([picture])[0], bare, plain.decode_settings)
        fit = padded.fit(width, 368)
        assert (fit.scaled_width, fit.scaled_height) == (width, 368)
        assert fit.input_width > width, "this picture is padded"
        maps = padded.forward([fit_picture(picture[:, ::-1], fit), fit_picture(picture, fit)])[1]
        poses, _ = find_persons(maps, fit, padded.decode_settings)
        compared += matched_distance(expected, poses, fit)
    assert len(compared) > 40
    assert max(compared) < 1.0


@pytest.mark.mindspore
def test_short_batches_give_what_full_ones_give(shared: Path, checkpoint: Path) -> None:
    network: PoseNetwork = load_model(
        checkpoint, "mobilenet_v2", device_target="CPU", insize=128, input_shapes="buckets", batch_size=3
    )
    pictures = [read_picture(path) for path in sorted((shared / "data/coco_sample").glob("0*.jpg"))[:3]]
    inputs = [fit_picture(picture, network.fit(picture.shape[1], picture.shape[0])) for picture in pictures]
    full = network.forward(inputs)
    alone = [network.forward([one])[0] for one in inputs]
    assert network.compiles == 1
    for a, b in zip(full, alone):
        assert np.allclose(a.heatmaps, b.heatmaps, atol=1e-4)
        assert np.allclose(a.pafs, b.pafs, atol=1e-4)
    with pytest.raises(ValueError, match="batch holds"):
        network.forward([*inputs, inputs[0]])


def test_padding_yields_no_keypoints() -> None:
    """A network that sees joints everywhere, on the padding most of all."""
    network = FakeNetwork(dynamic=False)
    fit = network.fit(40, 300)
    maps = network.forward([fit_picture(np.zeros((300, 40, 3), np.uint8), fit)])[0]
    poses, _ = find_persons(maps, fit, network.decode_settings)
    assert fit.scaled_width < fit.input_width * 0.4, "the drawn person stands on the padding"
    found = poses[poses[..., 2] > 0]
    assert (found[:, 0] < 40).all()
