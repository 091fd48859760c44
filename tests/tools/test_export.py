"""Exported files say what the checkpoint says, and what cannot be exported is said before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

import src.net.exporting
from src.net.exporting import Doubling, Sample
from src.tools.export import main

pytestmark = pytest.mark.usefixtures("on_cpu")


def export(checkpoint: Path, name: Path, *more: str, network: str = "mobilenet_v2") -> int:
    base = [f"--checkpoint={checkpoint}", f"--file_name={name}", f"--network={network}", "--stages=1"]
    return main([*base, "--device_target=CPU", *more])


def test_mindir_with_a_fixed_shape(small_checkpoint: Path, tmp_path: Path, capsys: Any) -> None:
    assert export(small_checkpoint, tmp_path / "m", "--height=64", "--width=96") == 0
    assert "loaded again: outputs within" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["m.mindir"]
    assert export(small_checkpoint, tmp_path / "m", "--height=64", "--width=96") == 2
    assert "--force" in capsys.readouterr().err


def test_mindir_that_takes_any_shape(small_checkpoint: Path, tmp_path: Path) -> None:
    assert export(small_checkpoint, tmp_path / "m", "--dynamic", "--height=64", "--width=96") == 0
    cell = nn.GraphCell(ms.load(str(tmp_path / "m.mindir")))
    pafs, heatmaps = cell(ms.Tensor(np.zeros((2, 3, 48, 80), np.uint8)))
    assert pafs.shape == (2, 38, 6, 10)
    assert heatmaps.shape == (2, 19, 6, 10)


def test_onnx_answers_in_a_program_of_its_own(small_checkpoint: Path, tmp_path: Path) -> None:
    assert export(small_checkpoint, tmp_path / "m", "--file_format=ONNX", "--height=64", "--width=96") == 0
    network = cv2.dnn.readNetFromONNX(str(tmp_path / "m.onnx"))
    pictures = np.random.default_rng(5).integers(0, 256, (1, 3, 64, 96), np.uint8)
    network.setInput(pictures)
    given = network.forward(network.getUnconnectedOutLayersNames())
    from src.infer.forward import load_model

    model = load_model(small_checkpoint, "mobilenet_v2", 1, device_target="CPU", input_shapes="buckets")
    maps = model.forward([np.ascontiguousarray(pictures[0].transpose(1, 2, 0))])[0]
    np.testing.assert_allclose(given[0][0], maps.pafs, atol=1e-5)
    np.testing.assert_allclose(given[1][0], maps.heatmaps, atol=1e-5)


def test_doubling_is_the_bilinear_operator() -> None:
    x = ms.Tensor(np.random.default_rng(1).normal(size=(2, 3, 5, 7)).astype(np.float32))
    wanted = ms.ops.ResizeBilinearV2(align_corners=False, half_pixel_centers=False)(x, (10, 14))
    np.testing.assert_allclose(Doubling()(x, (10, 14)).asnumpy(), wanted.asnumpy(), atol=1e-6)


def test_a_file_that_says_something_else_is_not_passed(
    small_checkpoint: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.onnx").write_bytes(b"the last good one")
    pictures, maps = np.zeros((1, 3, 64, 96), np.uint8), np.ones((1, 19, 8, 12), np.float32)

    def write(_: object, path: Path, *__: object) -> Path:
        path.with_suffix(".onnx").write_bytes(b"new")
        return path.with_suffix(".onnx")

    monkeypatch.setattr(src.net.exporting, "export_network", write)
    monkeypatch.setattr(src.net.exporting, "sample_outputs", lambda *_: [Sample(pictures, [maps])])
    for given in (maps * 1.01, maps * np.nan, maps[:, :18]):
        monkeypatch.setattr(src.net.exporting, "_loaded", lambda *_, given=given: lambda _: [given])
        arguments = ["--file_format=ONNX", "--height=64", "--width=96", "--force"]
        assert export(small_checkpoint, tmp_path / "m", *arguments) == 2
        assert "m.onnx: " in capsys.readouterr().err
        assert (tmp_path / "m.onnx").read_bytes() == b"the last good one"
    monkeypatch.setattr(src.net.exporting, "_loaded", lambda *_: lambda _: [maps * np.float32(1.0001)])
    assert export(small_checkpoint, tmp_path / "m", *arguments) == 0
    assert (tmp_path / "m.onnx").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file_format=AIR"], "needs Ascend; here MINDIR and ONNX work"),
        (["--file_format=ONNX", "--dynamic"], "fixed shapes only"),
        (["--height=100"], "height: 100 must be a multiple of 16"),
        (["--stages=2"], "--stages=1"),
        (["--file_format=onnx"], "choose from"),
        (["--widht=64"], "did you mean --width"),
        (["--batch_size=0"], "batch_size"),
    ],
)
def test_what_cannot_be_is_said_first(
    small_checkpoint: Path, tmp_path: Path, capsys: Any, arguments: list[str], message: str
) -> None:
    assert export(small_checkpoint, tmp_path / "m", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert not list(tmp_path.iterdir())
