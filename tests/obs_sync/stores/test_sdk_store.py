"""SDK mode: errors, TLS, fork, kill -9 and the number of requests, on the real store."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
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
from obs_sync import ObsFileSystem, Transient
from obs_sync.errors import RequestFailed
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.gateway import Gateway
from tests.fakes.object_store import ObjectStore
from tests.obs_sync.stores.conftest import QUICK, through
from tests.obs_sync.stores.test_faults import BIG, PART, options

pytestmark = pytest.mark.usefixtures("real_store")


# ---- credentials ----


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
