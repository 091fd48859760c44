"""What a checkpoint holds and how it is taken, written whole, digested and restored."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, nn
from numpy.typing import NDArray

from src.errors import CheckpointError, OutputError
from src.files import atomic_path, file_sha256
from src.net.weights import META_KEY, read_checkpoint
from src.train.checkpoints.manifest import Manifest
from src.version import NAME, VERSION

FORMAT_VERSION = 1
BATCH_STATISTICS = (".moving_mean", ".moving_variance")


@dataclass(frozen=True)
class Snapshot:
    """All parameters of a training step at one moment, copied to host memory, and what is stated about them."""

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]


def network_meta(network: str, stages: int, **more: Any) -> dict[str, Any]:
    """Metadata every checkpoint of this package carries: which network it is for, made by what."""
    made_by = {"version": VERSION, "mindspore": ms.__version__}
    return {"format": FORMAT_VERSION, "network": network, "stages": stages, **made_by, **more}


def take_snapshot(cell: nn.Cell, meta: Mapping[str, Any]) -> Snapshot:
    """Copy the parameters; after this the training may go on."""
    return Snapshot({p.name: np.array(p.asnumpy(), copy=True) for p in cell.get_parameters()}, meta)


def write_snapshot(snapshot: Snapshot, path: Path, rank: int, rank_size: int, identity: Mapping[str, Any]) -> Manifest:
    """Write the checkpoint file and return its manifest; OutputError when that is impossible."""
    # tensors over the arrays' own memory: a Parameter would copy them twice
    write_tensors({name: ms.Tensor.from_numpy(array) for name, array in snapshot.arrays.items()}, path, snapshot.meta)
    return Manifest(
        rank=rank,
        rank_size=rank_size,
        epoch=snapshot.meta["epoch"],
        step=snapshot.meta["step"],
        steps_per_epoch=snapshot.meta["steps_per_epoch"],
        global_step=snapshot.meta["global_step"],
        file=path.name,
        size=path.stat().st_size,
        sha256=file_sha256(path),
        weights_sha256=weights_sha256(snapshot.arrays),
        identity=identity,
        versions={
            NAME: VERSION,
            "mindspore": ms.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    )


def write_checkpoint(source: nn.Cell | Iterable[Parameter], path: Path, meta: Mapping[str, Any]) -> None:
    """Save parameters with `meta`; see `write_tensors`."""
    parameters = source.get_parameters() if isinstance(source, nn.Cell) else source
    write_tensors({parameter.name: parameter for parameter in parameters}, path, meta)


def write_tensors(tensors: Mapping[str, ms.Tensor], path: Path, meta: Mapping[str, Any]) -> None:
    """Save tensors by name with `meta` (JSON values): written beside, flushed to disk, then renamed into place.

    Raises OutputError when the folder cannot be written or the disk is full; an older file of the name stays whole.
    """
    record = json.dumps({**meta, "parameter_count": len(tensors)})
    entries = [{"name": name, "data": tensor} for name, tensor in tensors.items()]
    options = {"crc_check": True} if "crc_check" in inspect.signature(ms.save_checkpoint).parameters else {}
    try:
        with atomic_path(path, durable=True, suffix=".ckpt") as temporary:
            try:
                ms.save_checkpoint(entries, str(temporary), append_dict={META_KEY: record}, **options)
            finally:
                temporary.with_suffix(".tmp").unlink(missing_ok=True)  # MindSpore's own
            temporary.chmod(0o644)
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"{path}: the checkpoint cannot be written: {error}") from None


def restore(cell: nn.Cell, path: Path, partly: bool = False) -> dict[str, Any]:
    """Set every parameter of a training step from a checkpoint file and return its metadata.

    Raises CheckpointError naming file and parameter when one is missing or of another shape; `partly` leaves those.
    """
    parameters, meta = read_checkpoint(path)
    for own in cell.get_parameters():
        stored: Parameter | None = parameters.get(own.name)
        if stored is None or stored.shape != own.shape:
            if partly:
                continue
            what = "no" if stored is None else f"another shape {stored.shape} of"
            raise CheckpointError(f"{path}: has {what} {own.name}, which this training needs")
        own.set_data(ms.Tensor(stored.asnumpy(), own.dtype))
    return meta


def weights_sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names and bytes of all parameters but the batch statistics, which every card has of its own."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if not name.endswith(BATCH_STATISTICS):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).view(np.uint8).reshape(-1).data)
    return digest.hexdigest()
