"""Reads published weights as arrays by name: NumPy's .npz, .safetensors and PyTorch's files, whatever their ending."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from src.arrays import Array
from src.errors import CheckpointError
from src.tools.weights.torch_pickle import EXPANSION_MAX, read_torch_file

Arrays = dict[str, Array]

_SAFETENSOR_TYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "i1", "U8": "u1", "BOOL": "?"},
}


#: Larger files are refused; the networks here have some 200 MB.
_MOST_BYTES = 8 << 30


def read_arrays(path: Path) -> Arrays:
    """The arrays of a weights file, told by its content; CheckpointError naming the file and what is wrong with it."""
    require_weights_file(path)
    if path.stat().st_size > _MOST_BYTES:
        raise CheckpointError(f"{path}: {path.stat().st_size} bytes are more than any weights that are read")
    kind, read = _reader_of(path)
    try:
        return read(path)
    except Exception as error:  # readers raise anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path}: cannot be read as {kind}: {reason}") from error


def require_weights_file(path: Path) -> None:
    """CheckpointError unless there is such a file."""
    if not path.is_file():
        raise CheckpointError(f"{path}: {'not a regular file' if path.exists() else 'no such weights file'}")


def _reader_of(path: Path) -> tuple[str, Callable[[Path], Arrays]]:
    """The kind of a weights file and its reader, by its first bytes and, for archives, by what is inside."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PK"):
        return ("a PyTorch archive", read_torch_file) if _holds_pickle(path) else ("an .npz archive", _read_npz)
    if head[:1] == b"\x80":
        return "a PyTorch file", read_torch_file
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return ".safetensors", _read_safetensors
    raise CheckpointError(
        f"{path}: not weights of a kind that is read, which are .npz, .safetensors and PyTorch's files"
        + (" (it is empty)" if not head else "")
    )


def _holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except Exception:  # noqa: BLE001 - damaged archives raise anything; their reader says how
        return path.suffix.lower() != ".npz"


def _read_npz(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        foreign = next((name for name in archive.namelist() if not name.endswith(".npy")), "")
        if foreign:
            raise ValueError(f"a foreign archive (it holds {foreign})")
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > min(_MOST_BYTES, EXPANSION_MAX * path.stat().st_size):
            raise ValueError("it unpacks to more than any weights that are read")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays.items())


def _read_safetensors(path: Path) -> Arrays:
    """The format: length of the header (8 bytes), a JSON header of types, shapes and places, the numbers."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise ValueError("the file is cut off")
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
