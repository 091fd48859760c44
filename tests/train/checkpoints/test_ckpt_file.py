"""The checkpoint file: the same bytes as MindSpore's own, with the digest of what was written."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.net.weights import META_KEY
from src.train.checkpoints.checkpoint import load_parameters, write_tensors
from src.train.checkpoints.ckpt_file import tensor_entry, write_entries

ARRAYS = {
    "conv.weight": np.linspace(-1, 1, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5),
    "moment1.层": np.arange(300, dtype=np.float32)[::3],
    "global_step": np.array([70_000], np.int32),
    "beta": np.array(0.5, np.float32),
    "half": np.array([[1, 2]], np.float16),
    "flag": np.array([True, False]),
}
HAS_CRC = "crc_check" in inspect.signature(ms.load_checkpoint).parameters


def test_the_file_has_the_bytes_that_mindspore_writes_and_the_digest_returned(tmp_path: Path) -> None:
    tensors = {name: ms.Tensor(array) for name, array in ARRAYS.items()}
    digest = write_tensors(tensors, tmp_path / "ours.ckpt", {"epoch": 3, "names": "名"})
    entries = [{"name": name, "data": tensor} for name, tensor in tensors.items()]
    record = json.dumps({"epoch": 3, "names": "名", "parameter_count": len(ARRAYS)})
    options = {"crc_check": True} if HAS_CRC else {}
    ms.save_checkpoint(entries, str(tmp_path / "theirs.ckpt"), append_dict={META_KEY: record}, **options)
    written = (tmp_path / "ours.ckpt").read_bytes()
    assert written == (tmp_path / "theirs.ckpt").read_bytes()
    assert digest == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize("most_bytes", [1 << 20, 100])
def test_mindspore_reads_every_value_back_also_from_several_records(tmp_path: Path, most_bytes: int) -> None:
    path = tmp_path / "model.ckpt"
    entries = [tensor_entry(name, ms.Tensor(array)) for name, array in ARRAYS.items()]
    with path.open("wb") as file:
        write_entries(file, entries, HAS_CRC, most_bytes)
    read = load_parameters(path)
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].asnumpy().dtype == array.dtype
        assert np.array_equal(read[name].asnumpy().reshape(array.shape), array)
