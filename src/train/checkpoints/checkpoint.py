"""Taking, checking, writing and restoring checkpoints."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import cast

import mindspore as ms
import numpy as np
from mindspore import Parameter, nn

from src.arrays import Array
from src.errors import CheckpointError, JobError, OutputError
from src.files import atomic_path
from src.net.finite import norm_if_finite, not_finite
from src.net.weights import META_KEY, OPTIMIZER_ENTRY, read_checkpoint
from src.train.checkpoints.ckpt_file import tensor_entry, text_entry, write_entries
from src.train.checkpoints.manifest import Manifest
from src.version import NAME, VERSION

FORMAT_VERSION = 1
Meta = Mapping[str, object]
BATCH_STATISTICS = (".moving_mean", ".moving_variance")


class SnapshotBuffers:
    """Reusable memory for snapshots; allocating fresh memory would take longer than copying."""

    def __init__(self) -> None:
        self._free: list[dict[str, Array]] = []

    def copy_of(self, cell: nn.Cell) -> dict[str, Array]:
        """Copies of the cell's parameters by name, in memory reserved until it is given back."""
        kept = self._free.pop() if self._free else {}
        return {p.name: _copied(p.asnumpy(), kept.get(p.name)) for p in cell.get_parameters()}

    def give_back(self, arrays: dict[str, Array]) -> None:
        """Release the memory for a later snapshot; `arrays` must not be used afterwards. At most one set is kept."""
        if not self._free:
            self._free.append(arrays)


@dataclass(frozen=True)
class Snapshot:
    """All parameters of a training step at one moment, copied to host memory, with their metadata.

    `norm` is the Euclidean norm of the network's own parameters. `buffers` take the memory back once it is written.
    """

    arrays: dict[str, Array]
    meta: Meta
    norm: float = 0.0
    buffers: SnapshotBuffers = field(default_factory=SnapshotBuffers)


def network_meta(network: str, stages: int, **more: object) -> dict[str, object]:
    """Metadata of every checkpoint of this package: the network it is for, and the versions that made it."""
    made_by = {"version": VERSION, "mindspore": ms.__version__}
    return {"format": FORMAT_VERSION, "network": network, "stages": stages, **made_by, **more}


def take_snapshot(cell: nn.Cell, meta: Meta, buffers: SnapshotBuffers | None = None) -> Snapshot:
    """Copy the parameters, so that training can continue; JobError when one of them is not finite."""
    buffers = buffers or SnapshotBuffers()
    arrays = buffers.copy_of(cell)
    norm, name = norm_if_finite(arrays, lambda name: not OPTIMIZER_ENTRY.match(name))
    if name:
        buffers.give_back(arrays)
        raise JobError(
            f"the weights are not finite after epoch {meta['epoch']}, step {meta['step']} ({name}): training has "
            "diverged and this checkpoint is not published; lower lr and continue with --resume_changed=True"
        )
    return Snapshot(arrays, meta, norm, buffers)


def _copied(values: Array, kept: Array | None) -> Array:
    if kept is None or kept.shape != values.shape or kept.dtype != values.dtype:
        return np.array(values, copy=True)
    np.copyto(kept, values)
    return kept


def write_snapshot(
    snapshot: Snapshot, path: Path, rank: int, rank_size: int, identity: Mapping[str, object]
) -> Manifest:
    """Write the checkpoint file and return its manifest; OutputError when that is impossible.

    The snapshot's memory is given back, whatever happens: it can be written once.
    """
    try:
        return _write_snapshot(snapshot, path, rank, rank_size, identity)
    finally:
        snapshot.buffers.give_back(snapshot.arrays)


def _write_snapshot(
    snapshot: Snapshot, path: Path, rank: int, rank_size: int, identity: Mapping[str, object]
) -> Manifest:
    tensors = {name: ms.Tensor.from_numpy(array) for name, array in snapshot.arrays.items()}  # shares their memory
    sha256 = write_tensors(tensors, path, snapshot.meta)
    moment = cast("Mapping[str, int]", snapshot.meta)
    return Manifest(
        rank=rank,
        rank_size=rank_size,
        epoch=moment["epoch"],
        step=moment["step"],
        steps_per_epoch=moment["steps_per_epoch"],
        global_step=moment["global_step"],
        file=path.name,
        size=path.stat().st_size,
        sha256=sha256,
        weights_sha256=weights_sha256(snapshot.arrays),
        identity=identity,
        weights_norm=snapshot.norm,
        versions={
            NAME: VERSION,
            "mindspore": ms.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    )


def write_checkpoint(source: nn.Cell | Iterable[Parameter], path: Path, meta: Meta) -> None:
    """Save parameters with `meta`; see `write_tensors`."""
    parameters = source.get_parameters() if isinstance(source, nn.Cell) else source
    write_tensors({parameter.name: parameter for parameter in parameters}, path, meta)


def write_tensors(tensors: Mapping[str, ms.Tensor], path: Path, meta: Meta) -> str:
    """Save tensors by name with `meta` (JSON values): written beside, flushed to disk, then renamed into place.

    Returns the file's SHA-256, which is computed on the way.

    Raises OutputError when the folder cannot be written or the disk is full; an older file of the name stays whole.
    """
    entries = (tensor_entry(name, tensor) for name, tensor in tensors.items())
    record = text_entry(META_KEY, json.dumps({**meta, "parameter_count": len(tensors)}))
    has_crc = "crc_check" in inspect.signature(ms.load_checkpoint).parameters
    try:
        with atomic_path(path, durable=True, suffix=".ckpt") as temporary, temporary.open("wb") as file:
            return write_entries(file, chain(entries, [record]), has_crc)
    except OSError as error:
        raise OutputError(f"{path}: the checkpoint cannot be written: {error}") from None


def load_parameters(path: Path) -> dict[str, Parameter]:
    """All parameters of a checkpoint file; CheckpointError when it is damaged or one of them is not finite."""
    parameters, _ = read_checkpoint(path)
    if name := not_finite({name: parameter.asnumpy() for name, parameter in parameters.items()}):
        raise CheckpointError(f"{path}: {name} is not finite: taken when training had already diverged")
    return parameters


def restore(cell: nn.Cell, parameters: Mapping[str, Parameter], source: str, partly: bool = False) -> None:
    """Set every parameter of a training step from those of a checkpoint.

    Raises CheckpointError naming `source` and the parameter when one is missing or of another shape; `partly` leaves
    those as they are.
    """
    for own in cell.get_parameters():
        stored = parameters.get(own.name)
        if stored is None or stored.shape != own.shape:
            if partly:
                continue
            what = "no" if stored is None else f"another shape {stored.shape} of"
            raise CheckpointError(f"{source}: has {what} {own.name}, which this training needs")
        own.set_data(ms.Tensor(stored.asnumpy(), own.dtype))


def weights_sha256(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names and bytes of all parameters but the batch statistics, which every card has of its own."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if not name.endswith(BATCH_STATISTICS):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).view(np.uint8).reshape(-1).data)
    return digest.hexdigest()
