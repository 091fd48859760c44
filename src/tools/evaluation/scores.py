"""Scores COCO keypoint results with pycocotools, and breaks them down by size of person and by joint."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER
from src.tools.evaluation.ground_truth import person_category

if TYPE_CHECKING:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

Outcome = Mapping[str, NDArray[np.generic]]  # pycocotools' of one picture


class Annotation(TypedDict):
    """What the scores read of an annotated person; `area` in square pixels."""

    keypoints: list[float]
    area: float


class Result(TypedDict):
    """One found person in COCO's result format."""

    image_id: int
    category_id: int
    keypoints: list[float]
    score: float


#: COCO's ten figures in pycocotools' order.
FIGURES = ("AP", "AP50", "AP75", "AP medium", "AP large", "AR", "AR50", "AR75", "AR medium", "AR large")
#: Names of the sizes; limits are areas in square pixels.
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_MATCH = 0.5  # least object keypoint similarity of a person that counts as found in the tables by size and joint
_DECIMALS = 3


Match = tuple[Annotation, NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True)
class JointScore:
    """How one joint of the annotated persons was found.

    `annotated`: on how many persons it is; `found`: on how many of them a matching person has it; `close`: on how many
    within COCO's tolerance (similarity at least 0.5). `error_px`, `dx_px`, `dy_px`: medians of distance and offset of
    the found ones, 0 for none.
    """

    name: str
    annotated: int
    found: int
    close: int
    error_px: float
    dx_px: float
    dy_px: float


@dataclass(frozen=True)
class Scores:
    """`figures`: COCO's table (-1: nobody of that size); `sizes`: persons, AP and AR by size; `joints`; `offset_px`:
    median (x, y) offset of all found joints; `precision`: (thresholds, recall levels) for the plot."""

    figures: dict[str, float]
    sizes: dict[str, dict[str, float]]
    joints: tuple[JointScore, ...]
    offset_px: tuple[float, float]
    pictures: int
    persons: int
    precision: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    recall: NDArray[np.float64]

    def to_json(self) -> dict[str, object]:
        """Everything but the curve, as JSON values."""
        plain = {name: getattr(self, name) for name in ("figures", "sizes", "offset_px", "pictures", "persons")}
        return {**plain, "joints": [asdict(joint) for joint in self.joints]}


def result_lines(image_id: int, poses: NDArray[np.float32], scores: NDArray[np.float32], category: int) -> list[Result]:
    """COCO's result format for poses (P, 18, 3) [x_px, y_px, confidence] in the picture; the neck is left out."""
    lines: list[Result] = []
    for pose, score in zip(poses, scores):
        keypoints = [round(float(v), _DECIMALS) for v in pose[list(COCO_ORDER)].reshape(-1)]
        lines.append(
            {"image_id": image_id, "category_id": category, "keypoints": keypoints, "score": round(float(score), 5)}
        )
    return lines


def score_results(truth: COCO, results: Sequence[Result], picture_ids: Sequence[int]) -> Scores:
    """COCO's keypoint evaluation of results on the given pictures."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(list(results)) if results else _nothing_found(truth)
        run = COCOeval(truth, found, "keypoints")
        run.params.imgIds = sorted(picture_ids)
        run.params.catIds = [person_category(truth)]
        run.params.areaRng = [list(limits) for limits in SIZES.values()]
        run.params.areaRngLbl = list(SIZES)
        run.evaluate()
        run.accumulate()
        run.summarize()
    matches = _matches(run, truth, found)
    offsets = np.concatenate([offset for _, offset, _ in matches]) if matches else np.zeros((0, 2))
    joints = tuple(_joint_score(i, run, matches) for i in range(len(COCO_KEYPOINT_NAMES)))
    return Scores(
        figures={name: float(value) for name, value in zip(FIGURES, run.stats)},
        sizes={label: _size_scores(run, i) for i, label in enumerate(SIZES)},
        joints=joints,
        offset_px=_median_offset(offsets),
        pictures=len(picture_ids),
        persons=_persons(run, 0),
        precision=run.eval["precision"][:, :, 0, 0, 0],
        thresholds=np.asarray(run.params.iouThrs),
        recall=np.asarray(run.params.recThrs),
    )


def _nothing_found(truth: COCO) -> COCO:
    """A result set without results, which loadRes cannot make."""
    from pycocotools.coco import COCO

    empty = COCO()
    empty.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
    empty.createIndex()
    return empty


def _size_scores(run: COCOeval, size: int) -> dict[str, float]:
    """Persons of a size, and AP and AR over all thresholds; -1 where there is nobody."""
    precision, recall = run.eval["precision"][:, :, 0, size, 0], run.eval["recall"][:, 0, size, 0]
    there = precision > -1
    return {
        "persons": _persons(run, size),
        "AP": float(precision[there].mean()) if there.any() else -1.0,
        "AR": float(recall[recall > -1].mean()) if (recall > -1).any() else -1.0,
    }


def _of_size(run: COCOeval, size: int) -> list[Outcome]:
    """pycocotools' outcome for each picture that has someone, annotated or found."""
    pictures = len(run.params.imgIds)
    return [each for each in run.evalImgs[size * pictures : (size + 1) * pictures] if each is not None]


def _persons(run: COCOeval, size: int) -> int:
    return int(sum((np.asarray(each["gtIgnore"]) == 0).sum() for each in _of_size(run, size)))


def _matches(run: COCOeval, truth: COCO, found: COCO) -> list[Match]:
    """For every annotated person: (annotation, offsets (n, 2) of its joints that were found, their numbers)."""
    threshold = int(np.argmin(np.abs(np.asarray(run.params.iouThrs) - _MATCH)))
    rows = []
    for outcome in _of_size(run, 0):
        for person, ignored, match in zip(outcome["gtIds"], outcome["gtIgnore"], outcome["gtMatches"][threshold]):
            if ignored:
                continue
            annotation = truth.anns[person]
            if not match:
                rows.append((annotation, np.zeros((0, 2)), np.zeros(0, int)))
                continue
            wanted = np.asarray(annotation["keypoints"], float).reshape(-1, 3)
            given = np.asarray(found.anns[int(match)]["keypoints"], float).reshape(-1, 3)
            both = np.flatnonzero((wanted[:, 2] > 0) & (given[:, 2] > 0))
            rows.append((annotation, given[both, :2] - wanted[both, :2], both))
    return rows


def _joint_score(number: int, run: COCOeval, matches: Sequence[Match]) -> JointScore:
    tolerance = 2 * float(run.params.kpt_oks_sigmas[number])
    annotated, offsets, spread = 0, [], []
    for annotation, offset, joints in matches:
        annotated += annotation["keypoints"][3 * number + 2] > 0
        for each in offset[joints == number]:
            offsets.append(each)
            spread.append(2 * annotation["area"] * tolerance**2)
    moved = np.asarray(offsets).reshape(-1, 2)
    square = (moved**2).sum(axis=1)
    close = int((np.exp(-square / np.maximum(spread, 1e-9)) >= _MATCH).sum()) if len(moved) else 0
    error = round(float(np.median(np.sqrt(square))), _DECIMALS) if len(moved) else 0.0
    dx, dy = _median_offset(moved)
    return JointScore(COCO_KEYPOINT_NAMES[number], annotated, len(moved), close, error, dx, dy)


def _median_offset(offsets: NDArray[np.float64]) -> tuple[float, float]:
    if not len(offsets):
        return 0.0, 0.0
    x, y = np.median(offsets, axis=0)
    return round(float(x), _DECIMALS), round(float(y), _DECIMALS)
