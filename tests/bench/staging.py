"""Staging a data set as a training job does, against boto3's transfer manager and rclone on the same store.

    python -m tests.bench.staging [--repeat 3]

Loose pictures, the same pictures packed, one big object, and a second start that finds everything there. All take turns
in one run on one Ceph object gateway (loopback, in memory); medians, and ratios to boto3 in this run. The job's times
include what the others do not do: reading the annotations, indexing, choosing the annotated pictures, comparing, and
waiting until all is on the disk (fsync). The big object is therefore fetched into memory ("one object"), and once more
onto the disk until it is there, for all of them ("one to disk").
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obs_sync
from modelarts.runtime.staging import stage_training
from src.data.drawn.dataset import PERSON_CATEGORY
from src.model_utils.config import build_config
from src.tools.pack_dataset import main as pack
from tests.bench.transfer import LARGE_TURNS, memory_folder, timed, until_on_disk
from tests.bench.transfer_clients import AK, BUCKET, SK, THREADS, Boto3, Rclone
from tests.fakes.object_store import has_ceph, running_store

PICTURES, PICTURE_BYTES = 2000, 100_000
LARGE_BYTES = 600_000_000
SHARD_MB = 256
ANNOTATIONS = "persons.json"


def make_data_set(folder: Path) -> None:
    """Files of random bytes under pictures' names, and annotations with one person in each."""
    (folder / "loose").mkdir(parents=True)
    names = [f"{number:012d}.jpg" for number in range(PICTURES)]
    for name in names:
        (folder / "loose" / name).write_bytes(os.urandom(PICTURE_BYTES))
    keypoints = [value for joint in range(17) for value in (20 + joint, 30 + joint, 2)]
    person = {"category_id": 1, "bbox": [10.0, 10.0, 200.0, 200.0], "area": 40000.0, "iscrowd": 0}
    person |= {"keypoints": keypoints, "num_keypoints": 17, "segmentation": []}
    content = {
        "images": [{"id": n, "file_name": name, "width": 640, "height": 480} for n, name in enumerate(names)],
        "annotations": [{"id": n, "image_id": n, **person} for n in range(PICTURES)],
        "categories": [PERSON_CATEGORY],
    }
    (folder / "loose" / ANNOTATIONS).write_text(json.dumps(content), encoding="utf-8")
    with contextlib.redirect_stdout(None):
        code = pack(
            [
                f"--jsonpath_train={folder / 'loose' / ANNOTATIONS}",
                f"--imgpath_train={folder / 'loose'}",
                f"--result_path={folder / 'packed'}",
                f"--shard_mb={SHARD_MB}",
            ]
        )
    if code:
        raise SystemExit("the data set cannot be packed")


def use_store(port: int, state: Path) -> obs_sync.ObsFileSystem:
    """Point this process's jobs at the store."""
    settings: dict[str, Any] = {"storage_mode": "obs", "endpoint": f"http://127.0.0.1:{port}", "signature": "v2"}
    settings |= {"path_style": True, "threads": THREADS, "state_dir": str(state)}
    obs_sync.configure(credentials=obs_sync.Credentials(AK, SK), **settings)
    return obs_sync.filesystem()


def job_stages(kind: str, scratch: Path) -> None:
    """Stage a data set of the store into a scratch folder, as the training job begins."""
    given = {"data_url": f"obs://{BUCKET}/{kind}", "imgpath_train": ".", "jsonpath_train": ANNOTATIONS}
    stage_training(build_config(given), scratch)


def measure(work: Path, port: int, repeat: int) -> dict[tuple[str, str], list[float]]:
    """Seconds of all runs by task and client, in turns."""
    others: list[Any] = [kind(port) for kind in (Boto3, Rclone) if not kind.missing()]
    times: dict[tuple[str, str], list[float]] = {}

    def note(task: str, client: str, function: Callable[..., object], *arguments: object) -> None:
        os.sync()  # nobody pays for what the one before left to be written
        times.setdefault((task, client), []).append(timed(function, *arguments)[0])

    for turn in range(repeat):
        scratch = work / f"scratch-{turn}"
        note("loose", "job", job_stages, "loose", scratch / "loose")
        note("loose again", "job", job_stages, "loose", scratch / "loose")
        note("packed", "job", job_stages, "packed", scratch / "packed")
        note("packed again", "job", job_stages, "packed", scratch / "packed")
        for client in others:
            for kind in ("loose", "packed"):
                note(kind, client.name, client.down, kind, str(scratch / client.name / kind))
        shutil.rmtree(scratch)
    large: list[tuple[str, Callable[[str], object]]] = [
        ("job", lambda folder: obs_sync.copy(f"obs://{BUCKET}/large/", folder)),
        *((client.name, functools.partial(client.down, "large")) for client in others),
    ]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory_folder()) as memory:
        for turn in range(LARGE_TURNS * repeat):
            for name, fetch in large[turn % len(large) :] + large[: turn % len(large)]:  # nobody is always first
                note("one object", name, fetch, f"{memory}/one")
                shutil.rmtree(f"{memory}/one")
                note("one to disk", name, until_on_disk, fetch, str(work / "one"))
                shutil.rmtree(work / "one")
    return times


def show(times: dict[tuple[str, str], list[float]]) -> None:
    """Medians, rates and ratios."""
    data = PICTURES * PICTURE_BYTES / 1e6
    amounts = {"loose": data, "packed": data, "one object": LARGE_BYTES / 1e6, "one to disk": LARGE_BYTES / 1e6}
    middle = {key: statistics.median(runs) for key, runs in times.items()}
    print(f"{'task':<13} {'client':<8} {'median':>8} {'MB/s':>7} {'objects/s':>10} {'to boto3':>9}   all runs")
    for (task, client), seconds in middle.items():
        rate = f"{amounts[task] / seconds:,.0f}" if task in amounts else "-"
        objects = f"{PICTURES / seconds:,.0f}" if task in ("loose", "packed") else "-"
        ratio = f"{middle[task, 'boto3'] / seconds:.2f}x" if (task, "boto3") in middle else "-"
        runs = " ".join(f"{run:.2f}" for run in times[task, client])
        print(f"{task:<13} {client:<8} {seconds:>7.2f}s {rate:>7} {objects:>10} {ratio:>9}   {runs}")
    print(f"packed is staged {middle['loose', 'job'] / middle['packed', 'job']:.1f} times as fast as loose")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    if not has_ceph():
        raise SystemExit("the store is missing: bash tests/fakes/install_store.sh (Debian, as root)")
    logging.disable(logging.INFO)
    for kind in (Boto3, Rclone):
        if kind.missing():
            print(f"{kind.name} is not measured: {kind.missing()}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running_store() as store:
        assert store is not None
        work = Path(folder)
        fs = use_store(store.upstream, work / "state")
        fs.mkdir(BUCKET)
        make_data_set(work / "data")
        (work / "large.bin").write_bytes(os.urandom(LARGE_BYTES))
        for kind in ("loose", "packed"):
            obs_sync.copy(str(work / "data" / kind), f"obs://{BUCKET}/{kind}/")
        obs_sync.copy(str(work / "large.bin"), f"obs://{BUCKET}/large/")
        os.sync()
        print(f"{PICTURES} pictures of {PICTURE_BYTES:,} bytes; shards of {SHARD_MB} MB; one object of {LARGE_BYTES:,}")
        show(measure(work, store.upstream, repeat))


if __name__ == "__main__":
    main()
