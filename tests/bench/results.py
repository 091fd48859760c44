"""What the results of a batch cost: `python -m tests.bench.results [delivery|tail] [pictures …]`.

`delivery`: bytes sent and requests made while two cards deliver to a store, for 300, 1,200 and 4,800 pictures; both
must grow with the number of pictures and no faster. `tail`: seconds from the last picture's result to the end of the
job, and the processor time that lines, table and page cost per picture, for 1,000, 10,000 and 100,000 pictures. The
network and the pictures are made up, so that nothing but the results takes time.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import obs_sync
from modelarts.runtime.results.sink import ObsResultSink
from obs_sync.stores import open as opening
from obs_sync.stores.base import Page
from obs_sync.stores.local import LocalStore
from src.actions import find_action, judge_person
from src.infer import run
from src.infer.output.results import IgnoredPerson, Person, PictureResult
from src.infer.output.shard import Shard
from src.infer.output.sink import ResultSink
from src.plural import plural
from tests.infer.fakes import FakeNetwork
from tests.pose.drawing import standing_person

ACTION = find_action("climb_up")
CARDS = 2
#: Pictures that a card finishes between two deliveries.
PICTURES_PER_DELIVERY = 50
FILE_BYTES = 100
#: So many results are made up, which the pictures share.
DIFFERENT = 300
SIZES = {"delivery": (300, 1200, 4800), "tail": (1000, 10_000, 100_000)}
#: Requests to a store that the methods of a `Store` stand for.
REQUESTS = ("pages", "head", "read", "write", "copy", "delete", "upload", "download")


class CountingStore(LocalStore):
    """A store on disk that counts requests by kind, and the bytes that are sent to it and read from it."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.requests: Counter[str] = Counter()
        self.traffic: Counter[str] = Counter()
        self._lock = threading.Lock()
        for name in REQUESTS:
            setattr(self, name, functools.partial(self._counted, name, getattr(super(), name)))

    def _counted(self, name: str, method: Any, *arguments: Any, **options: Any) -> Any:
        if name == "pages":
            return self._counted_pages(method(*arguments, **options))
        with self._lock:
            self.requests[name] += 1
        answer = method(*arguments, **options)
        with self._lock:
            if name in ("write", "upload"):
                self.traffic["sent"] += answer.size
            if name == "read":
                self.traffic["read"] += len(answer)
        return answer

    def _counted_pages(self, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            with self._lock:
                self.requests["pages"] += 1
            yield page


def made_results(count: int) -> list[PictureResult]:
    """Results of so many pictures: none to three persons, some of them incomplete, some not counted."""
    random = np.random.default_rng(0)
    made = [_made_result(random) for _ in range(min(count, DIFFERENT))]
    return [_named(made[number % DIFFERENT], f"{number:06d}.jpg") for number in range(count)]


def _named(result: PictureResult, name: str) -> PictureResult:
    return replace(result, file=name, rendered=f"{name[:-4]}_rendered.jpg", thumbnail=f"thumbnails/{name}")


def _made_result(random: np.random.Generator) -> PictureResult:
    poses = [_person(random) for _ in range(random.integers(0, 4))]
    persons = tuple(Person(pose, 0.7, judge_person(pose, ACTION)) for pose in poses[:2])
    ignored = tuple(IgnoredPerson(pose, 0.2, "score") for pose in poses[2:])
    return PictureResult("", "ok", 640, 480, persons, ignored, 0.1)


def _person(random: np.random.Generator) -> np.ndarray[Any, Any]:
    pose = np.asarray(standing_person(*random.uniform((50, 20, 200), (500, 100, 400))), np.float32)
    pose[:, :2] += random.normal(0, 15, (18, 2))
    pose[random.random(18) < 0.2] = 0
    return pose


def _finished(results: Sequence[PictureResult], folder: Path | None, sink: ResultSink | None) -> Iterator[Any]:
    """The results one by one, with their files in `folder`; a delivery now and then."""
    for number, result in enumerate(results, start=1):
        if folder:
            for name in (result.file, result.rendered, result.thumbnail):
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(os.urandom(FILE_BYTES))
        yield result
        if sink and number % PICTURES_PER_DELIVERY == 0:
            sink.flush()


def judge(results: dict[str, PictureResult], output: Path, shard: Shard, sink: ResultSink | None, files: bool) -> float:
    """Run a batch whose pictures are judged already; returns seconds from the last result to the end."""
    done = 0.0

    def judged(_network: Any, _folder: Path, names: Sequence[str], *_: Any, **__: Any) -> Iterator[PictureResult]:
        nonlocal done
        yield from _finished([results[name] for name in names], output if files else None, sink)
        done = time.perf_counter()

    output.mkdir(parents=True)
    local.judged = judged
    run.infer_folder(FakeNetwork(), Path("/none"), list(results), output, ACTION, {}, shard=shard, sink=sink)
    return time.perf_counter() - done


local = threading.local()


def delivery(count: int, scratch: Path) -> tuple[int, ...]:
    """Bytes sent, bytes read, requests, and requests by kind of a job of several cards."""
    obs_sync.configure(storage_mode="local", obs_local_root=str(scratch / "store"))
    results = {result.file: result for result in made_results(count)}

    def card(rank: int) -> None:
        shard, folder = Shard(rank, CARDS), scratch / f"card{rank}"
        with ObsResultSink(folder, "obs://bucket/out", f"rank{rank}", 1e6, 0.05) as sink:
            judge(results, folder, shard, sink, files=True)

    cards = [threading.Thread(target=card, args=(rank,)) for rank in range(CARDS)]
    for one in cards:
        one.start()
    for one in cards:
        one.join()
    (store,) = (store for store in opening._stores.values() if store.root == str(scratch / "store"))  # type: ignore[attr-defined]
    assert isinstance(store, CountingStore)
    print(
        f"{count:>8} {store.traffic['sent']:>12,} {store.traffic['read']:>12,} {sum(store.requests.values()):>9,}   "
        + ", ".join(f"{name} {store.requests[name]:,}" for name in REQUESTS if store.requests[name])
    )
    return store.traffic["sent"], store.traffic["read"], sum(store.requests.values())


def tail(count: int, scratch: Path) -> None:
    """Print seconds after the last result, and processor time for a picture's lines, table and page."""
    results = {result.file: result for result in made_results(count)}
    cpu, begin = time.process_time(), time.perf_counter()
    seconds = judge(results, scratch / "out", Shard(), None, files=False)
    whole = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in (scratch / "out").iterdir())
    print(
        f"{count:>8} {seconds:>10.2f} {whole:>9.1f} {(time.process_time() - cpu) / count * 1e3:>10.2f} "
        f"{size / count / 1e3:>8.1f}"
    )


def main(what: str = "", *sizes: str) -> int:
    """Measure, and print tables."""
    logging.disable(logging.INFO)
    print(f"{plural(os.cpu_count() or 1, 'processor')}, load {os.getloadavg()[0]:.1f}")
    heads = {
        "delivery": f"{'pictures':>8} {'bytes sent':>12} {'bytes read':>12} {'requests':>9}",
        "tail": f"{'pictures':>8} {'tail s':>10} {'whole s':>9} {'CPU ms/pic':>10} {'KB/pic':>8}",
    }
    for kind in [what] if what else list(SIZES):
        print(heads[kind])
        for count in map(int, sizes or map(str, SIZES[kind])):
            with (
                tempfile.TemporaryDirectory() as scratch,
                mock.patch.object(opening, "LocalStore", CountingStore),
                mock.patch.object(run, "judge_pictures", lambda *a, **o: local.judged(*a, **o)),
            ):
                {"delivery": delivery, "tail": tail}[kind](count, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
