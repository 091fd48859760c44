"""MindSpore's checkpoint format, written in one pass with its digests.

A file is a sequence of protobuf records `value {1: tag, 2: tensor {1: dims…, 2: type, 3: content}}`, one for each entry
and 512 MiB of its content, and `crc_num` with the CRC-32 of all records at the end. `mindspore.save_checkpoint` writes
the same bytes, but copies each tensor three times, and leaves the file to be read again for its SHA-256.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import mindspore as ms
import numpy as np

from src.arrays import Array

MOST_BYTES = 512 << 20  # of content in a record: protobuf cannot read 2 GiB at once
_VARINT, _TEXT = 0, 2  # protobuf's wire types


class Entry(NamedTuple):
    """One entry: its name, dimensions, type as MindSpore calls it ("Float32", "str"), and content."""

    name: str
    dims: tuple[int, ...]
    type_name: str
    content: memoryview


def tensor_entry(name: str, tensor: ms.Tensor) -> Entry:
    """A tensor or parameter; its memory is not copied where it lies in this machine's memory already."""
    return Entry(name, tuple(tensor.shape), str(tensor.dtype), _bytes_of(tensor.asnumpy()))


def text_entry(name: str, text: str) -> Entry:
    """A text, kept as `mindspore.save_checkpoint` keeps those of `append_dict`: four bytes a character."""
    return Entry(name, (0,), "str", _bytes_of(np.array(text)))


def write_entries(file: BinaryIO, entries: Iterable[Entry], has_crc: bool, most_bytes: int = MOST_BYTES) -> str:
    """Write the entries, with the CRC at the end if the MindSpore that will read them expects it; returns the SHA-256.

    Raises OSError where the file cannot be written.
    """
    digest, crc = hashlib.sha256(), 0
    for piece in (piece for entry in entries for piece in _pieces(entry, most_bytes)):
        file.write(piece)
        digest.update(piece)
        crc = zlib.crc32(piece, crc) if has_crc else 0
    if has_crc:
        end = b"crc_num" + crc.to_bytes(10, "big")
        file.write(end)
        digest.update(end)
    return digest.hexdigest()


def _pieces(entry: Entry, most_bytes: int) -> Iterator[bytes | memoryview]:
    """The records of an entry, each as what comes before the content and the content itself."""
    for start in range(0, len(entry.content), most_bytes):
        content = entry.content[start : start + most_bytes]
        tensor = b"".join(_key(1, _VARINT) + _varint(dim) for dim in entry.dims)
        tensor += _text(2, entry.type_name) + _key(3, _TEXT) + _varint(len(content))
        value = _text(1, entry.name) + _key(2, _TEXT) + _varint(len(tensor) + len(content)) + tensor
        yield _key(1, _TEXT) + _varint(len(value) + len(content)) + value
        yield content


def _text(field: int, text: str) -> bytes:
    data = text.encode()
    return _key(field, _TEXT) + _varint(len(data)) + data


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have their highest bit set."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
