"""A small job of its own: a script in a code folder, and a definition whose OBS is a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Writes a definition (any key can be changed, None leaves it out) and its boot file; returns the definition."""

    def make(script: str = "print('hello')", **changes: Any) -> Path:
        code = tmp_path / "checkout"
        code.mkdir(exist_ok=True)
        (code / "boot.py").write_text(script, encoding="utf-8")
        definition = {
            "bucket": "bucket",
            "prefix": "jobs",
            "name": "small_job",
            "description": "一个小作业",
            "kind": "training",
            "job_dir": "${root}/small",
            "boot_file": "boot.py",
            "code": {"folder": "checkout", "files": ["boot.py"]},
            "outputs": {"train_url": {"url": "${job_dir}/output/", "pass": "folder", "predownload": True}},
            "log_path": "${job_dir}/log/",
            "auto_restart": {"times": 0},
            **changes,
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in definition.items() if v is not None}, allow_unicode=True))
        return path

    return make
