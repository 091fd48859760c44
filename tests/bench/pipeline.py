"""Training samples per second and core, by stage, against decoding the JPEG alone: `python -m tests.bench.pipeline`.

Pictures of 640x480 (the photographs of the shared folder where they are, else drawn ones), input 368x368, the
reference's augmentation. All stages take turns in one run; times are processor time of one thread, medians.

    python -m tests.bench.pipeline --reference models/official/cv/OpenPose

lets the reference's own loader, from a checkout of mindspore-ai/models, take turns with them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from src.data import augment, images
from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.sample import SampleMaker
from src.pose.encode import encode_heatmaps, encode_pafs
from src.pose.grid import STRIDE
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION

#: The reference loader's time for such a sample on a machine of this kind when it was idle.
REFERENCE_MS = 22.5
REFERENCE = """
import sys, time
pictures, annotations = sys.argv[1:]
sys.argv[1:] = []
from src.dataset import ReadJson, txtdataset
from tests.data.sample_settings import sample_settings
dataset = txtdataset(ReadJson(annotations), pictures, "no masks", 368)
print("ready", flush=True)
for line in sys.stdin:
    start = time.thread_time()
    dataset[int(line) % len(dataset)]
    print(time.thread_time() - start, flush=True)
"""
REFERENCE_HERE = "reference, here"
SIZE = (640, 480)


def prepare(folder: Path) -> Path:
    """640x480 JPEGs and their annotations in `folder`; returns the annotation file."""
    shared = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[3] / "shared"))
    sample = shared / "data" / "coco_sample"
    if not sample.is_dir():
        print("no photographs here: using drawn pictures")
        return draw_dataset(folder, 16, seed=1, sizes=[SIZE])
    content = json.loads((sample / "person_keypoints.json").read_text(encoding="utf-8"))
    (folder / "images").mkdir()
    scales = {}
    for image in content["images"]:
        picture = cv2.resize(images.read_picture(sample / image["file_name"]), SIZE, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "images" / image["file_name"]), picture, [cv2.IMWRITE_JPEG_QUALITY, 93])
        scales[image["id"]] = SIZE[0] / image["width"], SIZE[1] / image["height"]
        image["width"], image["height"] = SIZE
    for annotation in content["annotations"]:
        x, y = scales[annotation["image_id"]]
        annotation["keypoints"] = (np.reshape(annotation["keypoints"], (17, 3)) * (x, y, 1)).ravel().tolist()
        annotation["segmentation"] = [
            (np.reshape(p, (-1, 2)) * (x, y)).ravel().tolist() for p in annotation["segmentation"]
        ]
    target = folder / "person_keypoints.json"
    target.write_text(json.dumps(content), encoding="utf-8")
    return target


def stages(maker: SampleMaker, row: int, epoch: int) -> dict[str, Callable[[], Any]]:
    """Every stage of one sample on its own, with what it needs made beforehand."""
    s = maker.settings
    rng = random.Random(epoch)
    joints = np.array(maker.index.persons[row])
    view = augment.draw_view(rng, joints, s.input_size, s)
    path = Path(maker.pictures.place(str(maker.index.names[row])))
    data = images.read_bytes(path)
    reduction = augment.decode_reduction(view.matrix)
    picture = images.decode_picture(data, path, reduction)
    matrix = augment.from_reduced(view.matrix, reduction)
    warped = augment.warp_picture(picture, matrix, s.input_size)
    persons = augment.move_joints(joints, view).astype(float)
    shape = s.map_size[::-1]
    colour = view.colour
    return {
        "plain JPEG decode": lambda: cv2.imread(str(path)),
        "whole sample": lambda: maker.make(row, epoch),
        "  read file": lambda: images.read_bytes(path),
        "  decode": lambda: images.decode_picture(data, path, reduction),
        "  draw view": lambda: augment.draw_view(random.Random(epoch), joints, s.input_size, s),
        "  warp picture": lambda: augment.warp_picture(picture, matrix, s.input_size),
        "  colours": lambda: None if colour is None else cv2.transform(warped, colour),
        "  planes": lambda: maker.planes(warped),
        "  heatmaps": lambda: encode_heatmaps(persons, shape, STRIDE, s.heatmap_sigma),
        "  PAFs": lambda: encode_pafs(persons, shape, STRIDE, s.paf_half_width),
        "  valid mask": lambda: maker.valid_mask(row, view),
    }


@contextlib.contextmanager
def reference_loader(checkout: Path, pictures: Path, annotations: Path) -> Iterator[Callable[[int], float]]:
    """The reference's loader in a process of its own; call it with a row for the seconds that its sample takes."""
    command = [sys.executable, "-c", REFERENCE, str(pictures), str(annotations)]
    with subprocess.Popen(
        command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None
        if not any(line == "ready\n" for line in answers):
            sys.exit(f"{checkout}: holds no OpenPose of mindspore-ai/models that starts here")

        def take(row: int) -> float:
            print(row, file=asked, flush=True)
            return float(answers.readline())

        yield take
        asked.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--reference", type=Path, help="folder of the reference's OpenPose, to time beside this")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        annotations = prepare(folder)
        index = index_annotations(annotations, SELECTION)
        maker = SampleMaker(index, folder / "images", sample_settings())
        sizes = [(folder / "images" / str(n)).stat().st_size for n in index.names]
        print(f"{len(index)} pictures of {SIZE[0]}x{SIZE[1]}, {np.mean(sizes) / 1e3:.0f} KB each, input 368x368")
        times: dict[str, list[float]] = {}
        reference = None
        if arguments.reference:
            loader = reference_loader(arguments.reference.absolute(), folder / "images", annotations)
            reference = stack.enter_context(loader)
        for number in range(arguments.samples):
            if reference is not None:
                times.setdefault(REFERENCE_HERE, []).append(reference(number))
            for stage, call in stages(maker, number % len(index), number // len(index)).items():
                start = time.thread_time()
                call()
                times.setdefault(stage, []).append(time.thread_time() - start)
    middle = {stage: float(np.median(values[len(values) // 10 :])) * 1e3 for stage, values in times.items()}
    for stage, milliseconds in middle.items():
        print(f"{stage:20s} {milliseconds:7.3f} ms")
    whole, decode = middle["whole sample"], middle["plain JPEG decode"]
    print(f"{1e3 / whole:.0f} samples/s a core; {whole / decode:.2f} x the time of decoding the JPEG alone")
    if REFERENCE_HERE in middle:
        print(f"{middle[REFERENCE_HERE] / whole:.1f} x the reference in this run")
    print(f"{REFERENCE_MS / whole:.1f} x the {REFERENCE_MS} ms that the reference needs on an idle machine")


if __name__ == "__main__":
    main()
