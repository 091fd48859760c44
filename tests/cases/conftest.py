"""Cases from the shared folder; each test is named like its case."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest


@pytest.fixture
def case(shared: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of the case whose number the test's name begins with."""
    found = re.match(r"test_(\d+)_", request.node.name)
    assert found
    (folder,) = (shared / "cases").glob(f"{found[1]}-*")
    return folder


def tree_of(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
