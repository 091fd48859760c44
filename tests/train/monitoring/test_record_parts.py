"""The parts of a loss record: bounded, joined again to the same record, changed only where the record has grown."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.train.monitoring.record_parts import PART_LINES, RecordParts, join_parts, part_name


def grow(record: Path, lines: int) -> None:
    with record.open("a") as file:
        first = record.stat().st_size
        file.writelines(f'{{"global_step": {first + number}}}\n' for number in range(lines))


@pytest.mark.parametrize("additions", [[0, 3, 0, 4, 9, 1], [4, 4, 4], [25], [1] * 9])
def test_parts_are_the_record_and_only_the_last_ones_change(tmp_path: Path, additions: list[int]) -> None:
    record, store = tmp_path / "loss-rank0.jsonl", tmp_path / "store"
    store.mkdir()
    record.touch()
    parts = RecordParts(record, most_lines=4)
    for lines in additions:
        grow(record, lines)
        changed = list(parts.changed())
        assert len(changed) <= 1 + -(-(lines + 3) // 4), "none of the parts that were full before"
        for part in changed:
            assert part.read_bytes().count(b"\n") <= 4
            (store / part.name).write_bytes(part.read_bytes())
        there = [store / part_name(record.name, number) for number in range(len(list(store.iterdir())))]
        assert b"".join(path.read_bytes() for path in there) == record.read_bytes()
        join_parts(there, tmp_path / "joined")
        assert (tmp_path / "joined").read_bytes() == record.read_bytes()


def test_what_was_not_taken_comes_again(tmp_path: Path) -> None:
    record = tmp_path / "loss-rank0.jsonl"
    grow(record, 9)
    parts = RecordParts(record, most_lines=4)
    assert next(parts.changed()).name == "loss-rank0.jsonl"  # and then the upload fails
    assert [part.name for part in parts.changed()] == [part_name(record.name, number) for number in range(3)]
    with record.open("a") as file:
        file.write('{"half')
    (last,) = parts.changed()
    assert last.read_text().count("\n") == 1
    assert "half" not in last.read_text()


def test_the_work_at_a_checkpoint_does_not_grow_with_the_record(tmp_path: Path) -> None:
    record = tmp_path / "loss-rank0.jsonl"
    grow(record, 12 * PART_LINES)
    parts = RecordParts(record)
    assert len(list(parts.changed())) == 13
    for _ in range(3):
        grow(record, 100)
        assert sum(part.stat().st_size for part in parts.changed()) < record.stat().st_size / 100
