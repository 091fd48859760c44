"""Are weights still numbers? Checkpoints are published, and used, only when every value in them is finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from src.arrays import Array

_BLOCK = 1 << 20


def weights_norm(arrays: Mapping[str, Array]) -> float:
    """Euclidean norm of all floating-point values; not finite when one of them is not."""
    return math.sqrt(sum(_squared(array) for array in arrays.values() if array.dtype.kind == "f"))


def not_finite(arrays: Mapping[str, Array]) -> str:
    """The name of the first array that holds NaN or infinity; empty when all values are finite."""
    return next((name for name, array in arrays.items() if not is_finite(array)), "")


def is_finite(array: Array) -> bool:
    """Whether all values are finite; integers always are."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(all="ignore"):
        # one multiplication and addition a value; overflow of large finite values is told apart below
        flat = array.reshape(-1)
        return bool(np.isfinite(np.dot(flat, flat))) or bool(np.isfinite(flat).all())


def _squared(array: Array) -> float:
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        squared = float(np.dot(flat, flat))
        if math.isfinite(squared):
            return squared
        blocks = (flat[at : at + _BLOCK].astype(np.float64) for at in range(0, flat.size, _BLOCK))
        return float(sum(np.dot(block, block) for block in blocks))
