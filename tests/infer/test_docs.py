"""The examples of docs/python.md run as they stand."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

import test_tmp
from tests.infer.fakes import FakeNetwork


def test_the_examples_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (root / "docs/python.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    cv2.imwrite("pics/a.jpg", np.full((96, 128, 3), 90, np.uint8))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/results.csv").write_text("file,occurred,score\na.jpg,occurred,0.5\n", encoding="utf-8")
    (tmp_path / "out/results.jsonl").write_text(json.dumps({"file": "a.jpg", "persons": []}) + "\n", encoding="utf-8")
    monkeypatch.setattr(test_tmp, "load_model", lambda *_: FakeNetwork(), raising=False)
    shown: list[Any] = []
    names: dict[str, Any] = {"shown": shown}
    for example in examples:
        if "import pandas" in example and not importlib.util.find_spec("pandas"):
            continue
        if "IPython" in example:
            stub = ModuleType("IPython.display")
            stub.Image, stub.display = (lambda filename: Path(filename).read_bytes()), shown.append  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
            monkeypatch.setitem(sys.modules, "IPython.display", stub)
        exec(example, names)
    assert len(names["poses"]) == 1
    assert names["result"].status == "ok"
    assert names["drawn"].shape == (96, 128, 3)
    assert shown[0].startswith(b"\xff\xd8")
