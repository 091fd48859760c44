"""Lines of results: on the disk whatever a kill leaves behind them, and on their way to OBS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.runtime.results.sink import ObsResultSink
from src.infer.output.journal import SEGMENTS, Journal, as_bytes, read_journals


@pytest.mark.parametrize(
    "tail", [b"", b'{"file": "b.jpg", "sta', b"\xff\xfe", b"[1, 2]\n", b"null\n", b'{"file": 3}\n']
)
def test_a_journal_survives_any_tail(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "results.jsonl"
    good = {"file": "a.jpg", "status": "ok", "persons": []}
    with Journal(path) as journal:
        journal.append(as_bytes(good))
    with path.open("ab") as file:
        file.write(tail)
    with Journal(path) as journal:
        journal.append(as_bytes({**good, "file": "c \udcff.jpg"}))
    assert list(read_journals(tmp_path)) == ["a.jpg", "c \udcff.jpg"]


def line_of(name: str) -> dict[str, Any]:
    return {"file": name, "status": "unreadable", "persons": []}


def test_every_line_is_sent_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, folder = tmp_path / "mounted", tmp_path / "out"
    place.mkdir()
    folder.mkdir()
    copies: list[str] = []
    copy = obs_sync.copy
    monkeypatch.setattr(
        obs_sync, "copy", lambda source, *rest, **more: copies.append(source) or copy(source, *rest, **more)
    )
    with (
        ObsResultSink(folder, str(place), "results.part1.jsonl", every_s=60, look_every_s=1) as other,
        ObsResultSink(folder, str(place), "results.part0.jsonl", every_s=60, look_every_s=1) as sink,
    ):
        for number in range(5):
            other.enqueue([], line_of(f"{number}.jpg"))
            other.flush()
            other.flush()
            assert list(sink.collect()) == [f"{n}.jpg" for n in range(number + 1)]
        segments = sorted((place / SEGMENTS).iterdir())
        assert [path.read_bytes().count(b"\n") for path in segments] == [1] * 5
        assert len(copies) == 5
        segments[0].write_bytes(b"read again, this would be a damaged line")
        assert len(sink.collect()) == 5


def test_a_failed_delivery_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, folder = tmp_path / "mounted", tmp_path / "out"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    copy = obs_sync.copy
    with (
        ObsResultSink(folder, str(place), "results.part1.jsonl", every_s=60, look_every_s=1) as other,
        ObsResultSink(folder, str(place), "results.part0.jsonl", every_s=60, look_every_s=1) as sink,
    ):
        sink.enqueue(["a.jpg"], line_of("a.jpg"))
        monkeypatch.setattr(obs_sync, "copy", lambda *_, **__: (_ for _ in ()).throw(OSError("away")))
        with pytest.raises(OSError, match="away"):
            sink.flush()
        assert len(other.collect()) == 0
        monkeypatch.setattr(obs_sync, "copy", copy)
        sink.enqueue([], line_of("b.jpg"))
        sink.flush()
        assert list(other.collect()) == ["a.jpg", "b.jpg"]
        assert list(sink.collect()) == [], "a card knows its own"
        assert (place / "a.jpg").read_bytes() == b"a"


def test_what_was_removed_does_not_come_back(tmp_path: Path) -> None:
    place, folder = tmp_path / "mounted", tmp_path / "out"
    folder.mkdir()
    with ObsResultSink(folder, str(place), "results.part0.jsonl", every_s=60, look_every_s=1) as sink:
        sink.enqueue([], line_of("a.jpg"))
        sink.flush()
        assert len(list((place / SEGMENTS).iterdir())) == 1
        sink.remove(["results.part0.jsonl"])
        sink.flush()
        assert list(place.iterdir()) == []
    assert list(folder.iterdir()) == []
