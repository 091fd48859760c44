"""From the container's environment to facts: which card this process drives, and which folder is fast scratch space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.errors import ConfigError

PLATFORM_SCRATCH = Path("/cache")
LOCAL_SCRATCH = Path("work")


@dataclass(frozen=True)
class Place:
    """This process's place in the job: `rank` of `rank_size` processes, card `device_id`, scratch folder."""

    rank: int
    rank_size: int
    device_id: int
    scratch: Path


def locate(environment: Mapping[str, str], scratch_path: str = "") -> Place:
    """The place that RANK_ID, RANK_SIZE and DEVICE_ID (or ASCEND_DEVICE_ID) name; one process on card 0 without them.

    Raises ConfigError naming the variable when a value makes no sense.
    """
    rank_size = _number(environment, ("RANK_SIZE",), 1)
    rank = _number(environment, ("RANK_ID",), 0)
    if rank_size < 1 or rank >= rank_size:
        raise ConfigError(f"environment: RANK_ID={rank} does not fit RANK_SIZE={rank_size}")
    device_id = _number(environment, ("ASCEND_DEVICE_ID", "DEVICE_ID"), 0)
    return Place(rank, rank_size, device_id, _scratch(scratch_path))


def _number(environment: Mapping[str, str], names: tuple[str, ...], default: int) -> int:
    for name in names:
        text = environment.get(name, "").strip()
        if text:
            if not text.isdigit():
                raise ConfigError(f"environment: {name}={text} is not a whole number")
            return int(text)
    return default


def _scratch(scratch_path: str) -> Path:
    if scratch_path:
        return Path(scratch_path)
    on_platform = PLATFORM_SCRATCH.is_dir() and os.access(PLATFORM_SCRATCH, os.W_OK)
    return PLATFORM_SCRATCH / "openpose" if on_platform else LOCAL_SCRATCH
