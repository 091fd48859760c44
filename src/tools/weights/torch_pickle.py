"""Reads the tensors of a PyTorch .pth file without PyTorch, and without running any code that the file may hold.

Both formats are read: the zip archive that `torch.save` writes since 1.6, and the stream of pickles before it.
"""

from __future__ import annotations

import functools
import io
import math
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from src.arrays import Array

_Stored = tuple[str, str, int]  # a storage: kind, key, count of numbers
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGE_TYPES: dict[str, np.dtype[np.generic]] = {
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

#: Entries that hold a model's tensors, best first, where several hold equally many (a moving average, say).
_USUAL_ENTRIES = ("state_dict", "model_state_dict", "model", "net", "network", "params")
#: How deep in a checkpoint such an entry may lie.
_DEPTH = 4

#: The pickle of an archive holds names and shapes, a few hundred bytes a tensor.
_PICKLE_BYTES = 256 << 20
#: Weights hardly compress; what claims to unpack to more than this many times its size is none.
EXPANSION_MAX = 100


class _StorageType:
    """Stands for a torch storage class inside the pickle."""

    def __init__(self, name: str) -> None:
        self.name, self.dtype = name, _STORAGE_TYPES[name]


class _Tensor:
    """A tensor whose numbers are filled in once its storage is read."""

    def __init__(
        self, storage: _Stored, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> None:
        self.storage, self.offset, self.size, self.stride = storage, int(offset), tuple(size), tuple(stride)

    def read(self, numbers: Array, kind: str) -> Array:
        """The tensor as an array of its own; ValueError where it reaches beyond its storage."""
        last = self.offset + sum((length - 1) * step for length, step in zip(self.size, self.stride))
        if min((0, *self.size)) < 0 or math.prod(self.size) > len(numbers):
            raise ValueError("a tensor is larger than its storage")
        if 0 in self.size:
            return np.zeros(self.size, numbers.dtype)
        if min((self.offset, *self.stride)) < 0 or last >= len(numbers):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [step * numbers.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, strides, writeable=False)
        if kind == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view)


def _parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


_ALLOWED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Opaque:
    """Stands for an object of any other class: takes whatever a pickle does to it, and does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Opaque:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> _Opaque:
        return self

    def append(self, _: object) -> None:
        """As a list has it."""

    def extend(self, _: object) -> None:
        """As a list has it."""

    def add(self, _: object) -> None:
        """As a set has it."""


def _check_memo(file: BinaryIO) -> None:
    """ValueError where the pickle at the file's position numbers what it remembers other than one after the other.

    The unpickler makes room for all numbers up to the one named: a single wrong byte can take all memory.
    """
    start = file.tell()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name.endswith("PUT") and isinstance(argument, int) and argument > number:
            raise ValueError("damaged (a pickle with an impossible memo)")
    file.seek(start)


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries, lists and tensors; nothing else is imported, it becomes `_Opaque` and is noted."""

    def __init__(self, file: BinaryIO) -> None:
        _check_memo(file)
        super().__init__(file, encoding="utf-8")
        self.foreign: list[str] = []
        self.storages: dict[str, str] = {}  # kinds by key, in whatever object they are

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(name)
        if (module, name) not in _ALLOWED:
            self.foreign.append(f"{module}.{name}")
            return _Opaque
        return _ALLOWED[module, name]

    def tensors_of(self, content: object) -> Mapping[str, _Tensor]:
        """The tensors by name of what was unpickled; ValueError when it has none."""
        found = _find_tensors(content)
        if found:
            return found
        holds = f"it holds {self.foreign[0]}, not only tensors" if self.foreign else "it holds no tensors by name"
        raise ValueError(f"{holds}; save the model's state_dict() alone")

    def persistent_load(self, pid: tuple[str, _StorageType, object, object, int]) -> _Stored:
        _, kind, key, _, count, *_ = pid
        self.storages[str(key)] = kind.name
        return kind.name, str(key), int(count)


def read_torch_file(path: Path) -> dict[str, Array]:
    """Tensors by name: those of the entry, such as `state_dict`, that holds most of them.

    Raises OSError, or ValueError saying what is wrong with the file. Only the storages of these tensors are read.
    """
    try:
        return _read_archive(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except (OSError, ValueError):
        raise
    except Exception as error:  # unpickling damaged bytes raises anything
        raise ValueError(f"damaged, or not a PyTorch file ({type(error).__name__}: {error})") from error


def _read_archive(path: Path) -> dict[str, Array]:
    """The zip archive: a pickle, and each storage in a file of its own."""
    with zipfile.ZipFile(path) as archive:
        files = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in files:
            raise ValueError("an archive that PyTorch has not written (it has no data.pkl)")
        if "byteorder" in files and _member(archive, files["byteorder"], 16) != b"little":
            raise ValueError("big-endian files are not read")
        unpickler = _Unpickler(io.BytesIO(_member(archive, files["data.pkl"], _PICKLE_BYTES)))
        tensors = unpickler.tensors_of(unpickler.load())

        @functools.lru_cache(maxsize=1)
        def storage(kind: str, key: str, count: int) -> Array:
            dtype = _STORAGE_TYPES[kind]
            data = _member(archive, files[f"data/{key}"], max(0, count) * dtype.itemsize)
            return np.frombuffer(data, dtype, count)

        return {name: tensor.read(storage(*tensor.storage), tensor.storage[0]) for name, tensor in tensors.items()}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """A file of the archive of at most `most` bytes; ValueError where it cannot be one of PyTorch's."""
    if info.file_size > most or info.file_size > EXPANSION_MAX * max(info.compress_size, 1):
        raise ValueError(f"{info.filename} is larger than what it should hold")
    try:
        return archive.read(info)
    except RuntimeError as error:  # encrypted
        raise ValueError(str(error)) from None


def _read_legacy(path: Path) -> dict[str, Array]:
    with open(path, "rb") as file:
        if _Unpickler(file).load() != _LEGACY_MAGIC:
            raise ValueError("a pickle, but not a PyTorch file")
        _Unpickler(file).load()  # protocol version
        system = _Unpickler(file).load()
        if not system.get("little_endian", True):
            raise ValueError("big-endian files are not read")
        unpickler = _Unpickler(file)
        content = unpickler.load()
        keys = _Unpickler(file).load()
        numbers = {str(key): _read_storage(file, unpickler.storages[str(key)]) for key in keys}
    tensors = unpickler.tensors_of(content)
    return {name: tensor.read(numbers[tensor.storage[1]], tensor.storage[0]) for name, tensor in tensors.items()}


def _read_storage(file: BinaryIO, kind: str) -> Array:
    """A storage: the count as 8 bytes, then the numbers."""
    dtype = _STORAGE_TYPES[kind]
    length = int.from_bytes(file.read(8), "little") * dtype.itemsize
    if length > os.fstat(file.fileno()).st_size - file.tell():
        raise ValueError("the file is cut off")
    data = file.read(length)
    return np.frombuffer(data, dtype)


def _find_tensors(content: object) -> Mapping[str, _Tensor]:
    """The mapping, at most `_DEPTH` levels deep, that holds most tensors by name; of equals the most usual entry."""
    best: Mapping[str, _Tensor] = {}
    rank = (0, 0)
    for entry, mapping in _mappings(content, "", _DEPTH, set()):
        tensors = {str(name): value for name, value in mapping.items() if isinstance(value, _Tensor)}
        usual = -_USUAL_ENTRIES.index(entry) if entry in _USUAL_ENTRIES else -len(_USUAL_ENTRIES)
        if tensors and (not best or (len(tensors), usual) > rank):
            best, rank = tensors, (len(tensors), usual)
    return best


def _mappings(
    content: object, entry: str, depth: int, seen: set[tuple[int, int]]
) -> Iterator[tuple[str, Mapping[object, object]]]:
    """Mappings in `content` and their names, each once; `seen` are identities and depths of those visited."""
    if isinstance(content, Mapping) and depth and (id(content), depth) not in seen:
        seen.add((id(content), depth))
        yield entry, content
        for name, value in content.items():
            yield from _mappings(value, str(name), depth - 1, seen)
