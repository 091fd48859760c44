"""What all tests share: the folder with real weights and photographs, where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("GLOG_v", "3")  # MindSpore's own warnings; must be set before its first import


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real weights and photographs beside the checkout (or named by SHARED_DATA)."""
    folder = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real weights and photographs are not here ({folder.name}/ beside the checkout)")
    return folder
