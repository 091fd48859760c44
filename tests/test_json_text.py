"""State files that somebody else may have written: whatever is in them, one broken file stops nobody."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelarts.runtime.checkpoints.owner import OwnerNote, new_note
from modelarts.runtime.node_lock import WorkStatus
from modelarts.runtime.streaming import RequestQueue
from modelarts.runtime.supervision import rank_status
from modelarts.runtime.supervision.rank_status import Peers, RankStatus
from src.errors import CheckpointError
from src.infer.output.journal import Lines
from src.infer.output.output_folder import RUN_FILE, recorded_digest, unfinished_folders
from src.json_text import parse_dataclass, parse_json, parse_json_object
from src.train.checkpoints.manifest import Manifest
from src.train.monitoring.loss_record import read_record

ABSURD = [
    b"",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b"3",
    b'"text"',
    b"{}",
    b'{"mark": 7, "exit_code": "x"}',
    b'{"pid": "x", "born": [], "at": 1e400}',
    b'{"pid": 1, "born": ' + b"9" * 400 + b"}",
    b'{"file": "a.jpg", "status": "ok"}',
    b'{"file": "a.jpg", "status": "ok", "persons": [{"occurred": 7, "keypoints": []}]}',
    b'{"file": ["a"], "status": "ok", "persons": []}',
    b'{"digest": {"a": 1}, "global_step": "x"}',
    b'{"global_step": NaN, "at": Infinity}',
]

#: What JSON can hold, small.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class Plain:
    name: str
    share: float
    count: int = 3
    done: bool = False


def test_a_dataclass_is_read_with_its_types() -> None:
    assert parse_dataclass(Plain, '{"name": "a", "share": 1, "more": []}') == Plain("a", 1.0)
    for text in ('{"name": "a"}', '{"name": 1, "share": 1}', '{"name": "a", "share": 1, "count": true}'):
        with pytest.raises(ValueError, match=r"is missing|name is|count is"):
            parse_dataclass(Plain, text)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"NaN", b"x" * 100, b"\xff"])
def test_everything_else_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(content, max_bytes=99 if content == b"x" * 100 else 1 << 20)
    with pytest.raises(ValueError, match="not a JSON object"):
        parse_json_object(b"[]")


def read_everything(folder: Path, content: bytes) -> None:
    """Have every reader of state files read this content; none of them may fail."""
    for name in ("rank_0.json", "rank_1.json", "work.json", "work.progress", "results.jsonl", "loss-rank0.jsonl"):
        (folder / name).write_bytes(content + b"\n")
    (folder / "output_img1").mkdir(exist_ok=True)
    (folder / "output_img1" / RUN_FILE).write_bytes(content)
    rank_status.read(folder, 0)
    assert isinstance(Peers(folder, 0, [0, 1], 2, 0.0, 1e9).problem(), str)
    outcome = WorkStatus(folder, "work").outcome()
    assert isinstance(outcome.get("mark", ""), str)
    for line in Lines([folder / "results.jsonl"]).values():
        assert isinstance(line["persons"], list)
    recorded_digest(folder / "output_img1")
    assert not list(unfinished_folders(folder, "another digest"))
    read_record(folder / "loss-rank0.jsonl")
    queue = folder / "queue"
    queue.mkdir(exist_ok=True)
    (queue / "1.txt").write_bytes(content.replace(b"\n", b" ") + b'\n["a.jpg"]\n')
    assert ["a.jpg"] in RequestQueue(queue).new()


@pytest.mark.parametrize("content", ABSURD)
def test_no_broken_state_file_stops_a_reader(tmp_path: Path, content: bytes) -> None:
    read_everything(tmp_path, content)
    for cls in (OwnerNote, RankStatus):
        with pytest.raises(ValueError):
            parse_dataclass(cls, content)
    with pytest.raises(CheckpointError):
        Manifest.from_json(content, "manifest")


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(asdict(RankStatus(1, 0.0)))), value=VALUES)
def test_no_value_of_a_rank_status_stops_the_watchdog(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("ranks")
    read_everything(folder, json.dumps({**asdict(RankStatus(1, 0.0)), name: value}).encode())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    status = RankStatus(7, 1.5, phase="training", global_step=3, at=2.5)
    rank_status.write(tmp_path, 0, status)
    assert rank_status.read(tmp_path, 0) == status
    note = new_note("run", "job")
    assert OwnerNote.from_json(note.to_json()) == note
