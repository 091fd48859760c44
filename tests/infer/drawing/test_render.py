"""Rendering: skeletons where they belong, and labels one can read, inside the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from src.infer.drawing import fonts
from src.infer.drawing.fonts import SHIPPED_FONT, drawable, font_path, text_coverage
from src.infer.drawing.label_placement import Box, place_label
from src.infer.drawing.render import draw_person_pose, head_position
from src.pose.skeleton import JOINT_COUNT, JointType
from tests.pose.drawing import standing_person

J = JointType
LABEL = "翻越护栏 climbing over a fence"


def grey(width: int = 640, height: int = 480) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=2)


def test_the_original_is_left_alone_and_the_copy_has_its_shape() -> None:
    picture = grey()
    drawn = draw_person_pose(picture, [standing_person(300, 60, 380)], [True], [(300, 90)], label=LABEL)
    assert (picture == 128).all()
    assert drawn.shape == picture.shape
    assert drawn.dtype == np.uint8
    assert changed(picture, drawn).any()


@pytest.mark.parametrize("poses", [[], np.zeros((0, 18, 3), np.float32)])
def test_nobody(poses: object) -> None:
    assert (draw_person_pose(grey(), poses, [], []) == grey()).all()


def test_a_person_none_of_whose_joints_was_found_is_not_drawn() -> None:
    assert (draw_person_pose(grey(), np.zeros((1, 18, 3)), [True], [None], label=LABEL) == grey()).all()


def test_joints_and_limbs_lie_where_the_pose_says() -> None:
    person = standing_person(300, 60, 380)
    drawn = draw_person_pose(grey(), [person], [False], [None])
    for joint in J:
        x, y = np.rint(person[joint, :2]).astype(int)
        assert tuple(drawn[y, x]) != (128, 128, 128), joint.name
    middle = np.rint((person[J.LeftKnee, :2] + person[J.LeftFoot, :2]) / 2).astype(int)
    assert tuple(drawn[middle[1], middle[0]]) != (128, 128, 128)


def test_missing_joints_and_their_limbs_are_not_drawn() -> None:
    person = standing_person(300, 60, 380, missing=(J.LeftKnee, J.LeftFoot))
    drawn = draw_person_pose(grey(), [person], [False], [None])
    assert not changed(grey(), drawn)[:40, :40].any()  # a missing joint is (0, 0)
    whole = standing_person(300, 60, 380)
    x, y = np.rint((whole[J.LeftKnee, :2] + whole[J.LeftFoot, :2]) / 2).astype(int)
    assert tuple(drawn[y, x]) == (128, 128, 128)


def test_left_and_right_are_drawn_in_different_colours() -> None:
    person = standing_person(300, 60, 380)
    drawn = draw_person_pose(grey(), [person], [False], [None])
    blue, red = 0, 2
    for right, left in ((J.RightHand, J.LeftHand), (J.RightFoot, J.LeftFoot)):
        x, y = np.rint(person[right, :2]).astype(int)
        assert drawn[y, x, red] > drawn[y, x, blue]
        x, y = np.rint(person[left, :2]).astype(int)
        assert drawn[y, x, blue] > drawn[y, x, red]


def test_lines_grow_with_the_person() -> None:
    def line_share(height: float) -> float:
        empty = grey(2000, 2000)
        drawn = draw_person_pose(empty, [standing_person(1000, 50, height)], [False], [None])
        return changed(empty, drawn).sum() / height

    assert line_share(1800) > 1.5 * line_share(450)


def test_only_those_in_whom_the_action_occurs_are_labelled() -> None:
    people = [standing_person(150, 120, 340), standing_person(650, 120, 340)]
    heads = [head_position(person) for person in people]
    without = draw_person_pose(grey(900), people, [False, False], heads, label=LABEL)
    with_label = draw_person_pose(grey(900), people, [False, True], heads, label=LABEL)
    rows, columns = np.nonzero(changed(without, with_label))
    assert len(rows) > 500
    assert columns.min() > 400
    assert rows.max() < people[1][J.Nose, 1]


def test_without_a_head_in_the_list_the_pose_tells_where() -> None:
    person = standing_person(300, 120, 340)
    given_head = draw_person_pose(grey(), [person], [True], [head_position(person)], label=LABEL)
    assert (draw_person_pose(grey(), [person], [True], [None], label=LABEL) == given_head).all()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([J.Nose, J.LeftEye, J.LeftHand], J.Nose),
        ([J.LeftEye, J.Neck], J.LeftEye),
        ([J.RightEar, J.Neck, J.LeftHand], J.RightEar),
        ([J.Neck, J.RightShoulder], J.Neck),
        ([J.LeftShoulder, J.RightHand], J.LeftShoulder),
        ([J.RightHand, J.LeftHand, J.LeftFoot], J.RightHand),
        ([J.LeftHand, J.RightElbow], J.LeftHand),
        ([J.RightElbow, J.RightKnee], J.RightElbow),
        ([J.LeftFoot], J.LeftFoot),
    ],
)
def test_head_position_takes_the_first_that_was_found(found: list[JointType], expected: JointType) -> None:
    person = standing_person(300, 60, 380, missing=tuple(joint for joint in J if joint not in found))
    assert head_position(person) == pytest.approx(tuple(person[expected, :2]), abs=0.6)
    assert head_position(person.ravel().tolist()) == head_position(person)


def test_head_position_between_both_eyes_and_nowhere() -> None:
    eyes = standing_person(300, 60, 380, missing=tuple(joint for joint in J if joint not in (J.LeftEye, J.RightEye)))
    assert head_position(eyes) == (300, round(60 + 0.06 * 380))
    assert head_position(np.zeros((18, 3))) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e7])
def test_impossible_coordinates_are_survived(bad: float) -> None:
    person = standing_person(300, 60, 380)
    person[J.LeftHand, :2] = bad
    drawn = draw_person_pose(grey(), [person], [True], [None], label=LABEL)
    assert changed(grey(), drawn).any()


@settings(max_examples=80, deadline=None)
@given(st.integers(60, 700), st.integers(40, 700), st.floats(-0.2, 1.2), st.floats(-0.2, 1.2), st.floats(0, 1500))
def test_a_label_is_whole_and_inside_the_picture(width: int, height: int, x: float, y: float, person_px: float) -> None:
    picture = np.full((height, width, 3), 128, np.uint8)
    taken: list[tuple[int, int, int, int]] = []
    place_label(picture, [LABEL], (x * width, y * height), person_px, taken)
    (left, top, right, bottom) = taken[0]
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    rows, columns = np.nonzero((picture != 128).any(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == taken[0]
    background = picture[top, left]
    for edge in (picture[top:bottom, left], picture[top:bottom, right - 1]):
        assert (edge == background).all(), "a letter is cut off"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 200), (200, 3), (10, 10)])
def test_pictures_too_small_for_text_are_survived(width: int, height: int) -> None:
    drawn = draw_person_pose(grey(width, height), [standing_person(1, 0, 3)], [True], [(0, 0)], label=LABEL)
    assert drawn.shape == (height, width, 3)


def test_a_label_leaves_the_face_free_and_other_labels_too() -> None:
    people = [standing_person(200 + 60 * i, 150 + 5 * i, 300) for i in range(4)]
    picture = grey(900, 600)
    taken: list[tuple[int, int, int, int]] = []
    for person in people:
        head = head_position(person)
        assert head is not None
        place_label(picture, [LABEL], head, 340, taken)
    for (left, top, right, bottom), person in zip(taken, people):
        assert not (left <= person[J.Nose, 0] < right and top <= person[J.Nose, 1] < bottom)
    for i, a in enumerate(taken):
        for b in taken[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_long_labels_are_broken_between_words_on_narrow_pictures() -> None:
    heights = []
    for width in (1200, 240):
        taken: list[tuple[int, int, int, int]] = []
        place_label(grey(width, 400), [LABEL], (width / 2, 200), 150, taken)
        heights.append((taken[0][3] - taken[0][1]) / (0.022 * max(width, 400)))
    assert heights[1] > 1.5 * heights[0]


def test_the_label_grows_with_the_picture() -> None:
    sizes = []
    for scale in (1, 4):
        taken: list[tuple[int, int, int, int]] = []
        place_label(grey(640 * scale, 480 * scale), [LABEL], (320 * scale, 200 * scale), 300.0 * scale, taken)
        sizes.append(taken[0][3] - taken[0][1])
    assert sizes[1] == pytest.approx(4 * sizes[0], rel=0.1)


def test_every_display_name_of_the_defaults_can_be_drawn_with_the_shipped_font(root: Path) -> None:
    actions = yaml.safe_load((root / "default_config.yaml").read_text(encoding="utf-8"))["actions"]
    names = [name for action in actions.values() for name in action["display"].values()]
    assert len(names) >= 4
    for name in names:
        assert font_path(name) == SHIPPED_FONT
        assert drawable(name) == name


@pytest.mark.parametrize("text", ["翻越护栏", "攀爬", "跌倒 蹲下 打架 吸烟 举手", "Überqueren é ñ", "≥ 90°, (a) 100%!"])
def test_common_words_have_glyphs(text: str) -> None:
    assert font_path(text) == SHIPPED_FONT
    assert text_coverage(text, 20).max() > 0.9


def test_different_characters_look_different() -> None:
    pictures = {character: text_coverage(character, 24).tobytes() for character in "翻越护栏攀爬跌倒"}
    assert len(set(pictures.values())) == len(pictures)


def test_words_that_no_font_has_are_left_out_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ())
    font_path.cache_clear()
    drawable.cache_clear()
    try:
        assert drawable("𠀀𠀁 climbing up") == "climbing up"
        assert drawable("攀爬 \U000f0000 up") == "攀爬 up"
        assert drawable("𠀀𠀁") == ""
        assert drawable(" \n ") == ""
        head = (320, 200)
        lost = draw_person_pose(grey(), [standing_person(320, 180, 250)], [True], [head], label="𠀀𠀁")
        plain = draw_person_pose(grey(), [standing_person(320, 180, 250)], [True], [head], label="action")
        assert (lost == plain).all()
    finally:
        font_path.cache_clear()
        drawable.cache_clear()


def test_the_shipped_font_is_small_and_its_licence_lies_beside_it() -> None:
    assert SHIPPED_FONT.stat().st_size < 1_000_000
    assert "SIL OPEN FONT LICENSE" in (SHIPPED_FONT.parent / "OFL.txt").read_text(encoding="utf-8")


def test_poses_may_be_lists() -> None:
    person = standing_person(300, 60, 380)
    from_list = draw_person_pose(grey(), [person.tolist()], [True], [None], label=LABEL)
    from_array = draw_person_pose(grey(), person.reshape(1, JOINT_COUNT, 3), [True], [None], label=LABEL)
    assert (from_list == from_array).all()


@pytest.mark.parametrize("spare", [0, 2, 6])
def test_a_shorter_name_is_written_rather_than_a_longer_one_in_two_lines(spare: int) -> None:
    width = 2 * text_coverage(LABEL, 12).shape[1] + spare  # the text alone has room, but not with its margins
    heights = []
    for texts in ([LABEL, "climbing"], ["climbing"]):
        taken: list[Box] = []
        place_label(np.zeros((254, width, 3), np.uint8), texts, (width / 2, 200), 100, taken)
        heights.append(taken[0][3] - taken[0][1])
    assert heights[0] == heights[1]
