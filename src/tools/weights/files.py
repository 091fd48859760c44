"""Reads published weights as arrays by name: NumPy's .npz, .safetensors, and PyTorch's .pth."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.errors import CheckpointError
from src.tools.weights.torch_pickle import read_torch_file

Arrays = dict[str, NDArray[Any]]

_SAFETENSOR_TYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "i1", "U8": "u1", "BOOL": "?"},
}


def read_arrays(path: Path) -> Arrays:
    """The arrays of a weights file by its ending; CheckpointError naming the file and what is wrong with it."""
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors, ".pth": read_torch_file, ".pt": read_torch_file}
    if path.suffix.lower() not in readers:
        raise CheckpointError(f"{path}: unknown kind of weights file; {', '.join(readers)} are read")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    try:
        return readers[path.suffix.lower()](path)
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a {path.suffix} weights file: {error}") from None


def _read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive.items())


def _read_safetensors(path: Path) -> Arrays:
    """The format: length of the header (8 bytes), a JSON header of types, shapes and places, the numbers."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    body = memoryview(data)[8 + length :]
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        dtype = np.dtype(_SAFETENSOR_TYPES[entry["dtype"]])
        if not 0 <= start <= end <= len(body) or end - start != dtype.itemsize * math.prod(entry["shape"]):
            raise ValueError(f"{name} lies outside the file or has another size than it says")
        array = np.frombuffer(body[start:end], dtype).reshape(entry["shape"])
        arrays[name] = (array.astype(np.uint32) << 16).view(np.float32) if entry["dtype"] == "BF16" else array
    return arrays
