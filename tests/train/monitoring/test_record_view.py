"""A record that grows without end is read once and kept small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.train.monitoring import record_view as module
from src.train.monitoring.record_view import RecordView, record_view


def write(path: Path, steps: range, mode: str = "ab", **more: float) -> None:
    with path.open(mode) as file:
        for step in steps:
            file.write(json.dumps({"global_step": step, "loss": 0.5, **more}).encode() + b"\n")


def steps_of(view: RecordView) -> list[int]:
    return [line["global_step"] for line in view.lines()]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every line that was parsed."""
    seen: list[bytes] = []
    parse = module.parse_line
    monkeypatch.setattr(module, "parse_line", lambda raw: (seen.append(raw), parse(raw))[1])
    return seen


def test_only_new_lines_are_read(tmp_path: Path, parsed: list[bytes]) -> None:
    path = tmp_path / "loss-rank0.jsonl"
    view = record_view(path)
    assert view.lines() == []
    write(path, range(1, 101))
    assert steps_of(view) == list(range(1, 101))
    with path.open("ab") as file:
        file.write(b'{"global_step": 101')  # still being written
    assert steps_of(record_view(path))[-1] == 100
    with path.open("ab") as file:
        file.write(b', "loss": 1}\n[broken\n')
    assert steps_of(view)[-1] == 101
    assert len(parsed) == 102


def test_a_long_record_is_thinned_and_validations_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 100)
    path = tmp_path / "record"
    view = RecordView(path)
    for start in range(0, 2000, 50):
        write(path, range(start, start + 49))
        write(path, range(start + 49, start + 50), val_loss=1.0)
        assert len(view.lines()) <= 200
    steps = steps_of(view)
    assert steps == sorted(steps)
    assert set(range(49, 2000, 50)) <= set(steps)
    others = [step for step in steps if step % 50 != 49]
    assert {b - a for a, b in zip(others, others[1:])} <= {others[1] - others[0], 2 * (others[1] - others[0])}


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "record"
    view = RecordView(path, every=2)
    write(path, range(1, 11))
    assert steps_of(view) == [2, 4, 6, 8, 10]
    other = tmp_path / "other"
    write(other, range(1, 5))
    other.replace(path)
    assert steps_of(view) == [2, 4]
