"""Boot file of the inference job: `python test_tmp.py --help` lists every hyperparameter.

Its steps can be called from Python: `from test_tmp import load_model, detect, infer_one_pic, draw_person_pose, val`.
"""

import sys
from typing import Any

import src.infer
from modelarts.runtime.entry import inference_job, val

__all__ = ["val"]


def __getattr__(name: str) -> Any:
    return getattr(src.infer, name)


if __name__ == "__main__":
    sys.exit(inference_job(sys.argv[1:]))
