"""Folders are carried out while they change; what goes wrong for good is told, what passes is not."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Callable

import pytest

import obs_sync
from modelarts.dryrun.output_sync import PeriodicSync, Route, finish_all


@pytest.fixture
def store(tmp_path: Path) -> obs_sync.ObsFileSystem:
    (tmp_path / "obs" / "bucket").mkdir(parents=True)
    return obs_sync.ObsFileSystem(storage_mode="local", obs_local_root=str(tmp_path / "obs"))


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _route(folder: Path, url: str) -> Route:
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"first")
    return Route(folder, url, folder.name)


def test_new_and_changed_files_are_carried_and_none_is_removed(tmp_path: Path, store: obs_sync.ObsFileSystem) -> None:
    route = _route(tmp_path / "out", "obs://bucket/out/")
    sync = PeriodicSync([route], store, 0.05)
    _wait_for(lambda: store.exists("obs://bucket/out/a.txt"))
    (route.folder / "a.txt").write_bytes(b"changed")
    _wait_for(lambda: store.cat_file("obs://bucket/out/a.txt") == b"changed")
    (route.folder / "a.txt").unlink()
    (route.folder / "b.txt").write_bytes(b"last")
    sync.finish()
    assert store.cat_file("obs://bucket/out/a.txt") == b"changed"
    assert store.cat_file("obs://bucket/out/b.txt") == b"last"


def test_one_failed_pass_is_not_told_but_two_are(
    tmp_path: Path, store: obs_sync.ObsFileSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passes: list[bool] = []
    plan = iter([False, True, False, False])
    copy = obs_sync.copy

    def sometimes(*args: str, **options: object) -> object:
        passes.append(next(plan, True))
        if not passes[-1]:
            raise obs_sync.ObsSyncError("grew while it was copied")
        return copy(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("modelarts.dryrun.output_sync.obs_sync.copy", sometimes)
    with caplog.at_level(logging.WARNING):
        sync = PeriodicSync([_route(tmp_path / "log", "obs://bucket/log/")], store, 0.05)
        _wait_for(lambda: len(passes) >= 5)
        sync.finish()
    assert [record.getMessage() for record in caplog.records if "twice in a row" in record.getMessage()] == [
        "log: copying failed twice in a row: grew while it was copied"
    ]
    assert store.exists("obs://bucket/log/a.txt")


def test_the_last_pass_raises_after_all_have_finished(tmp_path: Path, store: obs_sync.ObsFileSystem) -> None:
    bad = PeriodicSync([_route(tmp_path / "bad", "obs://nobucket/x/")], store, 60)
    good = PeriodicSync([_route(tmp_path / "good", "obs://bucket/good/")], store, 60)
    with pytest.raises(obs_sync.ObsSyncError, match="nobucket"):
        finish_all([bad, good])
    assert store.exists("obs://bucket/good/a.txt")
