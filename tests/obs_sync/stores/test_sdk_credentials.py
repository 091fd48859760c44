"""SDK mode: signatures, keys, tokens and clocks, on the real store; secrets stay where they are."""

from __future__ import annotations

import logging
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import obs_sync
from obs_sync import AccessDenied, Credentials, ObsFileSystem
from obs_sync.credentials import file_provider
from tests.fakes.dialect import Key
from tests.fakes.gateway import STORE_KEY, Gateway
from tests.fakes.object_store import ObjectStore
from tests.obs_sync.conftest import BUCKET
from tests.obs_sync.stores.conftest import QUICK, through

pytestmark = pytest.mark.usefixtures("real_store")


@pytest.mark.parametrize("signature", ["v2", "v4"])
@pytest.mark.parametrize("path_style", [True, False])
def test_s3_signatures_and_both_styles(store: ObjectStore, base: str, signature: str, path_style: bool) -> None:
    fs = obs_sync.filesystem(
        "obs",
        endpoint=f"http://obs.localhost:{store.upstream}",
        signature=signature,
        region="us-east-1",
        path_style=path_style,
        access_key_id=STORE_KEY[0],
        secret_access_key=STORE_KEY[1],
        **QUICK,
    )
    round_trip(fs, f"{base}/ünï +&?.txt")


@pytest.mark.parametrize("path_style", [True, False])
def test_own_dialect_in_both_styles(gateway: Gateway, base: str, path_style: bool) -> None:
    round_trip(through(gateway, path_style=path_style), f"{base}/ünï +&?.txt")


def round_trip(fs: ObsFileSystem, url: str) -> None:
    """Write, list, read, copy and remove."""
    fs.pipe_file(url, b"content")
    assert fs.find(url.rpartition("/")[0]) == [url[6:]]
    fs.cp_file(url, url + ".copy")
    assert fs.cat_file(url + ".copy") == b"content"
    fs.rm([url, url + ".copy"])
    assert fs.find(url.rpartition("/")[0]) == []


def test_wrong_secret_is_denied_and_never_shown(gateway: Gateway, base: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fs = through(gateway, secret_access_key="topsecretvalue")
    for call in (fs.cat_file, fs.info, lambda url: fs.pipe_file(url, b"x")):
        with pytest.raises(AccessDenied) as caught:
            call(f"{base}/x")
        shown = f"{caught.value!r} {caught.value} {caught.value.__dict__} {caplog.text}"
        assert "topsecretvalue" not in shown
        assert "OBS_ACCESS_KEY_ID" in str(caught.value)


def test_no_credentials_is_an_error_not_an_anonymous_request(gateway: Gateway) -> None:
    fs = obs_sync.filesystem("obs", endpoint=f"http://obs.localhost:{gateway.port}", path_style=True)
    with pytest.raises(AccessDenied, match="OBS_ACCESS_KEY_ID"):
        fs.ls(BUCKET)


def test_expired_token_is_renewed_in_the_middle_of_a_job(gateway: Gateway, base: str) -> None:
    issued = [0]

    def provider() -> Credentials:
        issued[0] += 1
        return Credentials(f"temp{issued[0]}", "s", f"token{issued[0]}")

    gateway.keys = {"temp1": Key("s", "token1"), "temp2": Key("s", "token2")}
    fs = through(gateway, credentials=provider)
    fs.pipe_file(f"{base}/1", b"1")
    gateway.keys["temp1"] = Key("s", "token1", ends=time.time() - 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: fs.pipe_file(f"{base}/{number}", b"2"), range(40)))
    assert fs.info(f"{base}/39")["size"] == 1  # HEAD tells no code
    assert issued == [2]


def test_expired_token_without_another_is_denied_at_once(gateway: Gateway, base: str) -> None:
    gateway.keys = {"temp": Key("s", "token", ends=time.time() - 1)}
    fs = through(gateway, credentials=Credentials("temp", "s", "token"))
    begin = time.monotonic()
    with pytest.raises(AccessDenied, match="renew"):
        fs.cat_file(f"{base}/x")
    assert time.monotonic() - begin < 2


def test_credentials_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    provider = file_provider(str(path))
    with pytest.raises(AccessDenied, match=r"keys\.json"):
        provider()
    path.write_text('{"access_key_id": "a", "secret_access_key": "b", "expires": "2030-01-01T00:00:00Z"}')
    assert provider() == Credentials("a", "b", "", provider().expires)
    path.write_text('{"access_key_id": "c", "secret_access_key": "d"}')
    assert provider().access_key_id == "c"


def test_environment_names(monkeypatch: pytest.MonkeyPatch, gateway: Gateway, base: str) -> None:
    for prefix in ("OBS", "S3"):
        with monkeypatch.context() as patch:
            patch.setenv(f"{prefix}_ENDPOINT", f"http://obs.localhost:{gateway.port}")
            patch.setenv(f"{prefix}_ACCESS_KEY_ID", "obsak")
            patch.setenv(f"{prefix}_SECRET_ACCESS_KEY", "obssk")
            patch.setenv("OBS_PATH_STYLE", "true")
            fs = obs_sync.filesystem("auto")
            assert fs.storage_mode == "obs"
            round_trip(fs, f"{base}/{prefix}")


def test_secrets_do_not_travel(store: ObjectStore) -> None:
    secrets = {"access_key_id": "visibleak", "secret_access_key": "SECRETVALUE", "security_token": "TOKENVALUE"}
    fs = ObsFileSystem(storage_mode="obs", endpoint="http://obs.localhost:1", **secrets)
    fs_with_object = ObsFileSystem(
        storage_mode="obs", endpoint="http://obs.localhost:1", credentials=Credentials(*secrets.values())
    )
    for each in (fs, fs_with_object):
        shown = (
            f"{each!r} {each.storage_options} {each.to_json()} {each.to_dict()} {pickle.dumps(each)!r} {each.settings}"
        )
        assert "SECRETVALUE" not in shown
        assert "TOKENVALUE" not in shown
    assert "SECRETVALUE" not in repr(Credentials(*secrets.values()))
    with pytest.raises(TypeError):
        pickle.dumps(Credentials(*secrets.values()))
    again = pickle.loads(pickle.dumps(fs))
    assert again.settings == fs.settings
    with pytest.raises(AccessDenied, match="no credentials"):
        again.ls(BUCKET)


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_clock_skew_says_so(gateway: Gateway, base: str, skew_s: int) -> None:
    gateway.clock_offset_s = skew_s
    for call in (
        lambda fs: fs.cat_file(f"{base}/x"),
        lambda fs: fs.pipe_file(f"{base}/x", b""),
        lambda fs: fs.ls(base),
    ):
        with pytest.raises(AccessDenied, match="clock"):
            call(through(gateway))


def test_key_file_that_others_can_read_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"access_key_id": "a", "secret_access_key": "very-secret"}')
    path.chmod(0o644)
    provider = file_provider(str(path))
    provider()
    provider()
    assert [record.getMessage() for record in caplog.records] == [
        f"other users can read the access keys in {path}: run chmod 600 on it"
    ]
    safe = tmp_path / "safe.json"
    safe.write_text(path.read_text())
    safe.chmod(0o600)
    file_provider(str(safe))()
    assert len(caplog.records) == 1
