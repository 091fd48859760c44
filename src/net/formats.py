"""What can be checked of networks and checkpoints before MindSpore, which takes seconds to import, is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class InputFormat:
    """Sides must be multiples of `multiple`; a pixel value v in 0 … 255 enters as v · scale + offset, as BGR or RGB."""

    multiple: int
    scale: float
    offset: float
    rgb: bool


INPUT_FORMATS = {
    "vgg19": InputFormat(multiple=8, scale=1 / 255, offset=-0.5, rgb=False),
    "mobilenet_v2": InputFormat(multiple=16, scale=1 / 127.5, offset=-1.0, rgb=True),
}


def require_checkpoint(path: Path) -> None:
    """Raises CheckpointError unless the file exists and is not empty."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: is not a regular file")
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint file; README.md, Quick start, says where to get weights")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path}: the checkpoint file is empty")


#: Values of the setting `amp`: the precision in which convolutions compute in training.
OFF, BF16, FP16 = "off", "bf16", "fp16"


def check_precision(amp: str, device: str) -> None:
    """ConfigError for a precision in which the device has no convolutions."""
    if amp == BF16 and device == "CPU":
        raise ConfigError(f"amp: {amp}: MindSpore has no such convolutions on CPU; use amp={OFF} or amp={FP16}")
