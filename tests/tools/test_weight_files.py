"""Weights as trainers save them are told by content and found wherever they lie; hostile files cost one line."""

from __future__ import annotations

import argparse
import contextlib
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.errors import CheckpointError
from src.tools.weights.files import read_arrays
from src.tools.weights.name_mapping import arrange
from tests.fakes.torch_writer import Tensor, write_torch_file

W = {"a.weight": np.arange(6.0).reshape(2, 3), "a.bias": np.ones(2), "b.weight": np.full((1, 2), 0.5)}


def tensors(prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name: Tensor(array) for name, array in W.items()}


CONTENTS: dict[str, Any] = {
    "plain": tensors(),
    "beside a tensor": {"epoch": 3, "best_acc": Tensor(np.ones(1)), "state_dict": tensors()},
    "one level deeper": {"checkpoint": {"model": {"state_dict": tensors()}}, "lr": Tensor(0.1)},
    "optimizer and average": {
        "optimizer": {"state": {0: {"exp_avg": Tensor(np.ones(9)), "exp_avg_sq": Tensor(np.ones(9))}}},
        "ema": {name: Tensor(array + 1) for name, array in W.items()},
        "model": tensors(),
    },
    "a trainer's own objects": {
        "state_dict": tensors(),
        "hyper_parameters": argparse.Namespace(lr=0.1),
        "callbacks": {Path("x"): {1, 2}},
        "loops": [complex(1, 2), b"x", slice(1)],
    },
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", ["m.pth", "model_best.pth.tar", "pytorch_model.bin", "last.ckpt", "weights"])
def test_tensors_are_found_whatever_the_ending(tmp_path: Path, content: str, name: str) -> None:
    arrays = read_arrays(write_torch_file(tmp_path / name, CONTENTS[content]))
    assert list(arrays) == list(W)
    for key, array in W.items():
        np.testing.assert_array_equal(arrays[key], array)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_left_out(tmp_path: Path, prefix: str) -> None:
    path = write_torch_file(tmp_path / "m.pth", {**tensors(prefix), "loss.weight": Tensor(np.ones(3))})
    shapes = {name: array.shape for name, array in W.items()}
    arranged = arrange("vgg19", shapes, read_arrays(path), path)
    for name, array in W.items():
        np.testing.assert_array_equal(arranged[name], array)


def test_an_npz_and_a_safetensors_file_under_other_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **W)
    (tmp_path / "a.npz").rename(tmp_path / "a.weights")
    assert list(read_arrays(tmp_path / "a.weights")) == list(W)


def encrypted(path: Path) -> None:
    """The flag in both headers of every file says that it is encrypted."""
    write_torch_file(path, tensors())
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    path.write_bytes(data)


def foreign(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")


def damaged(path: Path) -> None:
    write_torch_file(path, tensors())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def bomb(path: Path) -> None:
    write_torch_file(path, {"w": Tensor(np.zeros(30_000_000))}, zipfile.ZIP_DEFLATED)


def storage_of_another_size(path: Path) -> None:
    write_torch_file(path, tensors())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", bytes(9_000_000))


HOSTILE: dict[str, tuple[Any, str]] = {
    "encrypted": (encrypted, "encrypted"),
    "foreign": (foreign, "foreign archive"),
    "damaged": (damaged, "PyTorch"),
    "bomb": (bomb, "larger than what it should hold"),
    "storage": (storage_of_another_size, "larger than what it should hold"),
    "repeated": (
        lambda p: write_torch_file(p, {"w": Tensor(np.ones(1), (10**6, 10**6), (0, 0))}),
        "larger than its st",
    ),
    "beyond": (lambda p: write_torch_file(p, {"w": Tensor(np.ones(4), (2, 2), (9, 1))}), "reaches beyond"),
    "negative": (lambda p: write_torch_file(p, {"w": Tensor(np.ones(4), (-2, 2), (1, 1))}), "larger than its storage"),
    "no tensors": (lambda p: write_torch_file(p, {"epoch": 3}), "no tensors by name"),
    "a model": (lambda p: write_torch_file(p, argparse.Namespace(x=1)), "argparse.Namespace, not only tensors"),
    "empty": (lambda p: p.touch(), "empty"),
    "text": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1"), "not weights of a kind"),
    "caffe": (lambda p: p.write_bytes(b"\x0a\x05VGG_C" * 9), "not weights of a kind"),
    "header": (lambda p: p.write_bytes((1 << 40).to_bytes(8, "little") + b"{" + bytes(99)), "not weights of a kind"),
    "folder": (lambda p: p.mkdir(), "not a regular file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.pth"
    make, reason = HOSTILE[kind]
    make(path)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_arrays(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    """Bits flipped anywhere, and files cut off anywhere: tensors, or one line; nothing else."""
    path, rng = tmp_path / "m.pth", random.Random(4)
    for source in sorted(Path(__file__).with_name("torch_files").glob("*.pth")):
        whole = source.read_bytes()
        for number in range(120):
            data = bytearray(whole)
            for _ in range(rng.choice((1, 2, 5))):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(data if number % 3 else whole[: rng.randrange(len(whole))])
            with contextlib.suppress(CheckpointError):
                read_arrays(path)


def test_a_wrong_byte_in_a_pickle_does_not_take_all_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x3f.")  # remembers an object as number 2**30 - 1
    with pytest.raises(CheckpointError, match="impossible memo"):
        read_arrays(path)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", bytes(50_000_000))
    with pytest.raises(CheckpointError, match="unpacks to more"):
        read_arrays(tmp_path / "m.npz")
