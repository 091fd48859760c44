"""Writes files as `torch.save` does, without PyTorch: archives of a pickle and one file for each storage."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np


class Tensor:
    """An array that is pickled as a tensor; `size` and `stride` may claim something else than it holds."""

    def __init__(self, array: Any, size: Any = None, stride: Any = None) -> None:
        self.array = np.ascontiguousarray(array, np.float32)
        self.size = self.array.shape if size is None else size
        self.stride = tuple(step // 4 for step in self.array.strides) if stride is None else stride

    def __reduce__(self) -> Any:
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2  # type: ignore[attr-defined]
        return rebuild, (_Storage(self.array), 0, self.size, self.stride, False, OrderedDict())


class _Storage:
    def __init__(self, array: Any) -> None:
        self.array = array


def write_torch_file(path: Path, content: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive of `content`, in which `Tensor`s may stand anywhere."""
    helpers, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")

    def rebuild(*_: Any) -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    kind = type("FloatStorage", (), {"__module__": "torch"})
    helpers._rebuild_tensor_v2, torch.FloatStorage = rebuild, kind  # type: ignore[attr-defined]
    storages: list[Any] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if not isinstance(thing, _Storage):
                return None
            storages.append(thing.array)
            return "storage", kind, str(len(storages) - 1), "cpu", thing.array.size

    buffer = io.BytesIO()
    sys.modules.update({"torch": torch, "torch._utils": helpers})
    try:
        Pickler(buffer, 2).dump(content)
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for number, array in enumerate(storages):
            archive.writestr(f"archive/data/{number}", array.tobytes())
    return path
