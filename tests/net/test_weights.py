"""Loading weights: what fits is loaded and counted, what does not is named, and damage never goes unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import mindspore as ms
import numpy as np
import pytest

from src.errors import CheckpointError, OutputError
from src.net.build import build_network
from src.net.weights import (
    load_all_weights,
    load_weights,
    network_weights,
    read_checkpoint,
    vgg_backbone_weights,
)
from src.train.checkpoints import checkpoint
from src.train.checkpoints.checkpoint import write_checkpoint
from src.train.checkpoints.manifest import CheckpointName


def parameter(name: str, shape: tuple[int, ...] = (2,)) -> ms.Parameter:
    return ms.Parameter(ms.Tensor(np.ones(shape, np.float32)), name=name)


pytestmark = pytest.mark.usefixtures("on_cpu")


def test_round_trip(small_checkpoint: Path) -> None:
    ms.set_seed(6)
    other = build_network("mobilenet_v2", 1)
    before = {p.name: p.asnumpy().copy() for p in other.get_parameters()}
    report = load_all_weights(other, small_checkpoint, "mobilenet_v2", 1)
    ms.set_seed(5)
    original = {p.name: p.asnumpy() for p in build_network("mobilenet_v2", 1).get_parameters()}
    assert set(report.loaded) == set(original)
    assert any(not np.array_equal(before[name], original[name]) for name in original)
    for p in other.get_parameters():
        assert np.array_equal(p.asnumpy(), original[p.name])


def test_optimizer_entries_go_and_the_prefix_is_stripped() -> None:
    names = [
        "moments.base.w",
        "moment1.base.w",
        "moment2.network.base.w",
        "global_step",
        "learning_rate",
        "beta1_power",
        "beta2_power",
        "momentum",
        "network.base.w",
        "stage_1.b",
    ]
    assert list(network_weights({name: parameter(name) for name in names})) == ["base.w", "stage_1.b"]


def test_the_report_names_what_did_not_fit() -> None:
    network = build_network("mobilenet_v2", 1)
    own = {p.name: p for p in network.get_parameters()}
    fitting = "base.conv.bn.gamma"
    report = load_weights(
        network,
        {
            fitting: parameter(fitting, own[fitting].shape),
            "base.conv.bn.beta": parameter("base.conv.bn.beta", (3, 3)),
            "stranger": parameter("stranger"),
        },
        "some.ckpt",
    )
    assert report.loaded == (fitting,)
    assert report.other_shape == ("base.conv.bn.beta",)
    assert report.surplus == ("stranger",)
    assert len(report.missing) == len(own) - 2
    assert "1 parameters loaded" in str(report)
    assert "stranger" in str(report)
    assert np.all(own[fitting].asnumpy() == 1)


def test_nothing_fitting_is_an_error_with_both_name_lists() -> None:
    with pytest.raises(CheckpointError) as caught:
        load_weights(build_network("mobilenet_v2", 1), {"a.b": parameter("a.b")}, "some.ckpt")
    for word in ("some.ckpt", "a.b", "base.conv.conv.weight", "more"):
        assert word in str(caught.value)


def test_a_vgg_classification_checkpoint_fills_the_backbone() -> None:
    weights = vgg_backbone_weights(
        {
            name: parameter(name, shape)
            for name, shape in {
                "network.backbone.layers.0.weight": (64, 3, 3, 3),
                "layers.2.bias": (64,),
                "classifier.0.weight": (4096, 25088),
            }.items()
        }
    )
    assert sorted(weights) == ["base.vgg_base.layers.0.weight", "base.vgg_base.layers.2.bias"]


def test_the_other_network_is_refused_with_what_to_pass(small_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="--network=mobilenet_v2 --stages=1"):
        load_all_weights(build_network("mobilenet_v2", 2), small_checkpoint, "mobilenet_v2", 2)


def test_a_foreign_checkpoint_of_the_other_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.ckpt"
    ms.save_checkpoint(build_network("mobilenet_v2", 1), str(path))
    with pytest.raises(CheckpointError, match="nothing in it fits"):
        load_all_weights(build_network("vgg19", 1), path, "vgg19", 1)
    with pytest.raises(CheckpointError, match="does not fit network=mobilenet_v2 stages=2"):
        load_all_weights(build_network("mobilenet_v2", 2), path, "mobilenet_v2", 2)


def test_damage_is_named(small_checkpoint: Path, tmp_path: Path) -> None:
    whole = small_checkpoint.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0x10
    damaged = {
        "absent.ckpt": None,
        "empty.ckpt": b"",
        "text.ckpt": b"<html>not found</html>",
        "cut.ckpt": whole[: len(whole) // 2],
        "nearly.ckpt": whole[:-40],
        "flipped.ckpt": bytes(flipped),
    }
    for name, content in damaged.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError) as caught:
            load_all_weights(build_network("mobilenet_v2", 1), path, "mobilenet_v2", 1)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_metadata_comes_back(small_checkpoint: Path) -> None:
    parameters, meta = read_checkpoint(small_checkpoint)
    assert (meta["network"], meta["stages"]) == ("mobilenet_v2", 1)
    assert meta["parameter_count"] == len(parameters)


def test_writing_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"the only copy")

    def full_disk(file: BinaryIO, *_: object) -> str:
        file.write(b"the beginning")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_entries", full_disk)
    with pytest.raises(OutputError, match=r"model\.ckpt.*No space left"):
        write_checkpoint(build_network("mobilenet_v2", 1), path, {})
    assert path.read_bytes() == b"the only copy"
    assert [p.name for p in tmp_path.iterdir()] == ["model.ckpt"]


def test_checkpoint_names() -> None:
    name = CheckpointName(rank=3, epoch=1000, step=103)
    assert str(name) == "openpose-train-rank3-1000_103.ckpt"
    assert CheckpointName.parse(str(name)) == name
    assert CheckpointName.parse("openpose-train-rank-1000_103.ckpt") is None
    assert CheckpointName.parse("model.ckpt") is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(small_checkpoint: Path, tmp_path: Path, value: float) -> None:
    parameters, meta = read_checkpoint(small_checkpoint)
    name = sorted(parameters)[3]
    broken = parameters[name].asnumpy().copy()
    broken.reshape(-1)[-1] = value
    parameters[name].set_data(ms.Tensor(broken))
    path = tmp_path / "diverged.ckpt"
    write_checkpoint(parameters.values(), path, {"network": meta["network"], "stages": meta["stages"]})
    network = build_network("mobilenet_v2", 1)
    before = {p.name: p.asnumpy().copy() for p in network.get_parameters()}
    with pytest.raises(CheckpointError, match=f"diverged.ckpt: {name} is not finite"):
        load_all_weights(network, path, "mobilenet_v2", 1)
    assert all(np.array_equal(p.asnumpy(), before[p.name]) for p in network.get_parameters())
