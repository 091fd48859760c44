"""Kept graphs: taken by the same run, never by one whose numbers differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.net.compile_cache import source_digest

# A network with a number compiled into it; prints its output and whether a graph was there before.
NETWORK = """
import sys
from pathlib import Path
import mindspore as ms
import numpy as np
from mindspore import nn
from src.net.compile_cache import cache_folder, use_compile_cache
ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")
class Scaled(nn.Cell):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
    def construct(self, x):
        return x * self.factor
folder, factor = Path(sys.argv[1]), float(sys.argv[2])
found = any(use_compile_cache(cache_folder(folder, {"factor": factor})).iterdir())
print(Scaled(factor)(ms.Tensor(np.ones(1, np.float32))).asnumpy()[0], found)
"""


@pytest.mark.mindspore
def test_a_graph_with_other_numbers_is_never_taken(tmp_path: Path) -> None:
    script = tmp_path / "network.py"
    script.write_text(NETWORK)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "GLOG_v": "3"}
    said = []
    for factor in ("2", "2", "3"):
        command = [sys.executable, str(script), str(tmp_path / "kept"), factor]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines()[-1])
    assert said == ["2.0 False", "2.0 True", "3.0 False"]


def test_changed_code_is_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    first = source_digest(tmp_path)
    assert source_digest(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    assert source_digest(tmp_path) != first
