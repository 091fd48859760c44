"""COCO keypoint AP of a decoder on the golden maps: a network's maps of real photographs."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from src.pose import decode_poses
from src.pose.grid import Fit
from src.pose.skeleton import COCO_ORDER

GOLDEN = (785, 40083, 196141, 197388)

#: From a picture's number, its golden file and how it lies in the network's input to poses in that input, and scores.
Decode = Callable[[int, Any, Fit], tuple[np.ndarray, np.ndarray]]


def golden_ap(shared: Path, decode: Decode) -> tuple[float, float]:
    """(AP, AP50) over the golden pictures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(shared / "data/coco_sample/person_keypoints.json"))
        rows = [row for number in GOLDEN for row in _rows(shared, number, truth.imgs[number], decode)]
        run = COCOeval(truth, truth.loadRes(rows), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


def our_decoder(number: int, golden: Any, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    return decode_poses(golden["heatmaps"], golden["pafs"], fit=fit)


def reference_decoder(shared: Path) -> Decode:
    """What the reference's decoder found in these maps, as it was recorded."""
    recorded = json.loads((shared / "data/golden/reference_poses.json").read_text(encoding="utf-8"))

    def decode(number: int, golden: Any, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
        entry = recorded[f"{number:012d}"]
        return np.array(entry["poses_xyv"], np.float32).reshape(-1, 18, 3), np.array(entry["scores"])

    return decode


def _rows(shared: Path, number: int, image: dict[str, Any], decode: Decode) -> list[dict[str, Any]]:
    """The people found on one golden map as COCO results."""
    golden = np.load(shared / f"data/golden/{number:012d}.npz")
    height, width = golden["rgb"].shape[:2]
    fit = Fit(image["width"], image["height"], width, height, width, height)
    rows = []
    for pose, score in zip(*decode(number, golden, fit)):
        found = pose[:, 2:] > 0
        keypoints = np.concatenate([fit.to_picture(pose[:, :2]), np.ones_like(found)], axis=1) * found
        flat = keypoints[list(COCO_ORDER)].ravel().tolist()
        rows.append({"image_id": number, "category_id": 1, "keypoints": flat, "score": float(score)})
    return rows
