"""How memory develops over a long batch: `python -m tests.bench.memory [pictures] [action] [batch size]`.

Judges so many small photographs with the small network at a small input, as the inference job does, report and table
included, and prints the resident memory (anonymous pages, without the pages of mapped files) as pictures are finished.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from src.actions import find_action
from src.data.images import read_picture
from src.infer.output.results import ResultLine
from src.infer.output.sink import LocalResultSink
from src.infer.run import infer_folder
from tests.bench.inference import SHARED, make_network

INSIZE = 96
LOOKS = 20


def anonymous_mb() -> float:
    """Resident memory that is this process's own."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def make_pictures(folder: Path, count: int) -> list[str]:
    """Photographs of many small sizes, each name a file of its own."""
    folder.mkdir()
    photographs = [read_picture(path) for path in sorted((SHARED / "data/coco_sample").glob("0*.jpg"))]
    rng = np.random.default_rng(0)
    names = [f"{i:05d}.jpg" for i in range(count)]
    for name in names:
        whole = photographs[rng.integers(len(photographs))]
        size = tuple(int(side * rng.uniform(0.3, 0.45)) for side in whole.shape[1::-1])
        cv2.imwrite(str(folder / name), cv2.resize(whole, size, interpolation=cv2.INTER_AREA))
    return names


class Looks(LocalResultSink):
    """The place of local results, which looks at the memory whenever a share of the pictures is finished."""

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__(folder, "results.jsonl")
        self._every, self._done, self._began = every, 0, time.perf_counter()
        self.seen: list[tuple[int, float]] = []

    def enqueue(self, names: Sequence[str], line: ResultLine | None = None) -> None:
        if line is None:
            return
        self._done += 1
        if self._done % self._every == 0:
            gc.collect()
            self.seen.append((self._done, anonymous_mb()))
            print(f"{self._done:>8} {self.seen[-1][1]:>10.1f} {time.perf_counter() - self._began:>8.0f}", flush=True)


def main() -> int:
    """Measure, and print a table and the growth by a line through its second half."""
    logging.disable(logging.WARNING)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    action = find_action(sys.argv[2] if len(sys.argv) > 2 else "climb_over_fence")
    batch_size = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if not (SHARED / "data/coco_sample").is_dir():
        print(f"no photographs in {SHARED}")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        network = make_network("mobilenet_v2", batch_size, scratch, INSIZE)
        names = make_pictures(scratch / "pics", count)
        output = scratch / "out"
        sink = Looks(output, max(1, count // LOOKS))
        print(f"{'pictures':>8} {'MB':>10} {'s':>8}   ({os.cpu_count()} processors, load {os.getloadavg()[0]:.1f})")
        summary = infer_folder(network, scratch / "pics", names, output, action, {}, sink=sink)
        at_end = anonymous_mb()
        sizes = {name: (output / name).stat().st_size / 1e6 for name in ("results.jsonl", "index.html", "results.csv")}
    late = sink.seen[len(sink.seen) // 2 :]
    slope = np.polyfit(*np.transpose(late), 1)[0]
    print(f"{summary['persons']} persons in {summary['pictures']} pictures, {summary['compiles']} compiles")
    print(f"growth in the second half: {slope * 1000:.2f} MB per 1000 pictures")
    print(
        f"after writing the report: {at_end:.1f} MB; " + ", ".join(f"{name} {mb:.1f} MB" for name, mb in sizes.items())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
