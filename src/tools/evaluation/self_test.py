"""Does the way picture → maps → picture keep coordinates? Annotated persons are encoded, decoded, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.data.coco import to_joints
from src.errors import DataError
from src.infer.shapes import tight_fit
from src.pose import DecodeSettings, decode_poses
from src.pose.encode import encode_keypoints
from src.tools.evaluation.ground_truth import person_category
from src.tools.evaluation.scores import Result, Scores, result_lines, score_results

if TYPE_CHECKING:
    from pycocotools.coco import COCO


#: What is injected, in picture pixels, to see whether the evaluation notices.
INJECTED_PX = 0.5
#: Largest median offset the way through the maps may have, and largest error in seeing the injected one.
ALLOWED_PX = 0.15


@dataclass(frozen=True)
class OffsetTest:
    """Scores of annotated persons that went through maps of their own: as they are, and moved by INJECTED_PX."""

    straight: Scores
    moved: Scores

    @property
    def problem(self) -> str:
        """What is wrong; empty when coordinates are kept and the injected offset is seen."""
        if max(map(abs, self.straight.offset_px)) > ALLOWED_PX:
            return f"the decoder moves joints by {_pair(self.straight.offset_px)} px"
        seen = np.subtract(self.moved.offset_px, self.straight.offset_px)
        if np.abs(seen - INJECTED_PX).max() > ALLOWED_PX:
            return f"an injected offset of {INJECTED_PX} px shows as {_pair(tuple(seen))} px"
        if self.moved.figures["AP"] > self.straight.figures["AP"]:
            return f"AP rises from {self.straight.figures['AP']:.3f} to {self.moved.figures['AP']:.3f} with the offset"
        return ""


def run_offset_test(truth: COCO, picture_ids: Sequence[int], insize: int, settings: DecodeSettings) -> OffsetTest:
    """Encode, decode and score the annotated persons of the pictures; DataError where nobody is annotated."""
    results = _decoded(truth, picture_ids, insize, settings)
    if not results:
        raise DataError("self-test: nobody with enough keypoints is annotated on these pictures")
    moved: list[Result] = [{**line, "keypoints": _moved(line["keypoints"])} for line in results]
    return OffsetTest(score_results(truth, results, picture_ids), score_results(truth, moved, picture_ids))


def _decoded(truth: COCO, picture_ids: Sequence[int], insize: int, settings: DecodeSettings) -> list[Result]:
    results: list[Result] = []
    for picture_id in picture_ids:
        image = truth.imgs[picture_id]
        persons = truth.loadAnns(truth.getAnnIds(imgIds=[picture_id], iscrowd=False))
        annotated = [p["keypoints"] for p in persons if p.get("num_keypoints")]
        if not annotated:
            continue
        joints = to_joints(np.array(annotated, np.float32).reshape(len(annotated), -1, 3))
        fit = tight_fit(image["width"], image["height"], insize, 16)
        joints[..., :2] = fit.to_input(joints[..., :2])
        heatmaps, pafs = encode_keypoints(joints, (fit.input_width, fit.input_height))
        poses, scores = decode_poses(heatmaps, pafs, settings=settings, fit=fit)
        poses[..., :2] = np.where(poses[..., 2:] > 0, fit.to_picture(poses[..., :2]), 0)
        results += result_lines(picture_id, poses, scores, person_category(truth))
    return results


def _moved(keypoints: list[float]) -> list[float]:
    triples = np.array(keypoints).reshape(-1, 3)
    triples[triples[:, 2] > 0, :2] += INJECTED_PX
    return triples.reshape(-1).tolist()


def _pair(offset: Sequence[float]) -> str:
    return f"({offset[0]:+.2f}, {offset[1]:+.2f})"
