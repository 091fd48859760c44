"""Published weights of every kind arrive where they belong, and are proved by numbers."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from src.errors import CheckpointError
from src.tools.import_weights import main
from src.tools.weights.files import read_arrays
from src.tools.weights.name_mapping import arrange, body_model_layers
from tests.fakes.body_model import random_body_model

Arrays = dict[str, NDArray[Any]]
TORCH_FILES = Path(__file__).with_name("torch_files")


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "nested.pth"])
def test_files_that_pytorch_wrote(name: str) -> None:
    """Written by PyTorch 2.13: today's archive, the format before 1.6, and a dictionary around the state."""
    arrays = read_arrays(TORCH_FILES / name)
    whole = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    expected: Arrays = {
        "conv1_1.weight": whole,
        "conv1_1.bias": np.array([0.5, -1.5], np.float32),
        "turned": whole.transpose(2, 0, 1),
        "part": whole[1, 1:, :2],
        "half": np.array([1, -2.5], np.float16),
        "brain": np.array([1, -2.5, 3.140625], np.float32),
        "double": np.array([1e-3]),
        "count": np.array(7),
        "empty": np.zeros((0, 3), np.float32),
        "truth": np.array([True, False]),
    }
    assert list(arrays) == list(expected)
    for key, array in expected.items():
        np.testing.assert_array_equal(arrays[key], array)
        assert arrays[key].dtype == array.dtype


class Evil:
    """A pickle of this would run a command when read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, capsys: Any) -> None:
    trace = tmp_path / "ran"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"w": Evil(trace)}))
    with zipfile.ZipFile(tmp_path / "evil2.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil(trace)))
    for name, reason in (("evil.pth", "not a PyTorch file"), ("evil2.pth", "not only tensors")):
        assert import_to(tmp_path / "o.ckpt", tmp_path / name, "vgg19") == 2
        assert reason in capsys.readouterr().err
    assert not trace.exists()
    assert import_to(tmp_path / "o.ckpt", TORCH_FILES / "model.pth", "vgg19") == 2
    assert "state_dict()" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_no_damaged_torch_file_gets_through(tmp_path: Path, name: str) -> None:
    whole = (TORCH_FILES / name).read_bytes()
    expected = read_arrays(TORCH_FILES / name)
    rng = np.random.default_rng(0)
    damaged = tmp_path / name
    for length in [0, 1, 10, *rng.integers(11, len(whole) - 1, 25).tolist()]:
        damaged.write_bytes(whole[:length])
        with pytest.raises(Exception, match=name):
            read_arrays(damaged)
    for position in rng.integers(0, len(whole), 60).tolist():
        damaged.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            arrays = read_arrays(damaged)
        except CheckpointError:
            continue
        assert {a.size for a in arrays.values()} <= {a.size for a in expected.values()} | {0, 1, 2, 3}


def import_to(target: Path, source: Path, network: str, *more: str) -> int:
    return main([f"--input={source}", f"--network={network}", f"--output={target}", *more])


@pytest.fixture(scope="module")
def body_model() -> Arrays:
    return random_body_model()


def write_npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def write_safetensors(path: Path, arrays: Arrays) -> Path:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def in_blocks(name: str) -> str:
    """The name a PyTorch port's module has for a key."""
    return f"module.model1_1.{name}" if "stage" not in name else f"model2_2.{name}"


def tensorflow(arrays: Arrays) -> Arrays:
    kinds = {"weight": "weights", "bias": "biases"}
    return {
        f"openpose/{name.rsplit('.', 1)[0]}/{kinds[name.rsplit('.', 1)[1]]}": a.transpose(2, 3, 1, 0)
        if a.ndim == 4
        else a
        for name, a in arrays.items()
    }


@pytest.mark.parametrize(
    ("write", "rename"),
    [
        (write_npz, lambda arrays: arrays),
        (write_safetensors, lambda arrays: {in_blocks(name): array for name, array in arrays.items()}),
        (write_npz, tensorflow),
    ],
    ids=["npz", "safetensors of a port", "tensorflow"],
)
def test_body_model_answers_as_it_was_trained(
    tmp_path: Path, body_model: Arrays, write: Callable[..., Path], rename: Callable[[Arrays], Arrays]
) -> None:
    source = write(tmp_path / "body", rename(body_model))
    own = {
        f"{layer}.{kind}": f"{name}.{kind}"
        for layer, name in body_model_layers().items()
        for kind in ("weight", "bias")
    }
    shapes = {name: body_model[key].shape for name, key in own.items() if key in body_model}
    arranged = arrange("vgg19", shapes, read_arrays(source), source)
    first = "base.vgg_base.layers.0"
    for name in shapes:
        if not name.startswith(first + "."):
            np.testing.assert_array_equal(arranged[name], body_model[own[name]])
    patch = np.random.default_rng(0).integers(0, 256, (3, 3, 3)).astype(np.float64)
    published = (body_model["conv1_1.weight"] * (patch / 256 - 0.5)).sum(axis=(1, 2, 3)) + body_model["conv1_1.bias"]
    ours = (arranged[f"{first}.weight"] * (patch / 255 - 0.5)).sum(axis=(1, 2, 3)) + arranged[f"{first}.bias"]
    np.testing.assert_allclose(ours, published, atol=1e-5)


def test_body_model_becomes_a_checkpoint(tmp_path: Path, body_model: Arrays) -> None:
    source = write_npz(tmp_path / "body", body_model)
    assert import_to(tmp_path / "body.ckpt", source, "vgg19", "--stages=1") == 0
    from src.net.weights import read_checkpoint

    parameters, meta = read_checkpoint(tmp_path / "body.ckpt")
    assert (meta["network"], meta["stages"], meta["imported_from"]) == ("vgg19", 1, "body.npz")
    np.testing.assert_array_equal(parameters["stage_1.conv5_CPM_L2.bias"].asnumpy(), body_model["conv5_5_CPM_L2.bias"])


def test_layer_table_is_the_published_model() -> None:
    """12 + 10 + 5 · 14 convolutions, named as in the published prototxt."""
    layers = list(body_model_layers().values())
    assert len(layers) == len(set(layers)) == 92
    vgg = "conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv3_4 conv4_1 conv4_2 conv4_3_CPM conv4_4_CPM"
    assert layers[:12] == vgg.split()
    assert {"conv5_5_CPM_L2", "Mconv1_stage2_L1", "Mconv7_stage6_L2"} < set(layers)


def test_what_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path, body_model: Arrays, capsys: Any) -> None:
    target = tmp_path / "o.ckpt"
    cases: list[tuple[Arrays, str]] = [
        ({k: v for k, v in body_model.items() if k != "conv4_4_CPM.bias"}, "holds no conv4_4_CPM.bias"),
        ({**body_model, "conv3_2.weight": body_model["conv3_1.weight"]}, "conv3_2.weight has shape"),
        ({**body_model, "conv3_2.bias": np.full(256, np.nan, np.float32)}, "no numbers"),
        ({"something": np.zeros(3)}, "holds no base.vgg_base.layers.0.weight"),
    ]
    for arrays, message in cases:
        assert import_to(target, write_npz(tmp_path / "bad", arrays), "vgg19", "--stages=1") == 2
        assert message in capsys.readouterr().err
    for name, content in (("x.npz", b"PK"), ("x.safetensors", b"\xff" * 40), ("x.pth", b""), ("x.bin", b"")):
        (tmp_path / name).write_bytes(content)
        assert import_to(target, tmp_path / name, "vgg19") == 2
        error = capsys.readouterr().err
        assert name in error
        assert error.count("\n") == 1
    assert import_to(target, tmp_path / "none.npz", "vgg19") == 2
    assert not target.exists()


def test_safetensors_that_lie_about_their_places(tmp_path: Path) -> None:
    def write(entry: dict[str, Any]) -> Path:
        header = json.dumps({"w": entry, "__metadata__": {"format": "pt"}}).encode()
        path = tmp_path / "w.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + np.arange(3, dtype="<f4").tobytes())
        return path

    good = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    np.testing.assert_array_equal(read_arrays(write(good))["w"], [0, 1, 2])
    brain = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}
    assert read_arrays(write(brain))["w"].shape == (2, 3)
    for bad in ({"shape": [4]}, {"data_offsets": [4, 16]}, {"data_offsets": [-12, 0]}, {"dtype": "F99"}):
        with pytest.raises(Exception, match=r"w\.safetensors"):
            read_arrays(write({**good, **bad}))


@pytest.mark.mindspore
def test_golden_outputs_prove_the_small_network(shared: Path, tmp_path: Path, capsys: Any) -> None:
    source = shared / "weights" / "openpose_mobilenet_v2.npz"
    golden = shared / "data" / "golden" / "000000000785.npz"
    assert import_to(tmp_path / "m.ckpt", source, "mobilenet_v2", f"--golden={golden}") == 0
    assert "000000000785: heatmaps within" in capsys.readouterr().out
    from src.net.weights import read_checkpoint

    assert len(read_checkpoint(tmp_path / "m.ckpt")[0]) > 300
    assert import_to(tmp_path / "m.ckpt", source, "mobilenet_v2") == 2
    assert "--force" in capsys.readouterr().err
    with np.load(golden) as stored:
        np.savez(tmp_path / "moved.npz", rgb=stored["rgb"], pafs=stored["pafs"], heatmaps=stored["heatmaps"] + 0.02)
    target = tmp_path / "n.ckpt"
    assert import_to(target, source, "mobilenet_v2", f"--golden={tmp_path / 'moved.npz'}") == 2
    assert "nothing was written" in capsys.readouterr().err
    assert not target.exists()
