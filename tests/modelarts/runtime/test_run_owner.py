"""One job at a time writes to a train_url: refused while the other lives, taken over when it is dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime.checkpoints import owner as owner_module
from modelarts.runtime.checkpoints.owner import NOTE_FILE, OwnerNote, RunOwner, new_note
from modelarts.runtime.checkpoints.publisher import PUBLISH_ALL, Publisher
from modelarts.runtime.checkpoints.store import CheckpointStore
from src.errors import ConfigError, OutputError
from src.processes import started_at
from src.train.checkpoints.manifest import CheckpointName
from tests.modelarts.runtime.test_publishing import URL, names, save, store

__all__ = ["store"]  # the fixture
FOLDER = f"{URL}/ckpt_0"


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def note(store: Path) -> Path:
    """The note's file."""
    (store / "ckpt_0").mkdir(parents=True)
    return store / "ckpt_0" / NOTE_FILE


def owner(job: str = "", rank: int = 0) -> RunOwner:
    return RunOwner(FOLDER, rank, job)


def other(process: subprocess.Popen[bytes]) -> OwnerNote:
    """The note of another job on this machine."""
    return replace(new_note("theirs", ""), pid=process.pid, pid_started=started_at(process.pid), started="2026-01-02T3")


def test_a_second_job_is_refused_with_the_firsts_start_while_it_lives(
    note: Path, living: subprocess.Popen[bytes]
) -> None:
    note.write_bytes(other(living).to_json())
    with pytest.raises(ConfigError, match=r"train_url: obs://bucket/out belongs to .* 2026-01-02T3 .*still running"):
        owner().claim(new_run=False)
    assert json.loads(note.read_text())["run_id"] == "theirs"
    living.kill()
    living.wait()
    second = owner()
    second.claim(new_run=False)
    assert second.run_id == "theirs"
    second.release()


def test_a_job_that_ended_well_or_is_started_again_by_the_platform_is_followed_at_once(
    note: Path, living: subprocess.Popen[bytes]
) -> None:
    for former, job in (
        (replace(other(living), ended=True), ""),
        (replace(other(living), machine="elsewhere", job="job-7"), "job-7"),
    ):
        note.write_bytes(former.to_json())
        second = owner(job)
        second.claim(new_run=False)
        assert second.run_id == "theirs"
        second.release()
    third = owner()
    third.claim(new_run=True)
    assert third.run_id not in ("", "theirs")
    third.release()


def test_a_job_elsewhere_is_alive_when_it_renews_its_note(
    note: Path, living: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_module, "POLL_S", 0.01)
    theirs = replace(other(living), machine="elsewhere/x/1")
    note.write_bytes(theirs.to_json())
    renewing = threading.Timer(0.05, lambda: note.write_bytes(replace(theirs, renewed=1).to_json()))
    renewing.start()
    with pytest.raises(ConfigError, match=r"elsewhere, process"):
        owner().claim(new_run=False)
    renewing.join()
    monkeypatch.setattr(owner_module, "DEAD_AFTER_S", 0.05)
    second = owner()
    second.claim(new_run=False)  # it has not renewed it any more
    second.release()


def test_the_first_publishes_nothing_more_once_another_has_taken_over(
    note: Path, store: Path, living: subprocess.Popen[bytes]
) -> None:
    mine = owner()
    mine.claim(new_run=False)
    made = Publisher(CheckpointStore(URL, 0, 1), Path("local"), 2, PUBLISH_ALL, None, mine)
    made.start({}, mine.run_id)
    save(made, CheckpointName(0, 1, 1))
    assert made.drain(10) == []
    note.write_bytes(other(living).to_json())
    save(made, CheckpointName(0, 1, 2))
    (line,) = made.drain(10)
    assert "has taken over this train_url" in line
    assert not any("1_2" in name for name in names(store))
    with pytest.raises(OutputError, match="has taken over"):
        save(made, CheckpointName(0, 1, 3))
    made.close()
    mine.release()
    assert json.loads(note.read_text())["run_id"] == "theirs"


def test_the_note_is_renewed_while_the_job_runs_and_marked_at_its_end(
    note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_module, "RENEW_S", 0.01)
    mine = owner()
    mine.claim(new_run=False)
    while json.loads(note.read_text())["renewed"] < 2:
        pass
    mine.release()
    assert json.loads(note.read_text())["ended"] is True


def test_one_folder_of_a_container_is_used_by_one_process(note: Path, tmp_path: Path) -> None:
    first = owner()
    first.lock(tmp_path / "local")
    first.claim(new_run=False)
    script = (
        "import sys; import obs_sync; from pathlib import Path\n"
        "from modelarts.runtime.checkpoints.owner import RunOwner\n"
        "obs_sync.configure(storage_mode='local')\n"
        f"RunOwner({FOLDER!r}, 0).lock(Path({str(tmp_path / 'local')!r}))"
    )
    root = Path(__file__).resolve().parents[3]
    second = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert "ConfigError: train_url: obs://bucket/out is in use by a job that started at" in second.stderr
    first.release()
    again = owner()
    again.lock(tmp_path / "local")
    again.release()


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"{}", b'{"run_id": 3}', b"\xff"])
def test_a_broken_note_stops_nobody(note: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    note.write_bytes(content)
    mine = owner()
    mine.claim(new_run=False)
    assert mine.run_id
    mine.release()
    assert "not an owner note" in caplog.text


def test_other_ranks_belong_to_what_rank_0_has_claimed(note: Path) -> None:
    rank_1 = owner(rank=1)
    rank_1.claim(new_run=False)
    assert rank_1.run_id == ""
    mine = owner()
    mine.claim(new_run=False)
    rank_1.join()
    assert rank_1.run_id == mine.run_id
    rank_1.confirm()
    mine.release()
    owner().claim(new_run=True)
    with pytest.raises(obs_sync.InvalidRequest, match="taken over"):
        rank_1.confirm()
