"""Building an object from values by name, as they come from a file or a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, TypeVar

T = TypeVar("T")


def fill(cls: type[T], values: Mapping[str, object]) -> T:
    """`cls` called with the values as keywords, whose types the caller has checked; TypeError for unknown names."""
    build: Callable[..., T] = cls
    return build(**values)
