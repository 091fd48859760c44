"""The start-up report."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from src.train.monitoring.startup import Startup, resident_bytes


def test_phases_are_timed_counted_and_shown() -> None:
    startup = Startup()
    with startup("staging pictures") as phase:
        time.sleep(0.05)
        phase.files, phase.size_bytes = 1200, 3_500_000
    startup.add("first batch", 2.0, note="of one batch")
    assert 0.05 <= startup.phases[0].seconds < startup.total_s + 1e-9
    lines = startup.table().splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:2] == ["staging", "pictures"]
    assert lines[1].split()[3:] == ["1,200", "3.5"]
    assert lines[2].split() == ["first", "batch", "2.00", "-", "-", "of", "one", "batch"]


def test_a_phase_that_fails_is_there_with_its_time() -> None:
    startup = Startup()
    with pytest.raises(ValueError), startup("indexing"):
        raise ValueError
    assert startup.phases[0].name == "indexing"


def test_the_report_is_json(tmp_path: Path) -> None:
    startup = Startup()
    startup.add("indexing", 1.23456, 10)
    found = json.loads(startup.write(tmp_path / "new").read_text())
    assert found["phases"] == [{"name": "indexing", "seconds": 1.235, "files": 0, "size_bytes": 10, "note": ""}]


def test_memory_is_that_of_a_process() -> None:
    assert 1_000_000 < resident_bytes() < 1 << 40
