"""Are weights still numbers? Checkpoints are published, and used, only when every value in them is finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from src.arrays import Array

_BLOCK = 1 << 20


def norm_if_finite(arrays: Mapping[str, Array], counts: Callable[[str], bool]) -> tuple[float, str]:
    """Euclidean norm of the floating-point arrays whose name `counts`, and `not_finite` of all, in one pass over them.

    The norm is NaN where a value is not finite.
    """
    total = 0.0
    for name, array in arrays.items():
        squared = _squared(array) if array.dtype.kind == "f" else 0.0
        if not math.isfinite(squared) and not is_finite(array):
            return math.nan, name
        total += squared if counts(name) else 0.0
    return math.sqrt(total), ""


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
