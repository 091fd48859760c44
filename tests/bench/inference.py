"""How long a folder of pictures takes: `python -m tests.bench.inference [mobilenet_v2|vgg19] [pictures] [batch size]`.

Runs, one after the other in one process and several rounds: the network alone on the fitted inputs, a plain loop over
`infer_one_pic`, and the pipeline; beside them the network without folded batch normalisations, on ONNX Runtime, and on
OpenVINO where that is installed. Prints medians, CPU time, time by stage, and the ratios that matter. The small network
takes the published weights beside the checkout where they are; speed does not depend on weights.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mindspore as ms
import numpy as np

from src.actions import find_action
from src.data.images import read_picture
from src.infer.forward import PoseNetwork
from src.infer.onnx_network import load_onnx
from src.infer.picture import infer_one_pic
from src.infer.run import judge_pictures
from src.infer.shapes import as_batch, fit_picture
from src.net.build import build_network, choose_device
from src.net.folding import fold_batch_norms
from src.net.onnx_graph import onnx_model
from src.net.weights import load_all_weights
from src.pose import DecodeSettings
from src.progress import StageTimes
from src.tools.import_weights import import_weights

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[2].parent / "shared"))
ROUNDS = 3
Forward = Callable[[list[np.ndarray[Any, Any]]], Any]
ACTION = find_action("climb_up")


def make_network(name: str, batch_size: int, scratch: Path, insize: int = 368, fold: bool = True) -> PoseNetwork:
    """The network on CPU with dynamic shapes; published weights for the small one, random ones else."""
    choose_device("CPU")
    ms.set_seed(1)
    cell = build_network(name, 6)
    weights = SHARED / "weights/openpose_mobilenet_v2.npz"
    if name == "mobilenet_v2" and weights.is_file():
        import_weights(weights, name, 6, scratch / "m.ckpt")
        load_all_weights(cell, scratch / "m.ckpt", name, 6)
    if fold:
        fold_batch_norms(cell)
    return PoseNetwork(name, cell, insize, True, DecodeSettings(), batch_size)


def other_engines(network: PoseNetwork, scratch: Path) -> dict[str, Forward]:
    """The same network's forward pass on the other engines that are installed here, each started already."""
    path = scratch / "network.onnx"
    path.write_bytes(onnx_model(network._cell, network.name, 6).SerializeToString())
    runtime = load_onnx(path, network.name, network.insize, network.decode_settings, network.batch_size)
    found: dict[str, Forward] = {"ONNX Runtime": runtime.forward}
    if importlib.util.find_spec("openvino"):
        compiled = importlib.import_module("openvino").Core().compile_model(str(path), "CPU")
        found["OpenVINO"] = lambda inputs: list(compiled(as_batch(inputs, len(inputs))).values())
    return found


def make_pictures(folder: Path, count: int) -> list[str]:
    """Copies of the photographs, or drawn noise where they are not here."""
    folder.mkdir()
    photographs = sorted((SHARED / "data/coco_sample").glob("0*.jpg"))
    names = [f"{i:04d}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        if photographs:
            shutil.copyfile(photographs[i % len(photographs)], folder / name)
        else:
            noise = np.random.default_rng(i).integers(0, 255, (30, 40, 3), np.uint8)
            cv2.imwrite(str(folder / name), cv2.resize(noise, (640, 480)))
    return names


def measure(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def forward_all(forward: Forward, inputs: list[np.ndarray[Any, Any]], batch_size: int) -> None:
    groups: dict[tuple[int, ...], list[np.ndarray[Any, Any]]] = {}
    for one in inputs:
        groups.setdefault(one.shape, []).append(one)
    for group in groups.values():
        for start in range(0, len(group), batch_size):
            forward(group[start : start + batch_size])


def main() -> int:
    """Measure, and print a table."""
    logging.disable(logging.INFO)
    name = sys.argv[1] if len(sys.argv) > 1 else "mobilenet_v2"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else (4 if name == "vgg19" else 16)
    batch_size = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        network = make_network(name, batch_size, scratch)
        names = make_pictures(scratch / "pics", count)
        pictures = [read_picture(scratch / "pics" / one) for one in names]
        inputs = [fit_picture(one, network.fit(one.shape[1], one.shape[0])) for one in pictures]
        network.forward(inputs[:1])
        stages: list[dict[str, float]] = []

        def loop() -> None:
            for one in names:
                infer_one_pic(network, scratch / "pics", one, scratch / "loop", action=ACTION)

        def pipeline() -> None:
            times = StageTimes()
            for _ in judge_pictures(network, scratch / "pics", names, scratch / "out", ACTION, times):
                pass
            stages.append(times.rounded())

        works: dict[str, Callable[[], None]] = {
            "network alone": lambda: forward_all(network.forward, inputs, batch_size),
            "plain loop": loop,
            "pipeline": pipeline,
        }
        plain = make_network(name, batch_size, scratch, fold=False)
        for label, forward in {"not folded": plain.forward, **other_engines(network, scratch)}.items():
            forward(inputs[:1])
            works[label] = functools.partial(forward_all, forward, inputs, batch_size)
        runs: dict[str, list[tuple[float, float]]] = {label: [] for label in works}
        for _ in range(ROUNDS):
            for label, work in works.items():
                runs[label].append(measure(work))
    report(name, count, batch_size, network.compiles, runs, stages)
    return 0


def report(
    name: str,
    count: int,
    batch_size: int,
    compiles: int,
    runs: dict[str, list[tuple[float, float]]],
    stages: list[dict[str, float]],
) -> None:
    """Print medians over the rounds, in milliseconds a picture."""
    print(
        f"{name}, {count} pictures, batches of {batch_size}, {os.cpu_count()} processors, "
        f"load {os.getloadavg()[0]:.1f}, {compiles} compiles, medians of {ROUNDS} rounds, ms a picture"
    )
    for label, measured in runs.items():
        wall, cpu = (statistics.median(column) / count * 1e3 for column in zip(*measured))
        print(f"{label:>14}: wall {wall:8.1f}  cpu {cpu:8.1f}  wall/cpu {wall / cpu:.2f}")
    for stage in stages[0]:
        print(f"{stage:>14}: {statistics.median(one[stage] for one in stages) / count * 1e3:8.1f}")

    def ratio(a: str, b: str, column: int) -> float:
        return statistics.median(one[column] / other[column] for one, other in zip(runs[a], runs[b]))

    for engine in runs.keys() - {"network alone", "plain loop", "pipeline"}:
        print(f"network alone / {engine}, CPU: {ratio('network alone', engine, 1):.2f}")
    print(f"pipeline / network's own time: {ratio('pipeline', 'network alone', 0):.2f} (goal for vgg19: 1.10)")
    print(f"plain loop / network's own time: {ratio('plain loop', 'network alone', 0):.2f}")
    print(f"pipeline's wall / its CPU time: {statistics.median(w / c for w, c in runs['pipeline']):.2f} (goal: 0.60)")
    print(f"pipeline's CPU / plain loop's CPU: {ratio('pipeline', 'plain loop', 1):.2f} (goal: below 1)")


if __name__ == "__main__":
    sys.exit(main())
