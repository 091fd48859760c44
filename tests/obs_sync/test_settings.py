"""Where settings come from, and how `auto` chooses; parsing and joining of URLs."""

from __future__ import annotations

import logging

import fsspec
import pytest

import obs_sync
from obs_sync import Credentials, InvalidRequest
from obs_sync.settings import resolve
from obs_sync.stores.open import choose_mode
from obs_sync.urls import check_bucket, name_problem


def test_arguments_over_configure_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_STORAGE_MODE", "local")
    monkeypatch.setenv("OBS_LOCAL_ROOT", "/from/environment")
    monkeypatch.setenv("S3_ENDPOINT", "https://modelarts")
    assert resolve().obs_local_root == "/from/environment"
    assert resolve().endpoint == "https://modelarts"
    monkeypatch.setenv("OBS_ENDPOINT", "https://own")
    assert resolve().endpoint == "https://own"
    obs_sync.configure(obs_local_root="/configured")
    assert resolve().obs_local_root == "/configured"
    assert resolve(obs_local_root="/argument").obs_local_root == "/argument"
    assert fsspec.filesystem("obs").settings.obs_local_root == "/configured"
    obs_sync.configure()
    assert resolve().obs_local_root == "/from/environment"


@pytest.mark.parametrize("wrong", [{"storage_mode": "cloud"}, {"signature": "v3"}, {"timeout_s": 0}, {"no_such": 1}])
def test_wrong_settings_are_refused_and_change_nothing(wrong: dict[str, object]) -> None:
    obs_sync.configure(storage_mode="local")
    with pytest.raises(InvalidRequest):
        obs_sync.configure(**wrong)
    with pytest.raises(InvalidRequest):
        obs_sync.filesystem(**wrong)
    assert resolve().storage_mode == "local"


def test_auto(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert choose_mode(resolve(endpoint="https://x"), True)[0] == "obs"
    assert choose_mode(resolve(endpoint="https://x"), False) == (
        "local",
        "moxing is not installed and no credentials are set",
    )
    mode, reason = choose_mode(resolve(), True)
    assert (mode, "no endpoint" in reason) == ("local", True)
    monkeypatch.setenv("MA_JOB_DIR", "/home/ma-user/modelarts/user-job-dir")
    with caplog.at_level(logging.WARNING):
        choose_mode(resolve(), False)
    assert "stay in ./obs_root on this machine" in caplog.text


def test_chosen_mode_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: object) -> None:
    with caplog.at_level(logging.INFO):
        _ = obs_sync.filesystem("auto", obs_local_root=f"{tmp_path}/said").storage_mode
    assert "storage mode: local" in caplog.text


def test_credentials_of_configure_are_used(tmp_path: object) -> None:
    obs_sync.configure(Credentials("a", "b"), storage_mode="auto", endpoint="http://obs.localhost:1")
    assert obs_sync.filesystem().storage_mode == "obs"


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("obs://b", "x"), "obs://b/x"),
        (("obs://b/", "/x/", "y"), "obs://b/x/y"),
        (("s3://b/a/", "c.txt"), "s3://b/a/c.txt"),
        (("/local/a", "b"), "/local/a/b"),
        (("obs://b/a/",), "obs://b/a/"),
    ],
)
def test_join(parts: tuple[str, ...], joined: str) -> None:
    assert obs_sync.join(*parts) == joined


@pytest.mark.parametrize("path", ["obs://b/k", "s3://b"])
def test_urls(path: str) -> None:
    assert obs_sync.is_url(path)


@pytest.mark.parametrize("path", ["/obs://b", "b/k", "./x", "", None, 3])
def test_other_paths(path: object) -> None:
    assert not obs_sync.is_url(path)


@pytest.mark.parametrize("bucket", ["ab", "A-bucket", "a_b", "-ab", "a..b", "a.-b", "x" * 64, "", "..", "a/b"])
def test_bucket_names(bucket: str) -> None:
    with pytest.raises(InvalidRequest):
        check_bucket(bucket)


@pytest.mark.parametrize("name", ["/a", "a/../b", "..", "a\\b", "a//b", "a/", "./a", "a\x00b", "x" * 256, "", "\udcff"])
def test_names_that_no_disk_takes(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("name", ["a", "a/b.c", "...", "..a", "文件", "a b", "x" * 255])
def test_names_that_every_disk_takes(name: str) -> None:
    assert name_problem(name) == ""
