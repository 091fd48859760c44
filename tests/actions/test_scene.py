"""Scenes: lines declared for pictures, what criteria measure on them, and that without one nothing is claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.actions import judge_person, load_actions
from src.actions.measures.scene import Scene, distance_to, height_over, load_scenes, side_of
from src.errors import ConfigError
from src.infer.options import InferenceOptions
from src.infer.picture import infer_one_pic
from src.model_utils.config import parse_config
from src.pose.skeleton import JointType
from tests.actions.figure import figure, mirrored, scaled
from tests.infer.fakes import FakeNetwork

J = JointType
LINE = ((100.0, 400.0), (500.0, 400.0), (900.0, 200.0))
#: The upright figure's waist is at y = 400, its hands at 412, its feet at 570.
FENCE = Scene(fence=((0.0, 420.0), (1000.0, 420.0)), ground=((0.0, 560.0), (1000.0, 560.0)))
CRITERIA = ["hand_near_fence", "waist_over_fence", "feet_on_either_side_of_fence", "foot_over_ground"]


def action_of(criteria: Any, occurs_when: Any = "all") -> Any:
    return load_actions({"act": {"criteria": criteria, "occurs_when": occurs_when}})["act"]


def write(folder: Path, text: str) -> Path:
    path = folder / "scene.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_geometry_of_a_bent_line() -> None:
    assert height_over(LINE, (300, 350)) == 50
    assert height_over(LINE, (700, 350)) == pytest.approx(-50)
    assert height_over(LINE, (50, 350)) is None, "the line does not reach there"
    assert distance_to(LINE, (300, 350)) == 50
    assert distance_to(LINE, (70, 360)) == 50, "the nearest point is its end"
    assert side_of(LINE, (300, 350)) == -side_of(LINE, (300, 450))
    assert side_of(LINE, (800, 100)) * side_of(LINE, (300, 350)) > 0


def test_criteria_measure_on_the_lines_and_say_so() -> None:
    over = {J.LeftFoot: (20, 100)}
    judgement = judge_person(figure(over), action_of(CRITERIA), FENCE)
    assert judgement.occurred is True
    texts = [result.text for result in judgement.criteria.values()]
    assert texts[0].startswith("right hand 8 px (0.08 torso) from the line; needs: less than 0.3 torso")
    assert texts[1].startswith("middle of the waist 20 px (0.20 torso) above the line; needs: above")
    assert texts[2].startswith("a foot on either side, the nearer one 20 px (0.20 torso) from the line")
    assert texts[3].startswith("left foot 160 px (1.60 torso) above the line; needs: at least 0.3 torso above")
    standing = judge_person(figure(), action_of(CRITERIA), FENCE)
    assert [result.verdict for result in standing.criteria.values()] == [1, 1, 0, 0]
    assert "both feet on one side" in standing.criteria["feet_on_either_side_of_fence"].text


@pytest.mark.parametrize("scene", [None, Scene(), Scene(ground=FENCE.ground)])
def test_without_a_fence_it_is_not_known(scene: Scene | None) -> None:
    judgement = judge_person(figure(), action_of(CRITERIA[:3]), scene)
    assert judgement.occurred is None
    assert {result.text for result in judgement.criteria.values()} == {
        "cannot be judged: no scene is declared here",
    }


def test_a_card_may_use_the_scene_or_require_it() -> None:
    up = {"criterion": "hand_over_waist", "bounds": [0.2], "points": [0, 2]}
    on_fence = {"criterion": "hand_near_fence", "sides": "smallest", "bounds": [0.3], "points": [2, -2]}
    raised = {J.LeftHand: (45, 60), J.RightHand: (-45, 60)}
    uses = action_of({"up": up, "on_fence": on_fence}, {"points_at_least": 2, "evidence": 0.3})
    assert judge_person(figure(raised), uses).occurred is True
    assert judge_person(figure(raised), uses, FENCE).occurred is False
    requires = action_of(
        {"up": up, "waist_over_fence": None}, {"all": [{"points_at_least": 2, "of": ["up"]}, "waist_over_fence"]}
    )
    assert judge_person(figure(raised), requires).occurred is None
    assert judge_person(figure(raised), requires, FENCE).occurred is True


def test_mirrored_and_scaled_pictures_with_their_lines_are_judged_alike() -> None:
    keypoints = figure({J.LeftFoot: (20, 100), J.RightHand: (-120, 60)})
    fence = ((100.0, 430.0), (800.0, 390.0))
    flipped = tuple((1000 - x, y) for x, y in fence)
    larger = tuple((2 * x + 13, 2 * y - 7) for x, y in fence)
    verdicts, values = [], []
    for person, line in ((keypoints, fence), (mirrored(keypoints), flipped), (scaled(keypoints, 2), larger)):
        found = judge_person(person, action_of(CRITERIA[:3]), Scene(fence=line)).criteria.values()
        verdicts.append([result.verdict for result in found])
        values.append([result.measured for result in found])
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert values[1] == pytest.approx(values[0])
    assert values[2] == pytest.approx(values[0])


def test_the_first_matching_pattern_counts_and_shares_become_pixels(tmp_path: Path) -> None:
    gate, other = "{pictures: gate/*, fence: [[0.1, 0.6], [0.9, 0.5]]}", "{pictures: '*', ground: [[0, 1], [1, 1]]}"
    text = f"scenes:\n  - {gate}\n  - {other}"
    scenes = load_scenes(write(tmp_path, text))
    assert scenes.of("gate/1.jpg", 1000, 500) == Scene(fence=((100.0, 300.0), (900.0, 250.0)))
    assert scenes.of("yard/1.jpg", 1000, 500) == Scene(ground=((0.0, 500.0), (1000.0, 500.0)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes: {}", "scenes"),
        ("scenes: [{fence: [[0, 0], [1, 1]]}]", "pictures must be a pattern"),
        ("scenes: [{pictures: '*'}]", "scene 1: declares neither fence nor ground"),
        ("scenes: [{pictures: '*', fense: [[0, 0], [1, 1]]}]", "did you mean 'fence'"),
        ("scenes: [{pictures: '*', fence: [[0, 0]]}]", "two or more points"),
        ("scenes: [{pictures: '*', fence: [[0, 0], [200, 1]]}]", "outside 0 to 1"),
        ("scenes: [{pictures: '*', fence: [[0, 0], [0, 0]]}]", "all points are the same"),
        ("fence: 1", "scenes"),
    ],
)
def test_scenes_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=r"scene\.yaml") as refused:
        parse_config([f"--scene_file={path}"], "test")
    assert words in str(refused.value)


def test_inference_knows_the_scene_of_each_picture(tmp_path: Path) -> None:
    scenes = load_scenes(write(tmp_path, 'scenes: [{pictures: "a*", fence: [[0, 0.9], [1, 0.9]]}]'))
    action = action_of(["waist_over_fence"])
    verdicts = {}
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((96, 96, 3), 90, np.uint8))
        result = infer_one_pic(
            FakeNetwork(),
            str(tmp_path),
            name,
            str(tmp_path / "out"),
            action=action,
            options=InferenceOptions(scenes=scenes),
        )
        verdicts[name] = [person.judgement.criteria["waist_over_fence"].verdict for person in result.persons]
    assert set(verdicts["a.png"]) <= {0, 1}
    assert verdicts["a.png"]
    assert set(verdicts["b.png"]) == {-1}
