"""Boot file of the inference job: `python test_tmp.py --help` lists every hyperparameter.

As a module it offers the job's steps: `from test_tmp import load_model, detect, infer_one_pic, draw_person_pose, val`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelarts.runtime.entry import val
    from src.infer.drawing.render import draw_person_pose
    from src.infer.forward import load_model
    from src.infer.picture import detect, infer_one_pic

__all__ = ["detect", "draw_person_pose", "infer_one_pic", "load_model", "val"]

_MODULES = {
    "detect": "src.infer.picture",
    "draw_person_pose": "src.infer.drawing.render",
    "infer_one_pic": "src.infer.picture",
    "load_model": "src.infer.forward",
    "val": "modelarts.runtime.entry",
}


def __getattr__(name: str) -> object:
    """Import a step when it is first used: `--help` needs neither OpenCV nor MindSpore."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)


if __name__ == "__main__":
    from src.interrupts import keep_ctrl_c, leave
    from src.missing_packages import explain_missing_packages

    explain_missing_packages()
    keep_ctrl_c()
    from modelarts.runtime.entry import inference_job

    leave(inference_job(sys.argv[1:]))
