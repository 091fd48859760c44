"""AP and PCK of found people, against COCO's own evaluation and against figures worked out by hand."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER
from src.pose.skeleton import JointType as J
from src.train.validation.scores import (
    PictureScore,
    average_precision,
    close_joints,
    match,
    score_picture,
    similarities,
    torso,
)

NONE = np.zeros(0, bool)


def person(rng: np.random.Generator, size: float = 100.0) -> np.ndarray:
    """(18, 3) joints anywhere in a square of that size, all labelled."""
    place = rng.uniform(0, 400, 2)
    return np.column_stack([place + rng.uniform(0, size, (18, 2)), np.full(18, 2.0)])


def coco_ap(pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results, number = COCO(), [], 0
    annotations = []
    for image, (found, scores, annotated, areas) in enumerate(pictures, start=1):
        for joints, area in zip(annotated, areas):
            number += 1
            keypoints = joints[list(COCO_ORDER)]
            annotations.append(
                {
                    "id": number,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": 0,
                    "area": float(area),
                    "bbox": [0, 0, 1, 1],
                    "keypoints": keypoints.ravel().tolist(),
                    "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                }
            )
        for joints, score in zip(found, scores):
            keypoints = joints[list(COCO_ORDER)].ravel().tolist()
            results.append({"image_id": image, "category_id": 1, "keypoints": keypoints, "score": float(score)})
    truth.dataset = {
        "images": [{"id": image} for image in range(1, len(pictures) + 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINT_NAMES)}],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "keypoints")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, 0, 0, 0]
    return float(precision[precision > -1].mean())


def test_ap_is_that_of_coco() -> None:
    rng = np.random.default_rng(5)
    pictures, scored = [], []
    for _ in range(30):
        annotated = np.array([person(rng) for _ in range(rng.integers(1, 4))])
        annotated[rng.random(annotated.shape[:2]) < 0.2, 2] = 0
        areas = rng.uniform(3000, 9000, len(annotated))
        found = annotated[rng.random(len(annotated)) < 0.8].copy()
        found[..., :2] += rng.normal(0, 1, found[..., :2].shape) * rng.choice([0.5, 2, 6], (len(found), 1, 1))
        found = np.array([*found, *(person(rng) for _ in range(rng.integers(0, 2)))]).reshape(-1, 18, 3)
        found[..., 2] = 1.0
        scores = rng.random(len(found))
        pictures.append((found, scores, annotated, areas))
        scored.append(score_picture(found, scores, annotated, areas, np.zeros(len(found), bool)))
    ap = average_precision(scored)
    assert 0.2 < ap < 0.8
    assert ap == pytest.approx(coco_ap(pictures), abs=1e-6)


def test_a_perfect_find_scores_one_and_nobody_found_zero() -> None:
    annotated = np.array([person(np.random.default_rng(1))])
    perfect = score_picture(annotated, np.ones(1), annotated, np.array([5000.0]), np.zeros(1, bool))
    assert average_precision([perfect]) == pytest.approx(1)
    assert (perfect.joints, perfect.close) == (17, 17)
    nobody = score_picture(np.zeros((0, 18, 3)), np.zeros(0), annotated, np.array([5000.0]), NONE)
    assert average_precision([nobody]) == 0
    assert (nobody.joints, nobody.close) == (17, 0)
    assert average_precision([PictureScore(0, 0, 0, np.zeros(0), NONE, np.zeros((0, 10), bool))]) == -1


def test_a_find_where_nothing_is_known_is_neither_right_nor_wrong() -> None:
    rng = np.random.default_rng(2)
    annotated, stranger = np.array([person(rng)]), person(rng)
    found, scores = np.array([annotated[0], stranger]), np.array([0.5, 0.9])
    for unknown, expected in ((False, 0.5), (True, 1.0)):
        flags = np.array([False, unknown])
        scored = score_picture(found, scores, annotated, np.array([5000.0]), flags)
        assert average_precision([scored]) == pytest.approx(expected, abs=0.01)


def test_a_joint_that_was_not_found_does_not_count_as_close() -> None:
    annotated = np.array([person(np.random.default_rng(3))])
    found = annotated.copy()
    found[0, J.LeftHand] = 0
    assert similarities(found, annotated, np.array([5000.0]))[0, 0] == pytest.approx(16 / 17)
    assert close_joints(found, annotated) == (17, 16)


def test_close_is_within_a_fifth_of_the_torso() -> None:
    joints = np.column_stack([np.zeros((18, 2)), np.full(18, 2.0)])
    joints[[J.RightWaist, J.LeftWaist], 1] = 100
    joints[J.RightShoulder, 1] = 20
    assert torso(joints) == 100
    for distance, close in ((19.9, 17), (20.1, 0)):
        found = joints.copy()
        found[:, 0] += distance
        assert close_joints(found[None], joints[None]) == (17, close)
    joints[J.LeftShoulder, 2] = 0
    assert torso(joints) == 80
    joints[J.LeftWaist, 2] = 0
    assert torso(joints) == 0
    assert close_joints(joints[None], joints[None]) == (0, 0)


def test_each_annotated_person_is_matched_once() -> None:
    similarity = np.array([[0.9, 0.6], [0.8, 0.7], [0.75, 0.2]])
    at_half, at_three_quarters = match(similarity)[:, 0], match(similarity)[:, 5]
    assert at_half.tolist() == [True, True, False]
    assert at_three_quarters.tolist() == [True, False, False]
