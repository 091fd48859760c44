"""Transfers side by side on one store: obs_sync, boto3's transfer manager, rclone and obstore, medians and CPU.

    python -m tests.bench.transfer [--repeat 3] [--only small,large,list]

All speak to the same Ceph object gateway (loopback, in memory, AWS V2 or V4 signatures, path style) in turns within one
run. Ratios are to boto3 in the same turn (their median), as other load on the machine changes from turn to turn. CPU is
what the client used, in per cent of one core; the store uses the other. A download with obs_sync ends when the bytes
are on the disk (fsync), with the others when the system has them. So the big file is fetched twice: into memory, where
that makes no difference ("large down"), and onto the disk until it is there, for all of them ("large to disk").
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obs_sync
from tests.fakes.object_store import ObjectStore, has_ceph, running_store

AK, SK = "storeak", "storesk"
FILES, FILE_BYTES = 2000, 100_000
LARGE_BYTES = 600_000_000
LARGE_TURNS = 3  # for each turn of the small files: one such transfer takes a second or two, and times vary widely
KEYS = 20_000
THREADS = 16
BUCKET = "bench"


class ObsSync:
    """obs_sync in SDK mode, as a user calls it."""

    name = "obs_sync"

    def __init__(self, port: int) -> None:
        self.fs = obs_sync.filesystem(
            "obs",
            endpoint=f"http://127.0.0.1:{port}",
            signature="v2",
            path_style=True,
            access_key_id=AK,
            secret_access_key=SK,
            threads=THREADS,
            state_dir=tempfile.mkdtemp(prefix="bench-state-"),
        )

    @staticmethod
    def missing() -> str:
        return ""

    def up(self, folder: str, prefix: str) -> None:
        obs_sync.copy(folder, f"obs://{BUCKET}/{prefix}", filesystem=self.fs)

    def down(self, prefix: str, folder: str) -> None:
        obs_sync.copy(f"obs://{BUCKET}/{prefix}/", folder, filesystem=self.fs)

    def list(self, prefix: str) -> int:
        return len(self.fs.find(f"{BUCKET}/{prefix}"))


class Boto3:
    """boto3's transfer manager with as many threads."""

    name = "boto3"

    def __init__(self, port: int) -> None:
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=2 * THREADS, region_name="us-east-1")
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=AK,
            aws_secret_access_key=SK,
            config=config,
        )
        self.small = TransferConfig(use_threads=False)
        self.large = TransferConfig(max_concurrency=4, multipart_chunksize=16 << 20, multipart_threshold=64 << 20)

    @staticmethod
    def missing() -> str:
        return "" if importlib.util.find_spec("boto3") else "pip install boto3"

    def _config(self, size: int) -> Any:
        return self.large if size >= 64 << 20 else self.small

    def up(self, folder: str, prefix: str) -> None:
        def send(path: Path) -> None:
            config = self._config(path.stat().st_size)
            self.client.upload_file(str(path), BUCKET, f"{prefix}/{path.name}", Config=config)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(send, Path(folder).iterdir()))

    def down(self, prefix: str, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        found = [
            (item["Key"], item["Size"])
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
            for item in page["Contents"]
        ]

        def fetch(item: tuple[str, int]) -> None:
            key, size = item
            path = os.path.join(folder, key.rsplit("/", 1)[1])
            self.client.download_file(BUCKET, key, path, Config=self._config(size))

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, found))

    def list(self, prefix: str) -> int:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return sum(len(page["Contents"]) for page in pages)


class Rclone:
    """The rclone program."""

    name = "rclone"

    def __init__(self, port: int) -> None:
        self.remote = f":s3,provider=Ceph,access_key_id={AK},secret_access_key={SK},endpoint='http://127.0.0.1:{port}':"

    @staticmethod
    def missing() -> str:
        return "" if shutil.which("rclone") else "apt-get install rclone"

    def _run(self, *arguments: str) -> str:
        options = ["--transfers", str(THREADS), "--checkers", "4"]
        options += ["--s3-chunk-size", "16M", "--s3-upload-cutoff", "64M"]
        options += ["--config", "/dev/null", "--multi-thread-streams", "4", "--s3-no-check-bucket"]
        clean = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        command = ["rclone", *arguments, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout

    def up(self, folder: str, prefix: str) -> None:
        self._run("copy", folder, f"{self.remote}{BUCKET}/{prefix}")

    def down(self, prefix: str, folder: str) -> None:
        self._run("copy", f"{self.remote}{BUCKET}/{prefix}", folder)

    def list(self, prefix: str) -> int:
        return len(
            self._run("lsf", "--files-only", "--fast-list", "-R", f"{self.remote}{BUCKET}/{prefix}").splitlines()
        )


class Obstore:
    """obstore: a Rust client without a transfer manager; whole bodies in memory, files written plainly."""

    name = "obstore"

    def __init__(self, port: int) -> None:
        from obstore.store import S3Store

        self.store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id=AK,
            secret_access_key=SK,
            region="us-east-1",
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )

    @staticmethod
    def missing() -> str:
        return "" if importlib.util.find_spec("obstore") else "pip install obstore"

    def up(self, folder: str, prefix: str) -> None:
        import obstore

        def send(path: Path) -> None:
            size = path.stat().st_size
            options = {"chunk_size": 16 << 20, "max_concurrency": 4, "use_multipart": size >= 64 << 20}
            obstore.put(self.store, f"{prefix}/{path.name}", path, **options)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(send, Path(folder).iterdir()))

    def down(self, prefix: str, folder: str) -> None:
        import obstore

        os.makedirs(folder, exist_ok=True)
        found = [item["path"] for page in obstore.list(self.store, f"{prefix}/") for item in page]

        def fetch(key: str) -> None:
            with open(os.path.join(folder, key.rsplit("/", 1)[1]), "wb") as handle:
                for block in obstore.get(self.store, key).stream():
                    handle.write(block)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, found))

    def list(self, prefix: str) -> int:
        import obstore

        return sum(len(page) for page in obstore.list(self.store, f"{prefix}/"))


CLIENTS: list[Any] = [ObsSync, Boto3, Rclone, Obstore]
Results = dict[tuple[str, str], list[tuple[float, float]]]


def cpu_s() -> float:
    """CPU seconds of this process and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Seconds and CPU seconds of a piece of work."""
    begin, cpu = time.perf_counter(), cpu_s()
    work(*arguments)
    return time.perf_counter() - begin, cpu_s() - cpu


def same_folders(first: str, second: str) -> bool:
    """Whether two folders hold the same files; a transfer that is fast and wrong does not count."""
    names = sorted(os.listdir(first))
    return names == sorted(os.listdir(second)) and all(
        Path(first, name).read_bytes() == Path(second, name).read_bytes() for name in names
    )


def until_on_disk(fetch: Callable[[str], object], folder: str) -> None:
    """Fetch into a folder, and bring its files onto the disk."""
    fetch(folder)
    for path in Path(folder).iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())


def memory_folder() -> str | None:
    """Where a temporary folder lies in memory; None where there is no such place with room for the big file."""
    found = Path("/dev/shm")
    return str(found) if found.is_dir() and shutil.disk_usage(found).free > 2 * LARGE_BYTES else None


def transfer(kind: str, clients: list[Any], source: str, folders: dict[str, Path], turn: int, results: Results) -> None:
    """Each client uploads the folder and downloads what it has uploaded; `folders` are the targets by task."""
    for client in clients[turn % len(clients) :] + clients[: turn % len(clients)]:  # nobody is always first
        prefix = f"{kind}-{client.name}-{turn}"
        print(f"{kind}, turn {turn + 1}: {client.name}", flush=True)
        results.setdefault((f"{kind} up", client.name), []).append(timed(client.up, source, prefix))
        fetch = functools.partial(client.down, prefix)
        for task, folder in folders.items():
            target = str(folder / prefix)
            os.sync()  # nobody pays for what the one before left to be written
            work = functools.partial(until_on_disk, fetch) if task.endswith("to disk") else fetch
            results.setdefault((task, client.name), []).append(timed(work, target))
            if not same_folders(source, target):
                raise SystemExit(f"{client.name}: the {kind} files differ after the round trip")
            shutil.rmtree(target)
        clients[0].fs.rm(f"{BUCKET}/{prefix}", recursive=True)
        os.sync()


def listing(clients: list[Any], results: Results) -> None:
    """Each client lists the same keys."""
    for client in clients:
        results.setdefault(("list", client.name), []).append(timed(check_listing, client))


def check_listing(client: Any) -> None:
    """List, and count."""
    found = client.list("keys")
    if found != KEYS:
        print(f"{client.name} lists {found} of {KEYS} keys: its time does not count")


def make_files(folder: Path, count: int, size: int) -> str:
    """Files of random bytes."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.bin").write_bytes(os.urandom(size))
    return str(folder)


def show(results: Results) -> None:
    """Medians, rates, CPU and ratios to boto3."""
    units = {"small": (FILES, "files/s"), "large": (LARGE_BYTES / 1e6, "MB/s"), "list": (KEYS, "keys/s")}
    print(f"\n{'task':<13} {'client':<9} {'median':>9} {'rate':>16} {'CPU':>6} {'to boto3':>9}   all runs")
    for (task, client), runs in results.items():
        seconds = statistics.median(run[0] for run in runs)
        cpu = statistics.median(run[1] / run[0] for run in runs)
        amount, unit = units[task.split()[0]]
        base = results.get((task, "boto3"))
        ratio = f"{statistics.median(b[0] / run[0] for b, run in zip(base, runs)):.2f}x" if base else "-"
        times = " ".join(f"{run[0]:.2f}" for run in runs)
        rate = f"{amount / seconds:,.0f} {unit}"
        print(f"{task:<13} {client:<9} {seconds:>8.2f}s {rate:>16} {cpu:>6.0%} {ratio:>9}   {times}")


def run(store: ObjectStore, repeat: int, only: set[str]) -> Results:
    """All tasks with all clients, in turns."""
    clients = [kind(store.upstream) for kind in CLIENTS if not kind.missing()]
    for kind in CLIENTS:
        if kind.missing():
            print(f"{kind.name} is not measured: {kind.missing()}")
    clients[0].fs.mkdir(BUCKET)
    results: Results = {}
    with contextlib.ExitStack() as stack:
        work, memory = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=place)))
            for place in (None, memory_folder())
        )
        if "small" in only:
            source = make_files(work / "small", FILES, FILE_BYTES)
            for turn in range(repeat):
                transfer("small", clients, source, {"small down": work}, turn, results)
        if "large" in only:
            source = make_files(work / "large", 1, LARGE_BYTES)
            for turn in range(LARGE_TURNS * repeat):
                targets = {"large down": memory, "large to disk": work}
                transfer("large", clients, source, targets, turn, results)
    if "list" in only:
        with ThreadPoolExecutor(THREADS) as pool:
            names = (f"{BUCKET}/keys/{number // 1000:02d}/{number:06d}.jpg" for number in range(KEYS))
            list(pool.map(lambda name: clients[0].fs.pipe_file(name, b""), names))
        for _ in range(repeat):
            listing(clients, results)
    return results


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="small,large,list")
    options = parser.parse_args()
    if not has_ceph():
        raise SystemExit("the store is missing: bash tests/fakes/install_store.sh (Debian, as root)")
    print(f"{FILES} files of {FILE_BYTES:,} bytes; one of {LARGE_BYTES:,}; {KEYS:,} keys; {THREADS} threads")
    with running_store() as store:
        assert store is not None
        show(run(store, options.repeat, set(options.only.split(","))))


if __name__ == "__main__":
    main()
