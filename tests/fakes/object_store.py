"""The store that the `obs` lane runs on: Ceph RGW behind the gateway, or moto where its packages are missing."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOMAIN = "obs.localhost"
START_TRIES = 3
PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "radosgw-admin", "monmaptool", "rados")


@dataclass(frozen=True)
class ObjectStore:
    """A running store: how to reach it in the OBS dialect, and where the S3 store behind the gateway listens."""

    kind: str  # "rgw" or "moto"
    port: int
    upstream: int

    @property
    def is_real(self) -> bool:
        """Whether it is Ceph, which checks signatures and digests; moto does neither."""
        return self.kind == "rgw"

    def options(self, port: int | None = None) -> dict[str, Any]:
        """Settings and keys for `ObsFileSystem`; another port for a proxy in front."""
        if self.is_real:
            keys = {"access_key_id": "obsak", "secret_access_key": "obssk"}
            return {"endpoint": f"http://{DOMAIN}:{port or self.port}", "signature": "obs", "path_style": True, **keys}
        keys = {"access_key_id": "test", "secret_access_key": "test"}
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return {"endpoint": endpoint, "signature": "v4", "region": "us-east-1", "path_style": True, **keys}

    def s3_options(self, port: int | None = None) -> dict[str, Any]:
        """The same for the S3 store itself, past the gateway."""
        if not self.is_real:
            return self.options(port)
        keys = {"access_key_id": "storeak", "secret_access_key": "storesk"}
        return {"endpoint": f"http://127.0.0.1:{port or self.upstream}", "signature": "v2", "path_style": True, **keys}


def variables(options: Mapping[str, Any], state_dir: Path) -> dict[str, str]:
    """Settings and keys as another process finds them in its environment."""
    return {
        "OBS_ENDPOINT": options["endpoint"],
        "OBS_SIGNATURE": options["signature"],
        "OBS_REGION": options.get("region", "region"),
        "OBS_PATH_STYLE": str(options["path_style"]),
        "OBS_ACCESS_KEY_ID": options["access_key_id"],
        "OBS_SECRET_ACCESS_KEY": options["secret_access_key"],
        "OBS_STATE_DIR": str(state_dir),
    }


def has_ceph() -> bool:
    """Whether the real store's programs are installed."""
    return all(shutil.which(program) for program in PROGRAMS)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now, below those that the system gives to connections on the way out."""
    found: set[int] = set()
    while len(found) < count:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(20_000, 32_000)
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


@contextlib.contextmanager
def running_store() -> Iterator[ObjectStore | None]:
    """The best store that this machine can offer, stopped at the end; None when there is neither Ceph nor moto.

    OBS_TEST_STORE=moto takes moto even where Ceph is installed.
    """
    if has_ceph() and os.environ.get("OBS_TEST_STORE") != "moto":
        with _rgw() as store:
            yield store
    elif importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        with _moto() as store:
            yield store
    else:
        yield None


@contextlib.contextmanager
def _rgw() -> Iterator[ObjectStore]:
    for _ in range(START_TRIES):  # another process may take a port meanwhile
        store_port, monitor, gateway_port = free_ports(3)
        folder = tempfile.mkdtemp(prefix="rgw-")
        command = ["bash", str(HERE / "rgw.sh"), "start", folder, str(store_port), str(monitor), str(os.getpid())]
        started = subprocess.run(command, capture_output=True, text=True)
        if started.returncode == 0:
            break
        subprocess.run(["bash", str(HERE / "rgw.sh"), "stop", folder], check=False)
    else:
        raise RuntimeError(f"Ceph does not start: {started.stderr[-2000:]}")
    command = [sys.executable, "-m", "tests.fakes.gateway", "--port", str(gateway_port), "--upstream", str(store_port)]
    gateway = subprocess.Popen(command, cwd=HERE.parents[1])
    try:
        wait_for_port(gateway_port)
        yield ObjectStore("rgw", gateway_port, store_port)
    finally:
        gateway.kill()
        gateway.wait()
        subprocess.run(["bash", str(HERE / "rgw.sh"), "stop", folder], check=False)


@contextlib.contextmanager
def _moto() -> Iterator[ObjectStore]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield ObjectStore("moto", port, port)
    finally:
        server.kill()
        server.wait()


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    """Return when something listens there; RuntimeError when nothing does in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def resolve_domain_here() -> None:
    """Let `*.obs.localhost` be this machine inside this process, as a resolver of the system may not."""
    original = socket.getaddrinfo
    if getattr(original, "knows_obs", False):
        return

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        local = isinstance(host, str) and (host == DOMAIN or host.endswith(f".{DOMAIN}"))
        return original("127.0.0.1" if local else host, *args, **kwargs)

    getaddrinfo.knows_obs = True  # type: ignore[attr-defined]
    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
