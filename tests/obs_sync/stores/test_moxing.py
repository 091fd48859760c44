"""moxing mode where moxing lies: silence, half copies, hangs, odd exceptions, and the wrong package of that name."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import obs_sync
from obs_sync import AccessDenied, Integrity, MissingDependency, NotFound, ObsFileSystem, Transient
from obs_sync.__main__ import main
from obs_sync.stores.moxing.answers import size_of
from tests.fakes.quirks import QUIRKS
from tests.obs_sync.conftest import BUCKET, MOXING_VARIANTS, forget_moxing


def once_and_ever(mox: ModuleType, function: str, what: Any, ever: bool) -> None:
    """Let the next call, or all that will come, misbehave."""
    mox.faults[:] = [(function, what)] * (50 if ever else 1)


@pytest.fixture(autouse=True)
def no_faults(mox: ModuleType) -> None:
    mox.faults.clear()
    mox.calls.clear()


@pytest.mark.parametrize("what", ["skip", "half", "raise", "broken", 503, 429])
def test_upload_and_download_through_one_failure(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path, what: Any
) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    once_and_ever(mox, "copy", what, ever=False)
    obs_sync.copy(str(tmp_path / "f"), f"{base}/f", filesystem=moxing_mode)
    assert moxing_mode.cat_file(f"{base}/f") == b"0123456789"
    once_and_ever(mox, "copy", what, ever=False)
    obs_sync.copy(f"{base}/f", str(tmp_path / "g"), filesystem=moxing_mode)
    assert (tmp_path / "g").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("skip", Integrity),
        ("half", Integrity),
        ("raise", Transient),
        ("broken", Transient),
        (503, Transient),
        (403, AccessDenied),
    ],
)
def test_failure_for_ever_is_an_error(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path, what: Any, error: type[Exception]
) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    moxing_mode.pipe_file(f"{base}/there", b"9876543210")
    once_and_ever(mox, "copy", what, ever=True)
    with pytest.raises(error):
        obs_sync.copy(str(tmp_path / "f"), f"{base}/f", filesystem=moxing_mode)
    with pytest.raises(error):
        obs_sync.copy(f"{base}/there", str(tmp_path / "out" / "g"), filesystem=moxing_mode)
    assert list((tmp_path / "out").iterdir()) == []
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(b"x1")
    with pytest.raises(obs_sync.Incomplete) as caught:
        obs_sync.copy(str(tmp_path / "in"), f"{base}/folder", filesystem=moxing_mode)
    assert caught.value.result is not None
    assert list(caught.value.result.failed) == ["x"]


@pytest.mark.parametrize("what", ["skip", "half"])
def test_silent_write_and_read(mox: ModuleType, moxing_mode: ObsFileSystem, base: str, what: str) -> None:
    once_and_ever(mox, "write", what, ever=True)
    with pytest.raises(Integrity):
        moxing_mode.pipe_file(f"{base}/f", b"0123456789")
    mox.faults.clear()
    moxing_mode.pipe_file(f"{base}/f", b"0123456789")
    once_and_ever(mox, "read", "half", ever=True)
    with pytest.raises(Integrity):
        moxing_mode.cat_file(f"{base}/f")


def test_remove_that_does_nothing_is_noticed(mox: ModuleType, moxing_mode: ObsFileSystem, base: str) -> None:
    moxing_mode.pipe_file(f"{base}/f", b"x")
    once_and_ever(mox, "remove", "skip", ever=True)
    with pytest.raises(obs_sync.RequestFailed, match="did not remove"):
        moxing_mode.rm_file(f"{base}/f")


def test_missing_source_never_reaches_moxing(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        obs_sync.copy(str(tmp_path / "none"), f"{base}/f", filesystem=moxing_mode)
    with pytest.raises(NotFound):
        obs_sync.copy(f"{base}/none", str(tmp_path / "f"), filesystem=moxing_mode)
    assert [call for call in mox.calls if call[0].startswith("copy")] == []


def test_source_is_always_first_and_never_written(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a").write_bytes(b"a")
    obs_sync.copy(str(tmp_path / "in"), base, filesystem=moxing_mode)
    obs_sync.copy(base, str(tmp_path / "out"), filesystem=moxing_mode)
    copies = [call for call in mox.calls if call[0] == "copy"]
    assert copies[0] == ("copy", str(tmp_path / "in" / "deep" / "a"), f"{base}/deep/a")
    assert copies[1][1] == f"{base}/deep/a"
    assert copies[1][2].startswith(str(tmp_path / "out"))
    assert (tmp_path / "in" / "deep" / "a").read_bytes() == b"a"


def test_hanging_call_ends_at_the_deadline(mox: ModuleType, base: str, tmp_path: Path) -> None:
    fs = obs_sync.filesystem("moxing", deadline_s=0.5, max_attempts=1)
    (tmp_path / "f").write_bytes(b"x")
    once_and_ever(mox, "copy", "hang", ever=True)
    with pytest.raises(Transient, match="timed out after"):
        obs_sync.copy(str(tmp_path / "f"), f"{base}/f", filesystem=fs)


def test_object_replaced_during_the_download(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moxing_mode.pipe_file(f"{base}/f", b"1111")
    bucket, key = moxing_mode.split(f"{base}/f")
    original = mox.copy

    def copy_then_replace(source: str, target: str) -> None:
        original(source, target)
        mox.put(bucket, key, b"2222")

    monkeypatch.setattr(mox, "copy", copy_then_replace)
    with pytest.raises(Integrity, match="replaced"):
        obs_sync.copy(f"{base}/f", str(tmp_path / "g"), filesystem=moxing_mode)
    assert not (tmp_path / "g").exists()


def test_one_listing_a_folder(mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path) -> None:
    for number in range(20):
        moxing_mode.pipe_file(f"{base}/{number}", b"x")
    obs_sync.copy(f"{base}/", str(tmp_path / "out"), filesystem=moxing_mode)
    mox.calls.clear()
    again = obs_sync.copy(f"{base}/", str(tmp_path / "out"), filesystem=moxing_mode)
    assert len(again.skipped) == 20
    assert [call[0] for call in mox.calls] == ["scan_dir"]


def test_the_other_package_of_that_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_moxing()
    monkeypatch.setitem(sys.modules, "moxing", ModuleType("moxing"))
    with pytest.raises(MissingDependency, match="different program"):
        _ = obs_sync.filesystem("moxing").store
    monkeypatch.setattr(sys.modules["moxing"], "__spec__", object())
    assert obs_sync.filesystem("auto", obs_local_root=str(tmp_path)).storage_mode == "local"


def test_auto_takes_the_real_moxing(mox: ModuleType) -> None:
    assert obs_sync.filesystem("auto").storage_mode == "moxing"


def test_auto_prefers_the_sdk_where_it_can_be_used(mox: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_ENDPOINT", "https://obs.example.com")
    assert obs_sync.filesystem("auto").storage_mode == "moxing"
    monkeypatch.setenv("OBS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("OBS_SECRET_ACCESS_KEY", "b")
    assert obs_sync.filesystem("auto").storage_mode == "obs"
    monkeypatch.setenv("OBS_SECURITY_TOKEN", "temporary, and nothing here renews it")
    assert obs_sync.filesystem("auto").storage_mode == "moxing"
    given = obs_sync.Credentials("a", "b", "token")  # by a caller who can renew it
    assert obs_sync.filesystem("auto", credentials=given).storage_mode == "obs"


@pytest.mark.parametrize("length", [None, -1, float("nan"), float("inf"), "10", True])
def test_a_size_that_is_no_number_of_bytes_is_asked_for(length: object) -> None:
    assert size_of(SimpleNamespace(length=length)) == -1
    assert size_of(SimpleNamespace(length=length, st_size=10.0)) == 10


def test_pairwise_combinations_cover_every_pair() -> None:
    for one, two in itertools.combinations(QUIRKS, 2):
        found = {(combination[one], combination[two]) for combination in MOXING_VARIANTS}
        assert found == set(itertools.product(QUIRKS[one], QUIRKS[two]))
    assert MOXING_VARIANTS[0] == {name: values[0] for name, values in QUIRKS.items()}


def test_status_in_a_listing_that_is_a_request_and_fails(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str
) -> None:
    mox.quirks["entry_stat"] = "request"
    for name in "abc":
        moxing_mode.pipe_file(f"{base}/{name}", b"x")
    mox.faults[:] = [("entry_stat", 503)]
    assert len(moxing_mode.ls(base)) == 3
    mox.faults[:] = [("entry_stat", 404)]  # removed between the listing and the look
    assert len(moxing_mode.ls(base)) == 2
    mox.faults[:] = [("entry_stat", 403)] * 3
    with pytest.raises(AccessDenied):
        moxing_mode.ls(base)


def test_doctor_shows_what_moxing_answers(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moxing_mode.pipe_file(f"{base}/x", b"x")
    moxing_mode.pipe_file(f"obs://{BUCKET}/top.txt", b"x")
    mox.quirks.update({"missing_folder": "not exists", "seek": "no", "listing_time": "missing"})
    obs_sync.configure(storage_mode="moxing", backoff_s=0.01)
    assert main(["doctor", base]) == 0
    shown = capsys.readouterr().out
    assert "scan_dir of a missing folder: raises MoxFileNotExistsException" in shown
    assert "file can seek: raises UnsupportedOperation" in shown
    assert "mtime_nsec=" in next(line for line in shown.splitlines() if "stat of the same file" in line)
    assert "mtime_nsec=" not in next(line for line in shown.splitlines() if "file in a listing" in line)
    assert moxing_mode.exists(f"{base}/x")


def test_source_that_vanishes_is_not_retried(
    mox: ModuleType, moxing_mode: ObsFileSystem, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "f"
    source.write_bytes(b"x")

    def vanish(*_: Any) -> float:
        source.unlink()
        return 0.0

    monkeypatch.setattr("obs_sync.retry.Policy.pause", vanish)
    once_and_ever(mox, "copy", "skip", ever=True)
    with pytest.raises(NotFound, match=str(source)):
        obs_sync.copy(str(source), f"{base}/f", filesystem=moxing_mode)
