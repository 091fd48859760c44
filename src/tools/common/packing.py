"""Packs files into tar shards: planned from names and sizes alone, written whole, and compared with their sources."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from src.data.names import mask_name
from src.data.packed import FORMAT, MASKS, PICTURES, ShardEntry
from src.errors import OutputError
from src.files import atomic_path, file_sha256, writing

Places = dict[str, list[int]]  # member of a shard -> offset and size of its bytes

_SHARD_NAME = "shard-{:05d}.tar"
#: A shard, or what a killed run left of one or of the JSON files beside them.
SHARD_FILE = re.compile(r"shard-\d{5}\.tar$|\.[0-9a-f]{32}\.part$")


@dataclass(frozen=True)
class PackedFile:
    """A file that is to be packed: its kind, its name among its kind, where it is, how long it is."""

    kind: str
    name: str
    source: Path
    size: int

    @property
    def member(self) -> str:
        """Its name in the tar."""
        return f"{self.kind}/{self.name}"


@dataclass
class Shard:
    """A shard's file name and what goes into it, in order."""

    name: str
    files: list[PackedFile] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def find_files(names: Iterable[str], pictures: Path, masks: Path | None) -> tuple[list[PackedFile], list[str]]:
    """Each picture followed by its mask, by name, and the pictures that are not there as regular files."""
    found, missing = [], []
    for name in sorted(set(names)):
        path = pictures / name
        if not path.is_file():
            missing.append(name)
            continue
        found.append(PackedFile(PICTURES, name, path, path.stat().st_size))
        if masks is not None:
            mask = mask_name(name)
            if (masks / mask).is_file():
                found.append(PackedFile(MASKS, mask, masks / mask, (masks / mask).stat().st_size))
    return found, missing


def plan_shards(files: Sequence[PackedFile], shard_bytes: int) -> list[Shard]:
    """The files in order, a new shard begun before one grows beyond `shard_bytes`; a larger file has its own."""
    shards: list[Shard] = []
    size = 0
    for file in files:
        if not shards or size + file.size > shard_bytes:
            shards.append(Shard(_SHARD_NAME.format(len(shards))))
            size = 0
        shards[-1].files.append(file)
        size += file.size
    return shards


def write_shard(shard: Shard, folder: Path) -> None:
    """Write a shard whole; OutputError where it cannot be written or a source has changed."""
    path = folder / shard.name
    with writing(path), atomic_path(path, durable=True) as temporary, temporary.open("wb") as target:
        _compose(shard, target)


def check_shard(shard: Shard, folder: Path) -> Places | None:
    """Where the files are in a shard that is there, byte for byte as its sources make it; else None."""
    try:
        with open(folder / shard.name, "rb") as written:
            places = _compose(shard, _Comparison(written))
            return None if written.read(1) else places
    except (FileNotFoundError, _DifferentError):
        return None


class _DifferentError(Exception):
    """The bytes are not those that were written."""


class _Comparison:
    """Takes what would be written and compares it with what is there."""

    def __init__(self, written: BinaryIO) -> None:
        self.written = written

    def write(self, data: bytes) -> int:
        if self.written.read(len(data)) != data:
            raise _DifferentError
        return len(data)


def _compose(shard: Shard, target: BinaryIO | _Comparison) -> Places:
    """Write the tar to `target`; equal files make equal bytes: no owner, no time. Returns offset and size by member."""
    places = {}
    with tarfile.open(fileobj=cast(BinaryIO, target), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for file in shard.files:
            info = tarfile.TarInfo(file.member)
            info.size = file.size
            with open(file.source, "rb") as source:
                if os.fstat(source.fileno()).st_size != file.size:
                    raise OutputError(f"{file.source}: has changed while it was packed; run it again")
                archive.addfile(info, source)
            padded = -(-file.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            places[file.member] = [archive.offset - padded, file.size]
    return places


def describe(
    shards: Sequence[Shard], places: Sequence[Places], folder: Path, facts: Mapping[str, object]
) -> dict[str, object]:
    """What shards.json says: the shards with their digests, and where every picture and mask is."""
    entries: list[ShardEntry] = []
    found: dict[str, Places] = {PICTURES: {}, MASKS: {}}
    for number, (shard, members) in enumerate(zip(shards, places)):
        path = folder / shard.name
        entries.append({"name": shard.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)})
        for file in shard.files:
            found[file.kind][file.name] = [number, *members[file.member]]
    return {"format": FORMAT, **facts, "shards": entries, **found}
