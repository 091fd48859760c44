"""The whole decoder on drawn people, on hostile maps and on real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.pose import DecodeSettings, decode_poses
from src.pose.grid import Fit
from src.pose.skeleton import JOINT_COUNT, LIMBS, JointType
from tests.pose.drawing import draw_maps, standing_person

J = JointType
LOCATION_PX = 1.0


def assert_same_people(poses: np.ndarray, people: list[np.ndarray], tolerance_px: float = LOCATION_PX) -> None:
    """Each drawn person is found once, with exactly the joints drawn, all near where they were drawn."""
    assert len(poses) == len(people)
    left = list(range(len(people)))
    for pose in poses:
        distances = [np.abs(pose[:, :2] - people[i][:, :2]).max() for i in left]
        best = int(np.argmin(distances))
        assert distances[best] <= tolerance_px
        assert (pose[:, 2] > 0).tolist() == (people[left[best]][:, 2] > 0).tolist()
        left.pop(best)


def assert_well_formed(poses: np.ndarray, scores: np.ndarray) -> None:
    assert poses.dtype == scores.dtype == np.float32
    assert poses.shape == (len(scores), JOINT_COUNT, 3)
    assert np.isfinite(poses).all()
    assert np.isfinite(scores).all()
    assert (np.diff(scores) <= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert ((poses[..., 2] >= 0) & (poses[..., 2] <= 1)).all()
    assert (poses[poses[..., 2] == 0] == 0).all()


def lying(person: np.ndarray, x: float, y: float) -> np.ndarray:
    """The person turned by 90 degrees about (x, y)."""
    turned = person.copy()
    turned[:, 0], turned[:, 1] = x - (person[:, 1] - y), y + (person[:, 0] - x)
    turned[person[:, 2] == 0] = 0
    return turned


@settings(max_examples=40, deadline=None)
@given(st.floats(60, 300), st.floats(5, 60), st.floats(150, 290))
def test_round_trip_of_one_person(x: float, y: float, height: float) -> None:
    people = [standing_person(x, y, height)]
    poses, scores = decode_poses(*draw_maps(people))
    assert_well_formed(poses, scores)
    assert_same_people(poses, people)


def test_round_trip_of_thirty_people() -> None:
    people = [standing_person(40 + 60 * (i % 10), 4 + 122 * (i // 10), 112) for i in range(30)]
    poses, scores = decode_poses(*draw_maps(people, 656, 376))
    assert_well_formed(poses, scores)
    assert_same_people(poses, people, 2.5)


@pytest.mark.parametrize("gap", [60, 80, 120])
def test_side_by_side(gap: float) -> None:
    people = [standing_person(110, 30, 280), standing_person(110 + gap, 45, 280)]
    poses, _ = decode_poses(*draw_maps(people))
    assert_same_people(poses, people, 2.5)


def test_crossing_people_are_kept_apart() -> None:
    upright = standing_person(180, 20, 320)
    across = lying(standing_person(190, 20, 320), 190, 170)
    poses, _ = decode_poses(*draw_maps([upright, across]))
    assert_same_people(poses, [upright, across], 4)


def test_people_of_whom_each_hides_part_of_the_other() -> None:
    front = standing_person(150, 30, 300)
    behind = standing_person(215, 20, 290, missing=(J.RightElbow, J.RightHand, J.RightKnee, J.RightFoot))
    poses, _ = decode_poses(*draw_maps([front, behind]))
    assert_same_people(poses, [front, behind], 2.5)


def test_two_partial_persons_merge_over_the_limb_that_joins_them() -> None:
    """The torso's limb is the weakest, so upper and lower body are whole fragments before it is looked at."""
    person = standing_person(180, 20, 320)
    heatmaps, pafs = draw_maps([person])
    for limb in (LIMBS.index((J.Neck, J.RightWaist)), LIMBS.index((J.Neck, J.LeftWaist))):
        pafs[2 * limb : 2 * limb + 2] *= 0.3
    poses, _ = decode_poses(heatmaps, pafs)
    assert_same_people(poses, [person])


def test_without_torso_fields_a_person_with_a_neck_stays_in_parts() -> None:
    """The neck was found and no field leads from it to the hips: evidence that the legs are someone else's."""
    heatmaps, pafs = draw_maps([standing_person(180, 20, 320)])
    for limb in (LIMBS.index((J.Neck, J.RightWaist)), LIMBS.index((J.Neck, J.LeftWaist))):
        pafs[2 * limb : 2 * limb + 2] = 0
    poses, _ = decode_poses(heatmaps, pafs)
    assert len(poses) == 2
    assert sorted((pose[J.Neck, 2] > 0) for pose in poses) == [False, True]


@pytest.mark.parametrize("fields_remain", [True, False])
def test_no_neck(fields_remain: bool) -> None:
    whole = [standing_person(90, 30, 280), standing_person(260, 40, 280)]
    hidden = [standing_person(90, 30, 280, missing=(J.Neck,)), standing_person(260, 40, 280, missing=(J.Neck,))]
    heatmaps, pafs = draw_maps(whole if fields_remain else hidden)
    heatmaps[J.Neck] = 0
    poses, _ = decode_poses(heatmaps, pafs)
    assert_same_people(poses, hidden)


def test_no_neck_and_no_head() -> None:
    head = (J.Neck, J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
    people = [standing_person(90, 30, 280, missing=head), standing_person(260, 40, 280, missing=head)]
    poses, _ = decode_poses(*draw_maps(people))
    assert_same_people(poses, people)


def test_parts_of_neckless_people_of_unlike_size_stay_apart() -> None:
    head = (J.Neck, J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
    legs = (J.RightWaist, J.RightKnee, J.RightFoot, J.LeftWaist, J.LeftKnee, J.LeftFoot)
    arms = (J.RightShoulder, J.RightElbow, J.RightHand, J.LeftShoulder, J.LeftElbow, J.LeftHand)
    people = [standing_person(180, -10, 380, missing=head + legs), standing_person(180, 160, 130, missing=head + arms)]
    poses, _ = decode_poses(*draw_maps(people))
    assert_same_people(poses, people, 2.5)


def test_shoulder_to_ear_alone_is_no_person() -> None:
    """The two confirming limbs join what others found; they hold too few joints to be a person of their own."""
    drawn = {J.RightShoulder, J.RightEar}
    person = standing_person(180, 20, 320, missing=tuple(joint for joint in J if joint not in drawn))
    poses, _ = decode_poses(*draw_maps([person]))
    assert len(poses) == 0


def test_confidence_is_the_height_of_the_heatmap() -> None:
    heatmaps, pafs = draw_maps([standing_person(180, 20, 320)])
    heatmaps[J.LeftHand] *= 0.3
    poses, _ = decode_poses(heatmaps, pafs)
    assert poses[0, J.LeftHand, 2] == pytest.approx(0.3, abs=0.02)
    assert poses[0, J.RightHand, 2] == pytest.approx(1.0, abs=0.02)


def test_surer_and_larger_people_score_higher() -> None:
    large, small = standing_person(100, 10, 330), standing_person(280, 10, 110)
    poses, scores = decode_poses(*draw_maps([small, large]))
    assert np.abs(poses[0, :, :2] - large[:, :2]).max() < 2
    assert scores[0] > scores[1] > 0
    faint_heatmaps, faint_pafs = draw_maps([large])
    assert decode_poses(faint_heatmaps * 0.5, faint_pafs)[1][0] < scores[0]


def test_maps_that_were_clipped_have_flat_tops_and_the_same_people() -> None:
    people = [standing_person(100, 20, 300), standing_person(260, 30, 310)]
    heatmaps, pafs = draw_maps(people)
    poses, _ = decode_poses(np.minimum(heatmaps, 0.4), pafs)
    assert_same_people(poses, people, 8)


def test_maps_in_256_steps_hold_the_same_people() -> None:
    people = [standing_person(100, 20, 300), standing_person(260, 30, 310)]
    heatmaps, pafs = draw_maps(people)
    poses, _ = decode_poses(np.round(heatmaps * 127) / 127, np.round(pafs * 127) / 127)
    assert_same_people(poses, people, 1.5)


@pytest.mark.parametrize(("height", "width"), [(46, 46), (1, 1), (1, 50), (2, 3)])
def test_empty_maps(height: int, width: int) -> None:
    poses, scores = decode_poses(np.zeros((19, height, width)), np.zeros((38, height, width)))
    assert_well_formed(poses, scores)
    assert len(poses) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_type_gives_the_same_people(dtype: type) -> None:
    people = [standing_person(180, 20, 300)]
    heatmaps, pafs = draw_maps(people)
    poses, scores = decode_poses(heatmaps.astype(dtype), pafs.astype(dtype))
    assert_well_formed(poses, scores)
    assert_same_people(poses, people)


def test_views_that_are_not_contiguous_are_read_rightly() -> None:
    people = [standing_person(180, 20, 300)]
    heatmaps, pafs = draw_maps(people)
    rows_last = [np.ascontiguousarray(m.transpose(1, 2, 0)).transpose(2, 0, 1) for m in (heatmaps, pafs)]
    assert_same_people(decode_poses(*rows_last)[0], people)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_broken_values_count_as_nothing(bad: float) -> None:
    people = [standing_person(180, 20, 300)]
    heatmaps, pafs = draw_maps(people)
    heatmaps[:, :2, :2] = bad
    pafs[:, :2, :2] = bad
    poses, scores = decode_poses(heatmaps, pafs)
    assert_well_formed(poses, scores)
    assert any(np.abs(pose[:, :2] - people[0][:, :2]).max() < LOCATION_PX for pose in poses)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_maps_of_broken_values_hold_nobody(bad: float) -> None:
    poses, scores = decode_poses(np.full((19, 46, 46), bad), np.full((38, 46, 46), bad))
    assert_well_formed(poses, scores)
    assert len(poses) == 0


@pytest.mark.parametrize("seed", range(3))
def test_noise_of_an_untrained_network_is_survived(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heatmaps = rng.random((19, 46, 70))
    assert_well_formed(*decode_poses(heatmaps, rng.uniform(-1, 1, (38, 46, 70))))


@pytest.mark.parametrize(
    ("heatmaps", "pafs"),
    [
        ((18, 46, 46), (38, 46, 46)),
        ((19, 46, 46), (19, 46, 46)),
        ((19, 46, 46), (38, 46, 47)),
        ((46, 46, 19), (46, 46, 38)),
        ((1, 19, 46, 46), (1, 38, 46, 46)),
        ((19, 0, 46), (38, 0, 46)),
        ((19, 46), (38, 46)),
    ],
)
def test_wrong_shapes_are_value_errors(heatmaps: tuple[int, ...], pafs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"heatmaps|pafs"):
        decode_poses(np.zeros(heatmaps), np.zeros(pafs))


def test_stride_scales_the_result() -> None:
    heatmaps, pafs = draw_maps([standing_person(180, 20, 300)])
    eight, _ = decode_poses(heatmaps, pafs)
    four, _ = decode_poses(heatmaps, pafs, stride=4)
    assert four[..., :2] * 2 + 0.5 == pytest.approx(eight[..., :2], abs=1e-3)


def test_padding_never_yields_keypoints() -> None:
    on_picture, on_padding = standing_person(90, 20, 300), standing_person(290, 20, 300)
    fit = Fit(width_px=400, height_px=736, scaled_width=200, scaled_height=368, input_width=368, input_height=368)
    poses, _ = decode_poses(*draw_maps([on_picture, on_padding]), fit=fit)
    assert_same_people(poses, [on_picture])
    across, _ = decode_poses(*draw_maps([standing_person(199, 20, 300)]), fit=fit)
    found = across[across[..., 2] > 0]
    assert len(found) > 3
    assert fit.contains(found[:, :2]).all()


def test_settings_are_obeyed() -> None:
    heatmaps, pafs = draw_maps([standing_person(180, 20, 300)])
    assert len(decode_poses(heatmaps * 0.2, pafs, settings=DecodeSettings(weak_threshold=0.3))[0]) == 0
    assert len(decode_poses(heatmaps, pafs, settings=DecodeSettings(min_joints=19))[0]) == 0
    assert len(decode_poses(heatmaps, pafs, settings=DecodeSettings(min_mean_score=2.5))[0]) == 0
    assert len(decode_poses(heatmaps, pafs, settings=DecodeSettings(min_score=0.99))[0]) == 0


def test_an_arm_of_faint_joints_is_no_person() -> None:
    arm = {J.RightShoulder, J.RightElbow, J.RightHand}
    heatmaps, pafs = draw_maps([standing_person(180, 20, 200, missing=tuple(joint for joint in J if joint not in arm))])
    assert len(decode_poses(heatmaps, pafs)[0]) == 1
    assert len(decode_poses(heatmaps * 0.08, pafs)[0]) == 0
