"""SDK mode: dialects, errors, credentials, TLS, fork, kill -9 and the number of requests, on the real store."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import multiprocessing
import os
import pickle
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from obs_sync import AccessDenied, Credentials, ObsFileSystem, Transient
from obs_sync.credentials import file_provider
from obs_sync.errors import RequestFailed
from tests.fakes.dialect import Key
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.gateway import STORE_KEY, Gateway
from tests.fakes.object_store import ObjectStore
from tests.obs_sync.conftest import BUCKET
from tests.obs_sync.stores.test_faults import BIG, PART, options

QUICK = {"timeout_s": 5.0, "deadline_s": 10.0, "max_attempts": 2, "backoff_s": 0.02}


@pytest.fixture(autouse=True)
def real_store(store: ObjectStore) -> None:
    """These tests look at what only the real store checks."""
    if not store.is_real:
        pytest.skip("needs Ceph: bash tests/fakes/install_store.sh")


@pytest.fixture
def gateway(store: ObjectStore) -> Iterator[Gateway]:
    """A gateway of this test alone, whose keys and clock can be changed."""
    with Gateway(("127.0.0.1", store.upstream)) as running:
        yield running


def through(gateway: Gateway, **more: Any) -> ObsFileSystem:
    """A filesystem that speaks to that gateway."""
    settings = {"endpoint": f"http://obs.localhost:{gateway.port}", "path_style": True, **QUICK, **more}
    if "credentials" not in more:
        settings.setdefault("access_key_id", "obsak")
        settings.setdefault("secret_access_key", "obssk")
    return obs_sync.filesystem("obs", **settings)


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


# ---- credentials ----


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


# ---- how many requests ----


def test_number_of_requests(store: ObjectStore, base: str, tmp_path: Path) -> None:
    with FaultProxy(store.port) as proxy:
        fs = obs_sync.filesystem("obs", **options(store, proxy.port))

        def requests(work: Any) -> list[str]:
            proxy.clear()
            work()
            return [line.split()[0] for line in proxy.log]

        assert requests(lambda: fs.pipe_file(f"{base}/a/1", b"x")) == ["PUT"]
        assert requests(lambda: fs.cat_file(f"{base}/a/1")) == ["GET"]
        assert requests(lambda: fs.info(f"{base}/a/1")) == ["HEAD"]
        assert requests(lambda: fs.info(f"{base}/a")) == ["HEAD", "GET"]
        assert requests(lambda: fs.ls(f"{base}/a")) == ["GET"]
        assert requests(lambda: fs.find(f"{base}/a")) == ["GET"]
        assert requests(lambda: fs.open(f"{base}/a/1").read()) == ["HEAD", "GET"]
        assert requests(lambda: fs.rm_file(f"{base}/a/1")) == ["HEAD", "DELETE"]
        (tmp_path / "in").mkdir()
        for number in range(20):
            (tmp_path / "in" / str(number)).write_bytes(b"%d" % number)
        up = requests(lambda: obs_sync.copy(str(tmp_path / "in"), f"{base}/d/", filesystem=fs))
        assert sorted(up) == ["GET"] * 2 + ["PUT"] * 20
        assert requests(lambda: obs_sync.copy(str(tmp_path / "in"), f"{base}/d/", filesystem=fs)) == ["GET"]
        down = requests(lambda: obs_sync.copy(f"{base}/d/", str(tmp_path / "out"), filesystem=fs))
        assert sorted(down) == ["GET"] * 21
        assert requests(lambda: obs_sync.copy(f"{base}/d/", str(tmp_path / "out"), filesystem=fs)) == ["GET"]
        assert requests(lambda: fs.rm(f"{base}/d", recursive=True)) == ["GET", "HEAD", "POST"]


# ---- processes ----


def read_many(fs: ObsFileSystem, base: str, wrong: Any) -> None:
    """Read objects whose content is their name."""
    for turn in range(30):
        name = f"{turn % 5}"
        if fs.cat_file(f"{base}/{name}") != name.encode() * 1000:
            wrong.value += 1


def test_fork_with_open_connections(obs_mode: ObsFileSystem, base: str) -> None:
    for name in range(5):
        obs_mode.pipe_file(f"{base}/{name}", b"%d" % name * 1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: obs_mode.cat_file(f"{base}/{name % 5}"), range(40)))
    context = multiprocessing.get_context("fork")
    wrong = context.Value("i", 0)
    children = [context.Process(target=read_many, args=(obs_mode, base, wrong)) for _ in range(4)]
    for child in children:
        child.start()
    read_many(obs_mode, base, wrong)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert wrong.value == 0


KILLED = """
import sys
import obs_sync
from tests.fakes.object_store import resolve_domain_here
resolve_domain_here()
fs = obs_sync.filesystem("obs", **eval(sys.argv[3]))
obs_sync.copy(sys.argv[1], sys.argv[2], filesystem=fs)
"""


def test_idle_connections_that_all_died_cost_one_try(store: ObjectStore, base: str) -> None:
    with FaultProxy(store.port) as proxy:
        fs = obs_sync.filesystem("obs", **options(store, proxy.port, max_attempts=2))
        content = bytes(2000)
        fs.pipe_file(f"{base}/x", content)
        proxy.add("slow", "^GET .*/x$", times=None, arg=5000)  # 0.4 s, so all are open at once
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(fs.cat_file, [f"{base}/x"] * 8)) == {content}
        proxy.drop_upstreams()
        proxy.clear()
        assert fs.cat_file(f"{base}/x") == content
        assert len(proxy.log) == 2


def noted_in(folder: Path) -> int:
    """How many finished ranges the record of an unfinished download in this folder lists."""
    return sum(len(record.read_text().splitlines()) for record in folder.glob(".obs_sync-*.done.part"))


@pytest.mark.parametrize("direction", ["up", "down"])
def test_kill_9_then_resume(
    store: ObjectStore, obs_mode: ObsFileSystem, base: str, tmp_path: Path, root: Path, direction: str
) -> None:
    local, url = tmp_path / "work" / "x", f"{base}/x"
    local.parent.mkdir()
    local.write_bytes(BIG)
    with FaultProxy(store.port) as proxy:
        settings = options(store, proxy.port, timeout_s=20.0, deadline_s=60.0, part_threads=1)
        settings["state_dir"] = str(tmp_path / "state")
        fs = obs_sync.filesystem("obs", **settings)
        if direction == "down":
            obs_sync.copy(str(local), url, filesystem=fs)
            local.unlink()
        source, target = (str(local), url) if direction == "up" else (url, str(local))
        pattern = "^PUT .*partNumber" if direction == "up" else "^GET .*/x$"
        proxy.clear()
        proxy.add("blackhole", pattern, times=None, skip=2)
        process = subprocess.Popen([sys.executable, "-c", KILLED, source, target, repr(settings)], cwd=root)
        end = time.monotonic() + 30
        noted = 0 if direction == "up" else 2  # two ranges come at once: the note of the slower one may lag behind
        while time.monotonic() < end and not (any(r.hits for r in proxy.rules) and noted_in(local.parent) >= noted):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (obs_mode.exists(url) if direction == "up" else local.exists())
        proxy.clear()
        obs_sync.copy(source, target, filesystem=fs)
        moved = [
            line
            for line in proxy.log
            if line.startswith("PUT" if direction == "up" else "GET") and "prefix" not in line
        ]
        assert len([line for line in moved if "x" in line]) == 1, "only the third part was missing"
    assert local.read_bytes() == BIG
    assert obs_mode.cat_file(url) == BIG
    assert [path.name for path in local.parent.iterdir()] == ["x"]


def test_tampered_partial_file_is_not_trusted(store: ObjectStore, base: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "work" / "x"
    source.write_bytes(BIG)
    with FaultProxy(store.port) as proxy:
        fs = obs_sync.filesystem("obs", **options(store, proxy.port, part_threads=1))
        obs_sync.copy(str(source), f"{base}/x", filesystem=fs)
        proxy.add("status", "^GET .*/x$", times=None, skip=2)
        with pytest.raises(Transient):
            obs_sync.copy(f"{base}/x", str(target), filesystem=fs)
        (partial,) = [path for path in target.parent.iterdir() if ".done" not in path.name]
        with partial.open("r+b") as handle:
            handle.seek(PART // 2)
            handle.write(b"tampered")
        proxy.clear()
        obs_sync.copy(f"{base}/x", str(target), filesystem=fs)
    assert target.read_bytes() == BIG


def test_two_downloads_of_one_file_at_once(store: ObjectStore, base: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "x"
    source.write_bytes(BIG)
    fs = obs_sync.filesystem("obs", **options(store, store.port))
    obs_sync.copy(str(source), f"{base}/x", filesystem=fs)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: obs_sync.copy(f"{base}/x", str(target), filesystem=fs), range(4)))
    assert target.read_bytes() == BIG
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".obs_sync")) == []


# ---- TLS ----


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for a host, and its key."""
    pem, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2"]
    extra = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *extra], check=True, capture_output=True)
    return pem, key


class _Empty(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def tls_server(pem: str, key: str) -> Iterator[int]:
    """A server with that certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.skipif(not Path("/usr/bin/openssl").exists(), reason="needs the openssl program")
def test_tls_is_verified_with_the_host_name(tmp_path: Path) -> None:
    right, other = certificate(tmp_path, "obs.localhost"), certificate(tmp_path, "elsewhere.localhost")
    keys = {"access_key_id": "a", "secret_access_key": "b", "path_style": True, **QUICK}

    def look(server: tuple[str, str], trusted: str) -> None:
        with tls_server(*server) as port:
            fs = obs_sync.filesystem("obs", endpoint=f"https://obs.localhost:{port}", ca_file=trusted, **keys)
            fs.store.check_bucket("bucket")

    look(right, right[0])
    for server, trusted in ((right, ""), (right, other[0]), (other, other[0])):
        with pytest.raises(RequestFailed, match="certificate"):
            look(server, trusted)


def test_no_module_is_imported_too_early(root: Path) -> None:
    code = (
        "import sys, threading, logging, obs_sync\n"
        "assert not {'obs', 'moxing', 'tqdm', 'requests'} & set(sys.modules), sorted(sys.modules)\n"
        "assert threading.active_count() == 1 and not logging.getLogger().handlers"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env={**os.environ}).returncode == 0


def test_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obs", None)
    monkeypatch.delitem(sys.modules, "obs_sync.stores.sdk.client", raising=False)
    monkeypatch.delitem(sys.modules, "obs_sync.stores.sdk.store", raising=False)
    monkeypatch.delitem(sys.modules, "obs_sync.stores.sdk.upload", raising=False)
    fs = obs_sync.filesystem(
        "obs", endpoint="http://obs.localhost:1", access_key_id="a", secret_access_key="never-used"
    )
    with pytest.raises(obs_sync.MissingDependency, match="pip install esdk-obs-python"):
        _ = fs.store


KINDS = {
    "appendable": {"x-obs-object-type": "Appendable", "x-obs-next-append-position": str(len(BIG))},
    "encrypted": {"x-obs-server-side-encryption": "kms"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_ranges", [True, False])
def test_etag_that_is_no_digest_of_the_content(
    store: ObjectStore, gateway: Gateway, base: str, tmp_path: Path, kind: str, in_ranges: bool
) -> None:
    limits = {"part_size": PART, "multipart_from": PART if in_ranges else 1 << 30}
    through(gateway, multipart_from=1 << 30).pipe_file(f"{base}/x", BIG)
    fs = through(gateway, **limits)
    etag = {"etag": f'"{hashlib.md5(b"the last piece").hexdigest()}"'}
    gateway.disguised = etag
    with pytest.raises(obs_sync.Integrity):
        obs_sync.copy(f"{base}/x", str(tmp_path / "damaged"), filesystem=fs)
    gateway.disguised = {**etag, **KINDS[kind]}
    obs_sync.copy(f"{base}/x", str(tmp_path / "x"), filesystem=fs)
    assert (tmp_path / "x").read_bytes() == BIG
    assert fs.cat_file(f"{base}/x") == BIG


def test_answers_are_bounded(store: ObjectStore, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obs_sync.stores.sdk.messages.MAX_ANSWER", 2000)
    with FaultProxy(store.port) as proxy:
        fs = obs_sync.filesystem("obs", **options(store, proxy.port))
        proxy.add("replace", "^GET ", times=None, arg=b"<ListBucketResult>" + b"x" * 4000)
        with pytest.raises(RequestFailed, match="larger than"):
            fs.ls(base)


def test_source_that_vanishes_is_not_retried(
    store: ObjectStore, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "x"
    source.write_bytes(bytes(5 << 20))  # too big to be kept in memory, too small for parts

    def vanish(*_: Any) -> float:
        source.unlink()  # a second pause would fail here
        return 0.0

    monkeypatch.setattr("obs_sync.retry.Policy.pause", vanish)
    with FaultProxy(store.port) as proxy:
        fs = obs_sync.filesystem("obs", **options(store, proxy.port, multipart_from=64 << 20, max_attempts=8))
        proxy.add("status", "^PUT ", times=None)
        with pytest.raises(obs_sync.NotFound, match=str(source)):
            obs_sync.copy(str(source), f"{base}/x", filesystem=fs)


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
