"""Access to training pictures and masks: files in a folder, or packed in the shards that `pack_dataset` writes.

Shards are plain tar files beside `shards.json`, which says where in which shard each file's bytes are; they are read in
place, without unpacking.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

from src.data.formats import PictureError
from src.data.images import read_bytes
from src.data.names import name_below
from src.errors import DataError

SHARD_INDEX = "shards.json"
FORMAT = 1
PICTURES, MASKS = "pictures", "masks"


class FileSource(Protocol):
    """Read access to files by name (with "/" between folders)."""

    def place(self, name: str) -> str:
        """The file's location, for messages."""

    def has(self, name: str) -> bool:
        """Whether the file exists."""

    def read(self, name: str) -> bytes:
        """The file's bytes; PictureError where it is missing or cannot be read."""


def open_files(folder: str | Path, kind: str) -> FileSource:
    """The files of `kind` (pictures or masks) in a folder, packed or not; DataError for incomplete shards."""
    return PackedFiles(folder, kind) if is_packed(folder) else FolderFiles(folder)


def is_packed(folder: str | Path) -> bool:
    """Whether the folder holds shards."""
    return os.path.isfile(os.path.join(folder, SHARD_INDEX))


def packed_file_names(folder: str | Path) -> list[str]:
    """The shards of a packed folder, by its shards.json alone."""
    return [str(shard["name"]) for shard in read_shard_index(folder)["shards"]]


class ShardEntry(TypedDict):
    """One shard: its file name, size in bytes and SHA-256."""

    name: str
    bytes: int
    sha256: str


class ShardIndex(TypedDict):
    """What shards.json holds; the place of each file is [number of the shard, offset, size in bytes]."""

    annotations: object  # name of the data set's annotation file
    shards: list[ShardEntry]
    pictures: dict[str, list[int]]
    masks: dict[str, list[int]]


def read_shard_index(folder: str | Path) -> ShardIndex:
    """What shards.json holds, every field checked; DataError where it is damaged or of a later format."""
    path = Path(folder) / SHARD_INDEX
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise DataError(f"{path}: format {content['format']} is not known here")
        shards = [_checked_shard(shard) for shard in content["shards"]]
        sizes = [shard["bytes"] for shard in shards]
        pictures, masks = (_checked_files(content[kind], sizes) for kind in (PICTURES, MASKS))
        return {"annotations": content.get("annotations"), "shards": shards, "pictures": pictures, "masks": masks}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not an index of shards ({error}); pack the data set again") from None


def _checked_shard(shard: Mapping[str, object]) -> ShardEntry:
    """A shard's entry; ValueError for a name that is not one of this folder, or a size that is not one."""
    name, digest, size = str(shard["name"]), shard["sha256"], shard["bytes"]
    if "/" in name_below(name) or not isinstance(digest, str) or not _is_size(size):
        raise ValueError(f"shard {name!r:.80} is described wrongly")
    return {"name": name, "bytes": size, "sha256": digest}


def _checked_files(places: Mapping[str, list[int]], sizes: Sequence[int]) -> dict[str, list[int]]:
    """Places by file name; ValueError where one lies outside its shard."""
    for name, place in places.items():
        name_below(name)
        if len(place) != 3 or not all(map(_is_size, place)) or place[0] >= len(sizes):
            raise ValueError(f"{name!r:.80} has no place in a shard")
        if place[1] + place[2] > sizes[place[0]]:
            raise ValueError(f"{name!r:.80} lies beyond the end of its shard")
    return dict(places)


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class FolderFiles:
    """Plain files in a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)

    def place(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def has(self, name: str) -> bool:
        return os.path.exists(self.place(name))

    def read(self, name: str) -> bytes:
        return read_bytes(self.place(name))


class PackedFiles:
    """Files inside shards; safe for concurrent reads from threads and forked processes."""

    def __init__(self, folder: str | Path, kind: str) -> None:
        self.folder, self.kind = str(folder), kind
        content = read_shard_index(folder)
        self._shards = _checked_shards(Path(folder), content["shards"])
        files = content["pictures"] if kind == PICTURES else content["masks"]
        names = np.array(sorted(files), dtype=np.str_)
        self._names = names
        self._places = np.array([files[name] for name in names.tolist()], np.int64).reshape(-1, 3)
        self._descriptors: dict[int, int] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[PackedFiles], tuple[str, str]]:
        return PackedFiles, (self.folder, self.kind)

    def __del__(self) -> None:
        for descriptor in getattr(self, "_descriptors", {}).values():
            os.close(descriptor)

    def place(self, name: str) -> str:
        row = self._row(name)
        return f"{self._shards[self._places[row, 0]] if row is not None else self.folder}:{name}"

    def has(self, name: str) -> bool:
        return self._row(name) is not None

    def read(self, name: str) -> bytes:
        row = self._row(name)
        if row is None:
            raise PictureError(self.place(name), f"not among the packed {self.kind}")
        shard, offset, size = (int(value) for value in self._places[row])
        try:
            data = os.pread(self._descriptor(shard), size, offset)
        except OSError as error:
            raise PictureError(self.place(name), f"cannot be read ({error.strerror or error})") from error
        if len(data) != size:
            raise PictureError(self.place(name), "the shard is cut off")
        return data

    def _row(self, name: str) -> int | None:
        row = int(np.searchsorted(self._names, name))
        return row if row < len(self._names) and self._names[row] == name else None

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            with self._lock:
                if shard not in self._descriptors:
                    self._descriptors[shard] = os.open(self._shards[shard], os.O_RDONLY)
        return self._descriptors[shard]


def which_are_there(folder: str | Path, names: Iterable[str]) -> NDArray[np.bool_]:
    """For each name whether the packed folder has that picture."""
    files = read_shard_index(folder)["pictures"]
    return np.array([name in files for name in names], bool)


def _checked_shards(folder: Path, shards: list[ShardEntry]) -> list[str]:
    """The shards' paths; DataError where one is missing or has another size than it was written with."""
    paths = []
    for shard in shards:
        path = folder / shard["name"]
        size = path.stat().st_size if path.is_file() else None
        if size != shard["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes, not {shard['bytes']}"
            raise DataError(f"{path}: the shard {state}; copy it again")
        paths.append(str(path))
    return paths
