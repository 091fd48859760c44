"""The loss record and what is made of it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from src.train.monitoring import loss_record as record
from src.train.monitoring.loss_record import LossRecord, write_scalars


def scalars(path: Path) -> list[tuple[int, dict[str, float]]]:
    """(step, value by name) of an event file; its frames are length, checksum, message, checksum."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    assert found[0].file_version == "brain.Event:2"
    return [(event.step, {value.tag: value.simple_value for value in event.summary.value}) for event in found[1:]]


def recorded(folder: Path, steps: int, done: int = 0) -> Path:
    with LossRecord(folder, 0, done) as made:
        for step in range(done + 1, steps + 1):
            made.add(global_step=step, loss=1 / step, lr=0.5, data_wait_share=0.25, step_s=2.0)
    return made.path


def test_scalars_hold_the_record(tmp_path: Path) -> None:
    written = write_scalars(recorded(tmp_path, 4), 4)
    assert written is not None
    assert scalars(written) == [
        (step, {"loss": pytest.approx(1 / step), "lr": 0.5, "data_wait_share": 0.25, "step_s": 2.0})
        for step in (1, 2, 3, 4)
    ]


def test_scalars_of_a_longer_record_begin_with_those_of_a_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "SCALARS_POINTS", 5)
    written = write_scalars(recorded(tmp_path, 7), 15)
    assert written is not None
    shorter = written.read_bytes()
    assert [step for step, _ in scalars(written)] == [3, 6]
    write_scalars(recorded(tmp_path, 13, done=7), 15)
    assert [step for step, _ in scalars(written)] == [3, 6, 9, 12]
    assert written.read_bytes().startswith(shorter)


def test_a_line_that_a_kill_left_half_written_is_dropped(tmp_path: Path) -> None:
    path = recorded(tmp_path, 3)
    path.write_bytes(path.read_bytes()[:-9])
    assert [line["global_step"] for line in record.read_record(recorded(tmp_path, 5, done=3))] == [1, 2, 4, 5]
