"""Inference: the steps of the job, each callable on its own.

`load_model` needs MindSpore, so each is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.infer.drawing.render import draw_person_pose
    from src.infer.forward import load_model
    from src.infer.picture import detect, infer_one_pic

__all__ = ["detect", "draw_person_pose", "infer_one_pic", "load_model"]

_HOMES = {"load_model": "forward", "draw_person_pose": "render", "detect": "picture", "infer_one_pic": "picture"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
