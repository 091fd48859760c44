"""Reads the tensors of a PyTorch .pth file without PyTorch, and without running any code that the file may hold.

Both formats are read: the zip archive that `torch.save` writes since 1.6, and the stream of pickles before it.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGE_TYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),  # the upper half of a float32
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}

#: What unpickling damaged bytes can raise, beside ValueError.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, KeyError, IndexError, TypeError, AttributeError, ImportError),
    *(MemoryError, OverflowError, RecursionError),
)


class _StorageType:
    """Stands for a torch storage class inside the pickle."""

    def __init__(self, name: str) -> None:
        self.name, self.dtype = name, _STORAGE_TYPES[name]


class _Tensor:
    """A tensor whose numbers are filled in once its storage is read."""

    def __init__(self, storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> None:
        self.storage, self.offset, self.size, self.stride = storage, int(offset), tuple(size), tuple(stride)

    def read(self, numbers: NDArray[Any], kind: str) -> NDArray[Any]:
        """The tensor as an array of its own; ValueError where it reaches beyond its storage."""
        last = self.offset + sum((length - 1) * step for length, step in zip(self.size, self.stride))
        if 0 in self.size:
            return np.zeros(self.size, numbers.dtype)
        if min((self.offset, *self.stride)) < 0 or last >= len(numbers):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [step * numbers.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, strides, writeable=False)
        if kind == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view)


def _parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries, lists and tensors, and refuses everything else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(name)
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it holds {module}.{name}, not only tensors; save the model's state_dict() alone")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        _, kind, key, _, count, *_ = pid
        return kind.name, str(key), int(count)


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors by name, those of a nested `state_dict` or `model` entry where that holds them.

    Raises OSError, or ValueError saying what is wrong with the file.
    """
    try:
        if zipfile.is_zipfile(path):
            content, storage_of = _read_zip(path)
        else:
            content, storage_of = _read_legacy(path)
        tensors = _find_tensors(content)
        return {
            name: tensor.read(storage_of(tensor.storage), tensor.storage[0]).reshape(tensor.size)
            for name, tensor in tensors.items()
        }
    except _DAMAGE as error:
        raise ValueError(f"damaged or no PyTorch file ({error})") from None
    except zipfile.BadZipFile as error:
        raise ValueError(f"damaged PyTorch archive ({error})") from None


StorageOf = Callable[[tuple[str, str, int]], NDArray[Any]]


def _read_zip(path: Path) -> tuple[Any, StorageOf]:
    with zipfile.ZipFile(path) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    if files.get("byteorder", b"little") != b"little":
        raise ValueError("big-endian files are not read")

    def storage_of(storage: tuple[str, str, int]) -> NDArray[Any]:
        kind, key, count = storage
        return np.frombuffer(files[f"data/{key}"], _STORAGE_TYPES[kind], count)

    return _Unpickler(io.BytesIO(files["data.pkl"])).load(), storage_of


def _read_legacy(path: Path) -> tuple[Any, StorageOf]:
    with open(path, "rb") as file:
        if _Unpickler(file).load() != _LEGACY_MAGIC:
            raise ValueError("not a PyTorch file")
        _Unpickler(file).load()  # protocol version
        system = _Unpickler(file).load()
        if not system.get("little_endian", True):
            raise ValueError("big-endian files are not read")
        unpickler = _Unpickler(file)
        content = unpickler.load()
        keys = _Unpickler(file).load()
        kinds = {tensor.storage[1]: tensor.storage[0] for tensor in _find_tensors(content).values()}
        numbers = {str(key): _read_storage(file, kinds[str(key)]) for key in keys}
    return content, lambda storage: numbers[storage[1]]


def _read_storage(file: BinaryIO, kind: str) -> NDArray[Any]:
    """A storage: the count as 8 bytes, then the numbers."""
    dtype = _STORAGE_TYPES[kind]
    length = int.from_bytes(file.read(8), "little") * dtype.itemsize
    if length > os.fstat(file.fileno()).st_size - file.tell():
        raise ValueError("the file is cut off")
    data = file.read(length)
    return np.frombuffer(data, dtype)


def _find_tensors(content: Any) -> Mapping[str, _Tensor]:
    if isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, _Tensor)}
        if tensors:
            return tensors
        for name in ("state_dict", "model", "model_state_dict", "net"):
            if name in content:
                return _find_tensors(content[name])
    raise ValueError("it holds no tensors by name; save the model's state_dict()")
