"""Evaluation: pycocotools' own figures, offsets that show, and averaged maps that lie on top of each other."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import src.pose.persons
from src.data.drawn.dataset import draw_dataset
from src.infer.forward import Maps
from src.infer.multiscale import averaged_maps, mirror_pafs
from src.infer.shapes import tight_fit
from src.pose.encode import encode_pafs
from src.pose.grid import Fit, cell_to_input
from src.pose.skeleton import MIRROR, JointType
from src.tools.evaluate import CURVE_FILE, PREDICTIONS_FILE, SCORES_FILE, main
from src.tools.evaluation.ground_truth import read_ground_truth
from src.tools.evaluation.maps_file import maps_path
from src.tools.evaluation.scores import FIGURES, score_results


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), 12, seed=9)


def true_results(truth: Any, shift: tuple[float, float] = (0.0, 0.0), noise: float = 0.0) -> list[dict[str, Any]]:
    """The annotated persons as results, moved by `shift` and by random distances."""
    rng = np.random.default_rng(1)
    results = []
    for person in truth.anns.values():
        if person["num_keypoints"]:
            triples = np.array(person["keypoints"], float).reshape(-1, 3)
            triples[:, :2] += np.array(shift) + noise * rng.normal(size=(17, 2))
            keypoints = triples.reshape(-1).tolist()
            score = float(rng.uniform(0.2, 1))
            results.append({"image_id": person["image_id"], "category_id": 1, "keypoints": keypoints, "score": score})
    return results


def reference_stats(annotation_file: Path, results: Sequence[Any]) -> NDArray[np.float64]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotation_file))
        run = COCOeval(truth, truth.loadRes(list(results)), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_figures_are_those_of_pycocotools(annotations: Path, noise: float) -> None:
    truth = read_ground_truth(annotations)
    results = true_results(truth, noise=noise)[::2]
    scores = score_results(truth, results, sorted(truth.imgs))
    expected = dict(zip(FIGURES, reference_stats(annotations, results)))
    assert scores.figures == pytest.approx(expected, abs=1e-12)
    assert scores.sizes["medium"]["AP"] == pytest.approx(expected["AP medium"], abs=1e-12)
    assert scores.sizes["large"]["AR"] == pytest.approx(expected["AR large"], abs=1e-12)
    assert sum(scores.sizes[size]["persons"] for size in ("small", "medium", "large")) == scores.persons


def test_truth_scores_one_and_a_shift_is_measured(annotations: Path) -> None:
    truth = read_ground_truth(annotations)
    perfect = score_results(truth, true_results(truth), sorted(truth.imgs))
    assert perfect.figures["AP"] == pytest.approx(1)
    assert perfect.offset_px == (0, 0)
    assert all(joint.found == joint.close == joint.annotated for joint in perfect.joints)
    moved = score_results(truth, true_results(truth, (0.5, -0.25)), sorted(truth.imgs))
    assert moved.offset_px == pytest.approx((0.5, -0.25))
    assert moved.joints[0].error_px == pytest.approx(np.hypot(0.5, 0.25), abs=1e-3)


def test_one_bad_joint_shows_in_its_own_row(annotations: Path) -> None:
    truth = read_ground_truth(annotations)
    results = true_results(truth)
    wrist = 3 * 9
    for result in results:
        result["keypoints"][wrist] += 60
    scores = score_results(truth, results, sorted(truth.imgs))
    by_name = {joint.name: joint for joint in scores.joints}
    assert by_name["left_wrist"].dx_px == pytest.approx(60)
    assert by_name["left_wrist"].close < 0.2 * by_name["left_wrist"].annotated
    assert by_name["right_wrist"].dx_px == 0


def test_nothing_found_is_zero(annotations: Path) -> None:
    truth = read_ground_truth(annotations)
    scores = score_results(truth, [], sorted(truth.imgs))
    assert scores.figures["AP"] == scores.figures["AR"] == 0
    assert scores.persons > 10


def test_self_test_passes_and_fails_where_the_decoder_is_off(
    annotations: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [f"--jsonpath_val={annotations}", "--self_test"]
    assert main(arguments) == 0
    assert "self-test passed" in capsys.readouterr().out

    def off(xy_cell: NDArray[Any], stride: int) -> NDArray[Any]:
        return cell_to_input(xy_cell, stride) + 0.75

    monkeypatch.setattr(src.pose.persons, "cell_to_input", off)
    assert main(arguments) == 1
    assert "the decoder moves joints by" in capsys.readouterr().err


def test_stored_outputs_of_the_real_network(shared: Path, tmp_path: Path, capsys: Any) -> None:
    sample = shared / "data" / "coco_sample" / "person_keypoints.json"
    arguments = [f"--jsonpath_val={sample}", f"--network_outputs={shared / 'data' / 'golden'}"]
    assert main([*arguments, f"--output_path={tmp_path}"]) == 0
    assert "right_ankle" in capsys.readouterr().out
    scores = json.loads((tmp_path / SCORES_FILE).read_text())
    assert scores["figures"]["AP"] > 0.2
    assert scores["figures"]["AP50"] > 0.6
    results = json.loads((tmp_path / PREDICTIONS_FILE).read_text())
    assert reference_stats(sample, results) == pytest.approx(list(scores["figures"].values()), abs=1e-12)
    assert cv2.imread(str(tmp_path / CURVE_FILE)).std() > 5
    assert main([*arguments, f"--output_path={tmp_path}"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, f"--output_path={tmp_path}", "--force"]) == 0


def test_wrong_inputs_are_one_line(annotations: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "no.json").write_text("[1]")
    (tmp_path / "boxes.json").write_text('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "car"}]}')
    (tmp_path / "maps").mkdir()
    calls = [
        ["--jsonpath_val=/none.json"],
        [f"--jsonpath_val={tmp_path / 'no.json'}"],
        [f"--jsonpath_val={tmp_path / 'boxes.json'}"],
        [f"--jsonpath_val={annotations}"],
        [f"--jsonpath_val={annotations}", f"--network_outputs={tmp_path / 'none'}"],
        [f"--jsonpath_val={annotations}", f"--network_outputs={tmp_path / 'maps'}"],
        [f"--jsonpath_val={annotations}", "--network=resnet"],
        [f"--jsonpath_val={annotations}", "--checkpoint=m.ckpt", f"--imgpath_val={tmp_path / 'none'}"],
        [f"--jsonpath_val={annotations}", "--checkpoint=m.ckpt", f"--network_outputs={tmp_path}"],
        [f"--jsonpath_val={annotations}", "--flip", f"--network_outputs={tmp_path}"],
        [f"--jsonpath_val={annotations}", "--scales=nan", f"--network_outputs={tmp_path}"],
        [f"--jsonpath_val={annotations}", "--scales=0.5,1", f"--network_outputs={tmp_path}"],
        [f"--jsonpath_val={annotations}", "--max_pictures=0"],
        [],
    ]
    for call in calls:
        assert main(call) == 2, call
        assert capsys.readouterr().err.count("\n") == 1, call
    (tmp_path / "maps" / "000000000001.npz").write_bytes(b"PK\x03\x04 torn")
    assert main([f"--jsonpath_val={annotations}", f"--network_outputs={tmp_path / 'maps'}"]) == 2
    assert "000000000001.npz" in capsys.readouterr().err
    network = [f"--jsonpath_val={annotations}", "--checkpoint=m.ckpt", f"--imgpath_val={annotations.parent}"]
    assert main([*network, f"--save_network_outputs={tmp_path / 'maps'}"]) == 2
    assert "--force" in capsys.readouterr().err


def test_maps_of_equally_named_pictures_in_two_folders_are_kept_apart(tmp_path: Path) -> None:
    assert maps_path(tmp_path, "a/x.jpg") != maps_path(tmp_path, "b/x.jpg")


def test_mirrored_fields_are_the_fields_of_mirrored_persons() -> None:
    rng = np.random.default_rng(4)
    persons = np.ones((1, 18, 3))
    persons[..., :2] = rng.uniform(20, 300, size=(1, 18, 2))
    mirrored = persons[:, [int(joint) for joint in MIRROR]].copy()
    mirrored[..., 0] = 319 - mirrored[..., 0]
    fields = encode_pafs(persons, (40, 40), 8, 8.0)
    np.testing.assert_allclose(mirror_pafs(encode_pafs(mirrored, (40, 40), 8, 8.0))[:, :, ::-1], fields, atol=1e-6)


class DotNetwork:
    """Sees one thing: how green each cell is, and calls it a right eye."""

    def fit(self, width_px: int, height_px: int, scale: float = 1.0) -> Fit:
        return tight_fit(width_px, height_px, round(256 * scale), 16)

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> list[Maps]:
        maps = []
        for picture in inputs:
            green = cv2.resize(picture[..., 1], None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
            heatmaps = np.zeros((19, *green.shape), np.float32)
            heatmaps[JointType.RightEye] = green / 255
            maps.append(Maps(heatmaps, np.zeros((38, *green.shape), np.float32)))
        return maps


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.5), (2.0, 0.75)])
def test_scales_and_mirror_image_agree_about_a_place(scales: tuple[float, ...]) -> None:
    x_px, y_px, width, height = 171.0, 122.0, 401, 283
    y, x = np.mgrid[:height, :width]
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1] = 255 * np.exp(-((x - x_px) ** 2 + (y - y_px) ** 2) / (2 * 25.0**2))
    maps, fit = averaged_maps(picture, DotNetwork(), scales, flip=True)  # type: ignore[arg-type]
    assert fit == tight_fit(width, height, round(256 * max(scales)), 16)
    for joint in (JointType.RightEye, JointType.LeftEye):  # the mirror image's right eye is a left one
        heat = np.maximum(maps.heatmaps[joint].astype(float) - 0.3, 0)  # grey padding reaches 0.25
        rows, columns = np.mgrid[: heat.shape[0], : heat.shape[1]]
        centre = np.array([(columns * heat).sum(), (rows * heat).sum()]) / heat.sum()
        assert fit.to_picture(cell_to_input(centre)) == pytest.approx([x_px, y_px], abs=0.35)
    np.testing.assert_allclose(
        maps.heatmaps[JointType.RightEye][:-3, :-3], maps.heatmaps[JointType.LeftEye][:-3, :-3], atol=0.02
    )


@pytest.mark.mindspore
def test_checkpoint_at_two_scales_with_mirror_image(shared: Path, real_checkpoint: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "coco_sample"
    common = [f"--jsonpath_val={sample / 'person_keypoints.json'}", "--max_pictures=2"]
    network = [f"--checkpoint={real_checkpoint}", "--network=mobilenet_v2", f"--imgpath_val={sample}"]
    views = ["--scales=0.75,1", "--flip", f"--save_network_outputs={tmp_path / 'maps'}"]
    assert main([*common, *network, *views, f"--output_path={tmp_path / 'a'}"]) == 0
    scores = json.loads((tmp_path / "a" / SCORES_FILE).read_text())
    assert scores["figures"]["AP50"] > 0.5
    assert main([*common, f"--network_outputs={tmp_path / 'maps'}", f"--output_path={tmp_path / 'b'}"]) == 0
    again = json.loads((tmp_path / "b" / SCORES_FILE).read_text())
    assert again["figures"] == pytest.approx(scores["figures"], abs=0.03)
