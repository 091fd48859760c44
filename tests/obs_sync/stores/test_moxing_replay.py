"""What the probe reports of a platform's moxing, the stand-in answers; storage works over it as over the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import obs_sync
from modelarts.probe import HIDDEN, report
from obs_sync import ObsFileSystem
from tests.fakes.replay import RECORDED, quirks_of, read_report
from tests.obs_sync.conftest import BUCKET, MOXING_VARIANTS, recognizes_copies


def probed(scratch: Path) -> dict[str, Any]:
    """The probe's report of the moxing that is there, through the JSON file that it writes."""
    arguments = {"probe_url": f"obs://{BUCKET}/jobs/probe/moxing/"}
    return dict(json.loads(json.dumps(report(arguments, {"OBS_SECRET_ACCESS_KEY": "x"}, scratch))))


def without_times(told: Mapping[str, Any]) -> dict[str, Any]:
    listing = {name: value for name, value in told["listing"].items() if not name.endswith("_ms")}
    return {**told, "listing": listing}


@pytest.mark.parametrize("variant", MOXING_VARIANTS, ids=lambda variant: "-".join(variant.values()))
def test_replayed_answers_are_the_recorded_ones(
    mox: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: dict[str, str]
) -> None:
    monkeypatch.setattr("modelarts.probe.SPEED_BYTES", 1 << 20)
    monkeypatch.setattr("modelarts.probe.MODULES", ())
    mox.quirks.update(variant)
    recorded = probed(tmp_path)
    assert recorded["environment"] == {"OBS_SECRET_ACCESS_KEY": HIDDEN}
    assert BUCKET not in json.dumps(recorded["moxing"]["obs"]), "a report names no bucket"
    assert mox.buckets[BUCKET] == {}, "the probe removes what it wrote"
    mox.quirks.clear()
    mox.quirks.update(quirks_of(recorded))
    replayed = probed(tmp_path)
    assert without_times(replayed["moxing"]["obs"]) == without_times(recorded["moxing"]["obs"])


@pytest.fixture
def recorded() -> dict[str, Any]:
    """Your platform's report, or one that a stand-in with awkward answers gave."""
    return read_report(RECORDED)


def test_storage_works_over_recorded_answers(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path, recorded: dict[str, Any]
) -> None:
    mox.quirks.update(quirks_of(recorded))
    fs = moxing_mode
    files = {"a": b"first", "sub/b": b"second", "sub/deep/c": b""}
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    assert len(obs_sync.copy(f"{tmp_path / 'in'}/", f"{base}/", filesystem=fs).copied) == 3
    mox.make_dirs(f"{base}/sub")
    assert obs_sync.list_files(f"{base}/", filesystem=fs) == {name: len(data) for name, data in files.items()}
    obs_sync.copy(f"{base}/", f"{tmp_path / 'out'}/", filesystem=fs)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    again = obs_sync.copy(f"{base}/", f"{tmp_path / 'out'}/", filesystem=fs)
    assert len(again.skipped) == (3 if recognizes_copies(fs) else 0)
    assert fs.info(f"{base}/a")["size"] == 5
    assert fs.cat_file(f"{base}/a", 1, 3) == b"ir"
    assert not fs.exists(f"{base}/missing")
    assert fs.find(f"{base}/missing") == []
    with pytest.raises(obs_sync.NotFound):
        fs.cat_file(f"{base}/missing")
    fs.pipe_file(f"{base}/a", b"newer!")
    assert fs.cat_file(f"{base}/a") == b"newer!"
    fs.rm(f"{base}/", recursive=True)
    assert fs.find(f"{base}/") == []


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("stat", {"length": "int", "mtime_nsec": "str"}),
        ("stat", {"bytes": "int"}),
        ("missing_folder", 3),
        ("missing_folder", {"raises": ["KeyError", "LookupError", "Exception", "BaseException"]}),
    ],
)
def test_an_answer_that_cannot_be_replayed_is_named(recorded: dict[str, Any], part: str, answer: Any) -> None:
    recorded["moxing"]["obs"][part] = answer
    with pytest.raises(ValueError, match="does not know"):
        quirks_of(recorded)


def test_a_report_without_moxing_cannot_be_replayed() -> None:
    with pytest.raises(ValueError, match="ModuleNotFoundError"):
        quirks_of({"moxing": "ModuleNotFoundError"})
