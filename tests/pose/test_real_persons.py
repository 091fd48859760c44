"""The whole decoder on real people and their maps, on crowds, and on parts of people beside others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.pose import decode_poses
from src.pose.encode import encode_keypoints
from src.pose.skeleton import BACKGROUND_CHANNEL, JointType
from tests.pose.accuracy import golden_ap, our_decoder, reference_decoder
from tests.pose.drawing import draw_maps, standing_person
from tests.pose.test_persons import assert_same_people

J = JointType
LOCATION_PX = 1.0


def without_neck(person: dict[str, Any], size_px: float) -> tuple[np.ndarray, tuple[int, int]] | None:
    """An annotated person, its longer side `size_px`, in an input that fits; None unless a shoulder is hidden."""
    joints = np.array(person["joints"], np.float64)
    if joints[[J.RightShoulder, J.LeftShoulder], 2].all():
        return None
    joints[J.Neck] = 0
    found = joints[:, 2] > 0
    if found.sum() < 4:
        return None
    low, high = joints[found, :2].min(axis=0), joints[found, :2].max(axis=0)
    scale = size_px / (high - low).max()
    joints[:, :2] = np.where(found[:, None], (joints[:, :2] - low) * scale + 30, 0)
    width, height = (int(-(-side // 8) * 8) for side in (high - low) * scale + 60)
    return joints, (width, height)


@pytest.mark.parametrize("size_px", [120, 300])
def test_real_people_without_a_neck_are_put_together(shared: Path, size_px: float) -> None:
    people = json.loads((shared / "people/lsp_extended/persons.json").read_text(encoding="utf-8"))
    wanted = rebuilt = count = 0
    for person in people[::2]:
        fitted = without_neck(person, size_px) if person["part"] == "dev" else None
        if fitted is None:
            continue
        joints, size = fitted
        poses, _ = decode_poses(*encode_keypoints(joints[None].astype(np.float32), size))
        near = np.hypot(*np.moveaxis(poses[..., :2] - joints[:, :2], -1, 0)) < 12
        wanted += int((joints[:, 2] > 0).sum())
        rebuilt += int((near & (poses[..., 2] > 0) & (joints[:, 2] > 0)).sum(axis=1).max(initial=0))
        count += 1
    assert count > 150
    assert rebuilt >= 0.9 * wanted


@pytest.mark.parametrize("count", [100, 150])
def test_crowds_are_found_whole(count: int) -> None:
    rows, width, height = 5, 1312, 736
    columns = count // rows
    step, tall = width / columns, height / rows
    people = [standing_person(step * (i % columns + 0.5), tall * (i // columns) + 4, 0.9 * tall) for i in range(count)]
    poses, _ = decode_poses(*encode_keypoints(np.array(people, np.float32), (width, height)))
    near = np.hypot(*np.moveaxis(poses[:, None, :, :2] - np.array(people)[None, :, :, :2], -1, 0)) < 8
    assert (near & (poses[:, None, :, 2] > 0)).any(axis=0).mean() >= 0.98
    assert len(poses) == count


def test_a_forearm_beside_somebody_whole_stays_apart() -> None:
    arm = {J.RightElbow, J.RightHand, J.RightShoulder}
    whole = standing_person(120, 20, 300)
    lonely = standing_person(180, 20, 300, missing=tuple(joint for joint in J if joint not in arm))
    poses, _ = decode_poses(*draw_maps([whole, lonely]))
    assert sorted((pose[:, 2] > 0).sum() for pose in poses) == [3, 18]


def test_a_forearm_joins_only_a_body_that_it_can_belong_to() -> None:
    forearm = {J.RightElbow, J.RightHand}
    body = standing_person(120, 20, 200, missing=(J.RightShoulder, J.RightElbow, J.RightHand))
    for x, y, height, joins in ((120, 20, 200, True), (300, 20, 200, False), (120, -150, 800, False)):
        piece = standing_person(x, y, height, missing=tuple(joint for joint in J if joint not in forearm))
        poses, _ = decode_poses(*draw_maps([body, piece]))
        assert (poses[0, J.RightHand, 2] > 0) == joins, (x, y, height)


REFERENCE_AP, REFERENCE_AP50 = 0.2323, 0.6911


def test_accuracy_on_real_maps_is_no_worse_than_the_reference_decoder(shared: Path) -> None:
    pytest.importorskip("pycocotools.coco")
    assert golden_ap(shared, reference_decoder(shared)) == pytest.approx((REFERENCE_AP, REFERENCE_AP50), abs=1e-3)
    ap, ap50 = golden_ap(shared, our_decoder)
    assert ap >= REFERENCE_AP
    assert ap50 >= REFERENCE_AP50


def test_the_background_channel_is_not_a_joint() -> None:
    heatmaps, pafs = draw_maps([standing_person(180, 20, 300)])
    expected, _ = decode_poses(heatmaps, pafs)
    heatmaps[BACKGROUND_CHANNEL] = np.random.default_rng(0).random(heatmaps[0].shape)
    assert (decode_poses(heatmaps, pafs)[0] == expected).all()


@settings(max_examples=15, deadline=None)
@given(st.floats(80, 280), st.floats(5, 50), st.floats(180, 290))
def test_what_the_training_encoder_draws_is_read_back(x: float, y: float, height: float) -> None:
    people = [standing_person(x, y, height)]
    poses, _ = decode_poses(*encode_keypoints(np.array(people, np.float32), (368, 368)))
    assert_same_people(poses, people)
