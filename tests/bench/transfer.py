"""Transfers side by side on one store: obs_sync, boto3's transfer manager, rclone and obstore, medians and CPU.

    python -m tests.bench.transfer [--repeat 3] [--only small,large,list,local]

All speak to the same Ceph object gateway (loopback, in memory, AWS V2 or V4 signatures, path style) in turns within one
run. Ratios are to boto3 in the same turn (their median), as other load on the machine changes from turn to turn. CPU is
what the client used, in per cent of one core; the store uses the other. A download with obs_sync ends when the bytes
are on the disk (fsync), with the others when the system has them. So the big file is fetched twice: into memory, where
that makes no difference ("large down"), and onto the disk until it is there, for all of them ("large to disk").
"local" copies a folder onto itself again, unchanged, beside rsync and rclone, which compare size and time only.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
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
from tests.bench.transfer_clients import BUCKET, CLIENTS, THREADS
from tests.fakes.object_store import ObjectStore, has_ceph, running_store

FILES, FILE_BYTES = 2000, 100_000
LARGE_BYTES = 600_000_000
LARGE_TURNS = 3  # for each turn of the small files: one such transfer takes a second or two, and times vary widely
KEYS = 20_000


LOCAL_CLIENTS: dict[str, list[str]] = {"obs_sync": [], "rsync": ["rsync", "-a"], "rclone": ["rclone", "copy"]}
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


def local_again(source: str, target: str, results: Results) -> None:
    """Each client copies a folder to where it has copied it already."""
    for name, command in LOCAL_CLIENTS.items():
        copied = f"{target}-{name}"
        if command and not shutil.which(command[0]):
            print(f"{name} is not measured: apt-get install {name}")
            continue
        work = functools.partial(subprocess.run, [*command, f"{source}/", copied], check=True, capture_output=True)
        again = work if command else functools.partial(obs_sync.copy, source, copied)
        again()
        results.setdefault(("local again", name), []).append(timed(again))
        if not same_folders(source, copied):
            raise SystemExit(f"{name}: the copied files differ")


def make_files(folder: Path, count: int, size: int) -> str:
    """Files of random bytes."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.bin").write_bytes(os.urandom(size))
    return str(folder)


def show(results: Results) -> None:
    """Medians, rates, CPU and ratios to boto3."""
    units = {
        "small": (FILES, "files/s"),
        "large": (LARGE_BYTES / 1e6, "MB/s"),
        "list": (KEYS, "keys/s"),
        "local": (FILES, "files/s"),
    }
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
        if "local" in only:
            source = make_files(work / "local", FILES, FILE_BYTES)
            for _ in range(repeat):
                local_again(source, str(work / "copied"), results)
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
    parser.add_argument("--only", default="small,large,list,local")
    options = parser.parse_args()
    if not has_ceph():
        raise SystemExit("the store is missing: bash tests/fakes/install_store.sh (Debian, as root)")
    print(f"{FILES} files of {FILE_BYTES:,} bytes; one of {LARGE_BYTES:,}; {KEYS:,} keys; {THREADS} threads")
    with running_store() as store:
        assert store is not None
        show(run(store, options.repeat, set(options.only.split(","))))


if __name__ == "__main__":
    main()
