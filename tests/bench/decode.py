"""How long decoding and judging take: `python -m tests.bench.decode [folder of golden maps]`.

Prints, for each picture, the medians of the decoder and its stages and the ratio to the plain way of decoding, and what
judging a crowd takes, all measured in one run on one core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from src.actions import default_actions, judge_person, judge_persons
from src.pose import DecodeSettings, decode_poses
from src.pose.bridging import bridge
from src.pose.encode import encode_keypoints
from src.pose.grouping import group
from src.pose.limbs import score_limbs
from src.pose.peaks import find_peaks
from tests.bench.plain_decoder import decode_plainly
from tests.pose.accuracy import golden_ap, our_decoder, reference_decoder
from tests.pose.drawing import draw_maps, standing_person

ROUNDS = 50
PLAIN_ROUNDS = 3
CROWD, LARGE_CROWD = 30, 100
COLUMNS = ("picture", "cells", "persons", "peaks", "limbs", "group", "bridge", "decode", "plain", "ratio")


def median_ms(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def measure(name: str, heatmaps: np.ndarray, pafs: np.ndarray, plain_rounds: int = PLAIN_ROUNDS) -> tuple[float, float]:
    """Print one picture's row; returns the medians of the decoder and of the plain way in milliseconds."""
    settings = DecodeSettings()
    peaks = find_peaks(heatmaps, settings)
    connections = score_limbs(pafs, peaks, settings)
    members, strength = group(peaks, connections)
    stages = [
        median_ms(lambda: find_peaks(heatmaps, settings)),
        median_ms(lambda: score_limbs(pafs, peaks, settings)),
        median_ms(lambda: group(peaks, connections)),
        median_ms(lambda: bridge(peaks, members, strength)),
    ]
    whole = median_ms(lambda: decode_poses(heatmaps, pafs))
    plain = median_ms(lambda: decode_plainly(heatmaps, pafs), plain_rounds)
    persons = len(decode_poses(heatmaps, pafs)[0])
    cells = f"{heatmaps.shape[1]}x{heatmaps.shape[2]}"
    figures = [*(f"{stage:.2f}" for stage in stages), f"{whole:.2f}", f"{plain:.1f}", f"{plain / whole:.0f}x"]
    print("".join(f"{value:>13}" for value in (name, cells, persons, *figures)))
    return whole, plain


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the golden maps and drawn crowds."""
    default = Path(__file__).resolve().parents[2].parent / "shared/data/golden"
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decode", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="of golden maps (*.npz)")
    folder = parser.parse_args(argv).folder
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("medians in milliseconds on one core")
    print("".join(f"{column:>13}" for column in COLUMNS))
    times = []
    for path in sorted(folder.glob("*.npz")):
        golden = np.load(path)
        times.append(measure(path.stem, golden["heatmaps"].astype(np.float32), golden["pafs"].astype(np.float32)))
    if times:
        ours, plain = np.mean(times, axis=0)
        print(
            f"mean over {len(times)} photographs: {ours:.2f} ms (goal 2.5), plainly {plain:.1f} ms: {plain / ours:.0f}x"
        )
    else:
        print(f"no golden maps in {folder}")
    rng = np.random.default_rng(0)
    rows = [standing_person(40 + 60 * (i % 10), 4 + 122 * (i // 10), 112) for i in range(CROWD)]
    crowd = [standing_person(rng.uniform(20, 636), rng.uniform(0, 170), rng.uniform(80, 200)) for _ in range(CROWD)]
    measure(f"{CROWD} in rows", *draw_maps(rows, 656, 376))
    measure(f"{CROWD} crowded", *draw_maps(crowd, 656, 376))
    many = [standing_person(65.6 * (i % 20 + 0.5), 147.2 * (i // 20) + 4, 132) for i in range(LARGE_CROWD)]
    measure(f"{LARGE_CROWD} in rows", *encode_keypoints(np.array(many, np.float32), (1312, 736)), plain_rounds=1)
    print_judging(np.array(crowd))
    if times:
        print_accuracy(folder.parents[1])
    return 0


def print_judging(persons: np.ndarray) -> None:
    """What judging the persons takes, together and one by one."""
    for action in default_actions().values():
        together = median_ms(partial(judge_persons, persons, action))
        alone = len(persons) * median_ms(partial(judge_person, persons[0], action))
        print(f"judging {len(persons)} persons, {action.name}: {together:.1f} ms together, {alone:.1f} ms one by one")


def print_accuracy(shared: Path) -> None:
    """Compare with the people that the reference's decoder found in the same maps."""
    try:
        (ap, ap50), (their_ap, their_ap50) = (
            golden_ap(shared, our_decoder),
            golden_ap(shared, reference_decoder(shared)),
        )
    except ImportError:
        print("no accuracy: pycocotools is not installed")
        return
    print(f"AP {ap:.3f}, AP50 {ap50:.3f}; the reference's decoder on the same maps {their_ap:.3f}, {their_ap50:.3f}")


if __name__ == "__main__":
    sys.exit(main())
