"""The index of a data set: pictures and annotated people as compact arrays that ranks can share."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.arrays import Array
from src.data.annotations.summary import DataSummary
from src.data.packed import is_packed, which_are_there
from src.data.ragged import Ragged
from src.errors import DataError
from src.fill import fill

log = logging.getLogger(__name__)

_LISTED = 5  # how many names a message lists


@dataclass(frozen=True)
class PoseIndex:
    """Row i of every field belongs to picture i; pictures are in the order of their ids.

    persons: rows (n, 18, 3) float32 of x, y in picture pixels and COCO's visibility (0: not annotated).
    ignored: rows (k, 2) float32, outlines of masked people, a NaN row after each outline.
    crowds: rows of int32: height, width, number of counts, run-length counts (column-wise, first of zeros); repeated.
    kept: like `ignored`, the people trained on in pictures with crowds: a crowd's mask covers them too.
    summary: of the whole annotation file; `take` does not change it.
    """

    names: NDArray[np.str_]
    picture_ids: NDArray[np.int64]
    sizes: NDArray[np.int32]  # (width, height)
    persons: Ragged[np.float32]
    ignored: Ragged[np.float32]
    crowds: Ragged[np.int32]
    kept: Ragged[np.float32]
    summary: DataSummary | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        parts = [getattr(self, name) for name in _ARRAYS]
        return sum(p.values.nbytes + p.start.nbytes if isinstance(p, Ragged) else p.nbytes for p in parts)

    def take(self, rows: NDArray[np.int64]) -> PoseIndex:
        """The chosen pictures in the given order."""
        parts = {name: getattr(self, name) for name in _ARRAYS}
        chosen = {k: p.take(rows) if isinstance(p, Ragged) else p[rows] for k, p in parts.items()}
        return fill(PoseIndex, {**chosen, "summary": self.summary})


_ARRAYS = tuple(field.name for field in fields(PoseIndex) if field.name != "summary")


def keep_present(index: PoseIndex, folder: str | Path, max_missing_share: float = 0.05) -> PoseIndex:
    """Leave out the pictures that are not in `folder`: counted and listed; too many, or none left, is a DataError.

    The folder may hold shards.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of training pictures")
    if is_packed(root):
        return _without(index, which_are_there(root, index.names.tolist()), str(root), max_missing_share)
    listing: dict[str, set[str]] = {}
    present = np.ones(len(index), bool)
    for row, name in enumerate(index.names.tolist()):
        parent, _, base = name.rpartition("/")
        if parent not in listing:
            listing[parent] = _file_names(root / parent)
        present[row] = base in listing[parent]
    return _without(index, present, str(root), max_missing_share)


def leave_out(index: PoseIndex, names: Collection[str], place: str, max_missing_share: float = 0.05) -> PoseIndex:
    """Leave out the pictures `names`, which `place` does not have; counted and listed like those of `keep_present`."""
    if not names:
        return index
    return _without(index, ~np.isin(index.names, np.array(sorted(names))), place, max_missing_share)


def _without(index: PoseIndex, present: NDArray[np.bool_], place: str, max_missing_share: float) -> PoseIndex:
    missing = index.names[~present]
    if not len(missing):
        return index
    share = len(missing) / len(index)
    text = f"{len(missing)} of {len(index)} annotated pictures are not in {place} ({_some(missing.tolist())})"
    if present.sum() == 0:
        raise DataError(f"{text}: none is left to train on; check the picture folder")
    if share > max_missing_share:
        raise DataError(f"{text}: more than the allowed share of {max_missing_share:g}; check the picture folder")
    log.warning("%s; going on without them", text)
    return index.take(np.flatnonzero(present))


def _file_names(folder: Path) -> set[str]:
    """The non-empty and the empty files of a folder by name, in one listing."""
    return {entry.name for entry in os.scandir(folder) if not entry.is_dir()} if folder.is_dir() else set()


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:_LISTED])) + (", …" if len(names) > _LISTED else "")


_STAMP = "index.json"


def save_index(index: PoseIndex, folder: str | Path, stamp: Mapping[str, object]) -> None:
    """Write the index as one .npy an array into a new folder that appears whole; `stamp` says what it was made from."""
    target = Path(folder)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)  # left behind by a killed process with the same id
    part.mkdir(parents=True)
    for name, values in _flat_arrays(index).items():
        np.save(part / f"{name}.npy", values)
    summary = index.summary.to_json() if index.summary is not None else None
    (part / _STAMP).write_text(json.dumps({"made_from": stamp, "summary": summary}), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)  # stale, or half removed
    part.rename(target)


def load_index(folder: str | Path, stamp: Mapping[str, object]) -> PoseIndex | None:
    """The saved index, mapped from disk (the ranks of a node share its memory); None where it is not for `stamp`."""
    source = Path(folder)
    try:
        saved = json.loads((source / _STAMP).read_text(encoding="utf-8"))
        if saved["made_from"] != json.loads(json.dumps(stamp)):
            return None
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in source.glob("*.npy")}
        parts = {
            name: arrays[name] if name in arrays else Ragged(arrays[f"{name}.values"], arrays[f"{name}.start"])
            for name in _ARRAYS
        }
        summary = saved["summary"]
        read = DataSummary.from_json(summary) if summary is not None else None
        return fill(PoseIndex, {**parts, "summary": read})
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # damaged or being replaced
        return None


def _flat_arrays(index: PoseIndex) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name in _ARRAYS:
        part = getattr(index, name)
        if isinstance(part, Ragged):
            arrays[f"{name}.values"], arrays[f"{name}.start"] = part.values, part.start
        else:
            arrays[name] = part
    return arrays
