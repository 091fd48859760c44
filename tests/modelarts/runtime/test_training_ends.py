"""The training job around its training: who may open a train_url, and how the last uploads end."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime import training
from modelarts.runtime.topology import JobTopology
from modelarts.runtime.training import _finish_uploads, _open_train_url
from obs_sync.transfer import uploader as uploader_module
from src.errors import ConfigError, StoppedError
from src.model_utils.config import Config, build_config
from src.train.checkpoints.manifest import CheckpointName
from tests.modelarts.runtime.test_publishing import URL, both, names, save, store

__all__ = ["store"]  # the fixture
TOPOLOGY = JobTopology(0, 1, 0, Path("scratch"))


def config(**more: str) -> Config:
    return build_config({"train_url": URL, "storage_mode": "local", **more})


def never(source: str, target: str, **_: object) -> object:
    raise obs_sync.Transient("the store does not answer", url=target, operation="upload")


def leave_behind(monkeypatch: pytest.MonkeyPatch, *written: CheckpointName) -> None:
    """A start that was ended before its checkpoints could be uploaded."""
    with monkeypatch.context() as patch:
        publisher, owner = _open_train_url(config(), TOPOLOGY)
        patch.setattr(uploader_module, "copy", never)
        for name in written:
            save(publisher, name)
        assert len(publisher.drain(0.1)) == len(written)
        publisher.close()
        owner.release()


def test_leftovers_of_this_run_are_published(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(monkeypatch, CheckpointName(0, 1, 5))
    publisher, owner = _open_train_url(config(), TOPOLOGY)
    assert publisher.drain(10) == []
    assert names(store) == both(CheckpointName(0, 1, 5))
    owner.release()


@pytest.mark.parametrize("resume", ["never", "auto"])
def test_leftovers_of_a_discarded_run_are_not(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, resume: str
) -> None:
    leave_behind(monkeypatch, CheckpointName(0, 8, 5))
    shutil.rmtree(store)  # the user has deleted it
    publisher, owner = _open_train_url(config(resume=resume), TOPOLOGY)
    assert list(publisher.candidates()) == []
    save(publisher, CheckpointName(0, 1, 1))
    assert publisher.drain(10) == []
    owner.release()
    assert names(store) == both(CheckpointName(0, 1, 1))
    assert f"checkpoints of another run are not published; moved to {Path('scratch')}" in caplog.text


def test_never_is_as_good_as_auto_where_the_platform_starts_the_same_job_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JobTopology(0, 1, 0, Path("scratch"), job_id="job-7")
    first, owner = _open_train_url(config(resume="never"), job)
    first.candidates()
    save(first, CheckpointName(0, 1, 1))
    assert first.drain(10) == []
    owner.release()
    again, owner = _open_train_url(config(resume="never"), job)
    assert len(again.candidates()) == 1
    owner.release()
    with pytest.raises(ConfigError, match="resume=never does not mix runs"):
        _open_train_url(config(resume="never"), TOPOLOGY)


def test_a_signal_during_the_last_uploads_leaves_them_their_time_and_what_is_missing_is_listed(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(training, "DRAIN_WHEN_STOPPED_S", 0.3)
    publisher, owner = _open_train_url(config(), TOPOLOGY)
    monkeypatch.setattr(uploader_module, "copy", never)
    save(publisher, CheckpointName(0, 1, 1))

    def signal_once_it_waits() -> None:
        while signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.default_int_handler):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=signal_once_it_waits, daemon=True).start()
    with pytest.raises(StoppedError, match="during the last uploads: 1 missing"):
        _finish_uploads(publisher, 600)
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("not published: ")]
    assert "1_1.ckpt.manifest.json" in line
    assert "still at" in line
    publisher.close()
    owner.release()


def test_ranks_that_open_a_train_url_in_any_order_agree_on_run_and_generation(store: Path) -> None:
    cards = [JobTopology(rank, 2, 0, Path("scratch"), local_rank=rank) for rank in (0, 1)]
    seen = []
    for start, order in enumerate(((1, 0), (0, 1), (1, 0))):
        opened = {rank: _open_train_url(config(keep_checkpoint_max="2"), cards[rank]) for rank in order}
        found = {rank: publisher.candidates() for rank, (publisher, _) in opened.items()}  # after all have met
        assert [each.manifest.order for each in found[0]] == [each.manifest.order for each in found[1]]
        assert len({owner.run_id for _, owner in opened.values()}) == 1
        for rank, (publisher, owner) in opened.items():
            if found[rank]:
                found[rank][0].chosen(start != 2)  # the last start is a changed one
            for step in (1, 2):
                save(publisher, CheckpointName(rank, start + 1, step), ranks=2)
            assert publisher.drain(10) == []
            publisher.close()
            owner.release()
        seen.append({json.loads(path.read_text())["generation"] for path in store.glob(f"ckpt_*/*-{start + 1}_*.json")})
    assert seen == [{1}, {1}, {2}]
    for rank, step in ((0, 1), (0, 2), (1, 1), (1, 2)):
        assert both(CheckpointName(rank, 3, step)) <= names(store)
