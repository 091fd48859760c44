"""The fault tables of docs/training.md and docs/inference.md name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.mark.parametrize("page", ["training.md", "inference.md"])
def test_each_line_of_the_fault_table_names_a_test(root: Path, page: str) -> None:
    text = (root / "docs" / page).read_text(encoding="utf-8")
    section = text.partition("## What happens when …")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith(("| what", "| **"))]
    assert len(lines) >= 25
    for line in lines:
        found = re.search(r"\| `(\S+\.py)::(\w+)` \|$", line)
        assert found is not None, line
        source = (root / "tests" / found[1]).read_text(encoding="utf-8")
        assert f"\ndef {found[2]}(" in source, line
