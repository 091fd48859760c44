"""How long, and in how much memory, COCO-sized annotations are indexed: `python -m tests.bench.index_scale`.

Writes an annotation file like COCO train2017's (as many pictures, persons, outline points) into a temporary folder,
reads it in fresh processes and prints seconds and peak memory: without a cache, building one, and from one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from src.data.drawn.dataset import PERSON_CATEGORY

_MEASURE = """
import resource, sys, time
from src.data.coco import open_index
from tests.data.selection import SELECTION
base, wall, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
index = open_index(sys.argv[1], SELECTION, cache=sys.argv[2] or None)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
numbers = (wall, cpu, peak / 1024, base / 1024, index.nbytes / 1e6)
print(len(index), index.persons.lengths.sum(), *[round(float(number), 2) for number in numbers])
"""


def write_annotations(path: Path, pictures: int, seed: int = 0) -> None:
    """2.2 persons a picture, half of them learnt, with 30 outline points each; 1 in 20 pictures has a crowd."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {}, "images": [')
        for number in range(pictures):
            row = {"id": number + 1, "file_name": f"{number + 1:012d}.jpg", "width": 640, "height": 480, "license": 1}
            row["coco_url"] = f"http://images.cocodataset.org/train2017/{number + 1:012d}.jpg"
            file.write((", " if number else "") + json.dumps(row))
        file.write('], "annotations": [')
        for number in range(int(pictures * 2.2)):
            file.write((", " if number else "") + json.dumps(_annotation(number, pictures, rng)))
        file.write(f'], "categories": {json.dumps([PERSON_CATEGORY])}}}')


def _annotation(number: int, pictures: int, rng: np.random.Generator) -> dict[str, object]:
    learnt = rng.random() < 0.55
    keypoints = np.stack(
        [*rng.integers(0, 480, (2, 17)), rng.integers(0, 3, 17) if learnt else np.zeros(17, int)], axis=1
    )
    crowd = rng.random() < 0.023
    outline: object = [rng.uniform(0, 480, 60).round(2).tolist()]
    if crowd:
        outline = {"size": [480, 640], "counts": rng.integers(1, 2000, 300).tolist()}
    return {
        "id": number + 1,
        "image_id": number % pictures + 1,
        "category_id": 1,
        "segmentation": outline,
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "area": float(rng.uniform(500, 60000)),
        "bbox": rng.uniform(0, 300, 4).round(2).tolist(),
        "iscrowd": int(crowd),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=120_000)
    pictures = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        file, cache = Path(folder, "person_keypoints.json"), Path(folder, "index")
        write_annotations(file, pictures)
        print(f"{pictures} pictures, {file.stat().st_size / 1e6:.0f} MB of JSON, {os.cpu_count()} processors")
        for name, argument in (("no cache", ""), ("build cache", str(cache)), ("from cache", str(cache))):
            command = [sys.executable, "-c", _MEASURE, str(file), argument]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            rows, persons, wall, cpu, peak, base, megabytes = out
            print(
                f"{name:12s} {wall:>6s} s ({cpu} s of processor time), peak {peak} MiB (of which {base} before), "
                f"arrays {megabytes} MB, {rows} pictures with {persons} persons"
            )


if __name__ == "__main__":
    main()
