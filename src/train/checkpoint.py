"""What a checkpoint holds, what it is called, and how it is written so that nobody ever sees half of one."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import mindspore as ms
from mindspore import nn

from src.errors import OutputError
from src.net.weights import META_KEY

FORMAT_VERSION = 1
FILE_NAME = re.compile(r"^openpose-train-rank(?P<rank>\d+)-(?P<epoch>\d+)_(?P<step>\d+)\.ckpt$")


class CheckpointName(NamedTuple):
    """Rank, epoch (from 1) and step within the epoch (from 1) of a checkpoint file."""

    rank: int
    epoch: int
    step: int

    def __str__(self) -> str:
        return f"openpose-train-rank{self.rank}-{self.epoch}_{self.step}.ckpt"

    @classmethod
    def parse(cls, file_name: str) -> CheckpointName | None:
        """The name's parts, or None when the file is no training checkpoint."""
        match = FILE_NAME.match(file_name)
        return cls(int(match["rank"]), int(match["epoch"]), int(match["step"])) if match else None


def network_meta(network: str, stages: int, **more: Any) -> dict[str, Any]:
    """Metadata every checkpoint of this package carries: which network it is for, made by what."""
    return {"format": FORMAT_VERSION, "network": network, "stages": stages, "mindspore": ms.__version__, **more}


def write_checkpoint(source: nn.Cell | Iterable[ms.Parameter], path: Path, meta: dict[str, Any]) -> None:
    """Save parameters with `meta` (JSON values): written beside, flushed to disk, then renamed into place.

    Raises OutputError when the folder cannot be written or the disk is full; an older file of the name stays whole then.
    """
    parameters = list(source.get_parameters() if isinstance(source, nn.Cell) else source)
    meta = {**meta, "parameter_count": len(parameters)}
    entries = [{"name": parameter.name, "data": parameter} for parameter in parameters]
    aside = path.with_name(f".{path.stem}.{os.getpid()}.part.ckpt")
    options = {"crc_check": True} if "crc_check" in inspect.signature(ms.save_checkpoint).parameters else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ms.save_checkpoint(entries, str(aside), append_dict={META_KEY: json.dumps(meta)}, **options)
        _flush(aside)
        aside.chmod(0o644)
        aside.replace(path)
        _flush(path.parent)
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"{path}: the checkpoint cannot be written: {error}") from None
    finally:
        for leftover in (aside, aside.with_suffix(".tmp")):
            leftover.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the operating system put a file's bytes, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
