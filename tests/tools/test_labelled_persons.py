"""evaluate_action on labels of persons: boxes, joints, labelme rectangles; matched, scored, and refused where wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.actions import load_actions
from src.actions.evaluation.labels import Box
from src.actions.evaluation.matching import match_persons
from src.pose.skeleton import JointType
from src.tools import evaluate_action, tune_action
from tests.actions.figure import figure

J = JointType
RULE = "actions: {up: {criteria: {hand_over_shoulder: 0.1, hand_over_neck: 0.1}, occurs_when: all}}"
UP = {J.RightHand: (-45, -60)}
BOX = (340.0, 230.0, 120.0, 350.0)  # around the upright figure, whose neck is at (400, 300)


def shifted(keypoints: Any, right: float) -> list[list[float]]:
    moved = np.array(keypoints)
    moved[moved[:, 2] > 0, 0] += right
    return [[float(value) for value in joint] for joint in moved]


def box_at(right: float) -> Box:
    return (BOX[0] + right, *BOX[1:])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """One picture with a hit, a miss of each kind, an alarm on a bystander and one on somebody without a label."""
    (tmp_path / "rules.yaml").write_text(RULE, encoding="utf-8")
    found = [
        shifted(figure(UP), 0),
        shifted(figure(), 200),
        shifted(figure(without=[joint for joint in J if joint not in (J.RightWaist, J.LeftWaist, J.RightKnee, J.Neck,
                J.LeftKnee, J.RightFoot)]), 400),
        shifted(figure(without=[J.RightHand, J.LeftHand]), 600),
        shifted(figure(UP), 1000),
        shifted(figure(), 1200),
        shifted(figure(UP), 1400),
    ]  # fmt: skip
    write_results(tmp_path, {"a.jpg": found, "b.jpg": []})
    labels = [(0, "up"), (200, "up"), (400, "up"), (600, "up"), (800, "up"), (1000, "none"), (1200, "neither")]
    persons = [{"box": box_at(right), "label": label} for right, label in labels]
    write_labels(tmp_path, {"a.jpg": persons, "b.jpg": [{"box": BOX, "label": "unclear"}]})
    return tmp_path


def write_results(folder: Path, persons: dict[str, list[Any]]) -> None:
    lines = [
        {"file": file, "status": "ok", "width": 1700, "height": 800, "persons": [{"keypoints": one} for one in found]}
        for file, found in persons.items()
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_labels(folder: Path, persons: dict[str, list[Any]]) -> None:
    labels = {file: {"width": 1700, "height": 800, "persons": found} for file, found in persons.items()}
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")


def evaluate(place: Path, *more: str, labels: str = "labels.json", results: bool = True) -> int:
    given = ["--target_action_type=up", f"--actions_file={place / 'rules.yaml'}", f"--labels={place / labels}"]
    given += [f"--output={place / 'out'}", *([f"--results={place}"] if results else []), *more]
    return evaluate_action.main(given)


def numbers(place: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "out/evaluation.json").read_text(encoding="utf-8"))
    return content


def test_misses_are_split_and_alarms_on_bystanders_counted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(place) == 0
    found = numbers(place)
    assert found["outcomes"]["positive"] == {"hit": 1, "not_found": 1, "bad_joints": 1, "judged_no": 1, "undecided": 1}
    assert found["outcomes"]["negative"] == {"hit": 1, "not_found": 0, "bad_joints": 0, "judged_no": 1, "undecided": 0}
    assert found["unlabelled"] == {"found": 1, "alarms": 1}
    assert found["recall"]["value"] == 0.2
    assert [one["outcome"] for one in found["persons"]][4] == "not_found"
    printed = capsys.readouterr().out
    assert "found, joints wrong or missing" in printed
    assert "left out by their label: 1" in printed


def test_wrong_joints_are_told_from_a_wrong_rule_where_the_true_ones_are_known(place: Path) -> None:
    upside_down = figure()
    upside_down[:, 1] = 880 - upside_down[:, 1]
    down = upside_down.tolist()
    write_results(place, {"a.jpg": [shifted(figure(), 0), down]})
    labelled = [{"box": BOX, "label": "up", "joints": figure(UP).tolist()}]
    write_labels(place, {"a.jpg": labelled})
    assert evaluate(place) == 0
    assert numbers(place)["outcomes"]["positive"]["judged_no"] == 1
    feet_up = figure({J.RightHand: (-45, 330), J.LeftHand: (45, 330)})
    feet_up[2:, 0] += np.where(np.arange(16) % 2, 70, -70)
    write_results(place, {"a.jpg": [feet_up.tolist()]})
    assert evaluate(place) == 0
    assert numbers(place)["outcomes"]["positive"]["bad_joints"] == 1


def test_a_joints_file_needs_no_network(place: Path) -> None:
    people = [("over", UP, 1), ("over", {}, 2), ("none", {}, 3), ("none", UP, 3)]
    entries = [
        {"picture": f"{number}.jpg", "label": label, "scene": scene, "joints": figure(changes).tolist()}
        for number, (label, changes, scene) in enumerate(people)
    ]
    (place / "joints.json").write_text(json.dumps(entries), encoding="utf-8")
    assert evaluate(place, "--positive_labels=over", labels="joints.json", results=False) == 0
    assert numbers(place)["confusion"]["true_yes"] == 1
    assert numbers(place)["confusion"]["false_yes"] == 1


def test_declared_scenes_reach_saved_results_and_tuning(place: Path) -> None:
    """The waist is at y = 400 of 800: above a fence at 0.9, below one at 0.1, unknown without a scene."""
    (place / "rules.yaml").write_text("actions: {up: {criteria: [waist_over_fence], occurs_when: all}}")
    scene = place / "scene.yaml"
    for fence, occurred in ((0.9, True), (0.1, False), (None, None)):
        scene.write_text(f"scenes: [{{pictures: '*', fence: [[0, {fence}], [1, {fence}]]}}]", encoding="utf-8")
        assert evaluate(place, *([f"--scene_file={scene}"] if fence else [])) == 0
        found = [one["occurred"] for one in numbers(place)["persons"] if one["outcome"] != "not_found"]
        assert set(found) == {occurred}
    scene.write_text("scenes: [{pictures: '*', fence: [[0, 0.9], [1, 0.9]]}]", encoding="utf-8")
    given = ["--target_action_type=up", f"--actions_file={place / 'rules.yaml'}", f"--labels={place / 'labels.json'}"]
    given += [f"--results={place}", f"--scene_file={scene}", f"--output={place / 'tuned'}", "--folds=2"]
    assert tune_action.main(given) == 2, "it alarms for everybody who was found"


def test_labelme_rectangles_are_persons(place: Path) -> None:
    (place / "labelme").mkdir()
    shapes = [
        {"label": label, "shape_type": "rectangle", "points": [[left + 120, 580], [left, 230]], "group_id": None}
        for label, left in (("up", 340.0), ("none", 1540.0))
    ]
    content = {"version": "5.0", "imagePath": "a.jpg", "imageWidth": 1700, "imageHeight": 800, "shapes": shapes}
    (place / "labelme/a.json").write_text(json.dumps({**content, "imageData": None, "flags": {}}), encoding="utf-8")
    assert evaluate(place, labels="labelme") == 0
    assert numbers(place)["outcomes"]["positive"]["hit"] == 1
    assert numbers(place)["outcomes"]["negative"]["judged_no"] == 1


REFUSED = [
    ({"c.jpg": [{"box": BOX, "label": "up"}]}, "labels c.jpg, which is not in"),
    ({"a.jpg": [{"box": [1650, 10, 100, 100], "label": "up"}]}, "lies outside of the picture (1700 x 800)"),
    ({"a.jpg": [{"box": [0, 0, 0, 10], "label": "up"}]}, "has no area"),
    ({"a.jpg": [{"box": "all", "label": "up"}]}, "is not [left, top, width, height]"),
    ({"a.jpg": [{"box": BOX, "label": "uqp"}]}, "unknown label 'uqp'; did you mean 'up'?"),
    ({"a.jpg": [{"box": BOX, "label": "up"}, {"box": BOX, "label": "none"}]}, "is labelled twice, 'up' and 'none'"),
    (
        {"a.jpg": [{"box": BOX, "label": "up"}, {"box": [BOX[0] + 1, *BOX[1:]], "label": "up"}]},
        "is labelled twice, 'up' and 'up'",
    ),
    ({"a.jpg": [{"box": BOX, "label": "none"}]}, "no person is labelled up"),
    ({"a.jpg": [{"label": "up"}]}, "a person without a box"),
]


@pytest.mark.parametrize(("labels", "words"), REFUSED)
def test_labels_that_are_refused(place: Path, labels: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(place, labels)
    assert evaluate(place) == 2
    message = capsys.readouterr().err.strip()
    assert words in message
    assert "\n" not in message
    assert not (place / "out").exists()


def test_joints_are_matched_to_found_persons_by_the_box_around_them(place: Path) -> None:
    """What a network found is judged, not the joints that were annotated: those of the second have no raised hand."""
    labels = [
        {"picture": "a.jpg", "label": label, "joints": shifted(figure(), right)}
        for label, right in (("up", 0), ("up", 200), ("up", 800), ("none", 1000))
    ]
    (place / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    assert evaluate(place) == 0
    outcomes = numbers(place)["outcomes"]
    assert (outcomes["positive"]["hit"], outcomes["positive"]["not_found"]) == (1, 1)
    assert outcomes["negative"]["hit"] == 1


def test_a_box_outside_of_the_picture_that_was_judged_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The labels do not say how large the picture is; the results do."""
    labels = {"a.jpg": {"persons": [{"box": [5000, 10, 100, 100], "label": "up"}]}}
    (place / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    assert evaluate(place) == 2
    assert "lies outside of the picture (1700 x 800)" in capsys.readouterr().err


def test_joints_labelled_twice_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joints = figure().tolist()
    labels = [{"picture": "a.jpg", "label": label, "joints": joints} for label in ("up", "none")]
    (place / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    assert evaluate(place) == 2
    assert "a.jpg: the same joints are labelled twice, 'up' and 'none'" in capsys.readouterr().err


def test_a_picture_labelled_twice_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = json.dumps({"persons": [{"box": BOX, "label": "up"}]})
    (place / "labels.json").write_text(f'{{"a.jpg": {one}, "a.jpg": {one}}}', encoding="utf-8")
    assert evaluate(place) == 2
    assert "'a.jpg' appears twice" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"a.jpg": []}', '[{"picture": "a.jpg", "label": "up"}]'])
def test_files_that_hold_no_labels(place: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "labels.json").write_text(text, encoding="utf-8")
    assert evaluate(place) == 2
    assert "labels.json" in capsys.readouterr().err


def test_options_that_do_not_go_together(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(place, f"--positive={place}") == 2
    assert "leave out --positive" in capsys.readouterr().err
    assert evaluate(place, results=False) == 2
    assert "give the pictures with --results" in capsys.readouterr().err
    assert evaluate(place, "--positive_labels=none", "--negative_labels=none") == 2
    assert "two meanings" in capsys.readouterr().err


def test_a_fragment_in_the_box_is_not_the_person() -> None:
    whole = figure()
    fragment = figure(without=[joint for joint in J if joint not in (J.RightHand, J.RightElbow)])
    assert match_persons([BOX], [fragment, whole]) == [1]
    assert match_persons([BOX], [fragment]) == [None]
    assert match_persons([None], [whole]) == [None]
    assert match_persons([BOX, box_at(40)], [shifted(whole, 40), whole]) == [1, 0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyparsing", "ignore::DeprecationWarning:matplotlib")
def test_tuning_on_labelled_persons_keeps_scenes_together(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    entries = []
    for number in range(80):
        height = float(rng.uniform(-110, 110))
        label = "up" if height > 30 else "none"
        joints = figure({J.RightHand: (-45, -height)}).tolist()
        entries.append({"picture": f"{number}.jpg", "label": label, "scene": number // 2, "joints": joints})
    (place / "joints.json").write_text(json.dumps(entries), encoding="utf-8")
    card = "{points_at_least: 1, of: [hand]}"
    scale = "{criterion: hand_over_neck, bounds: [-0.5, 0, 0.3], points: [1, 1, 1, 2]}"
    (place / "rules.yaml").write_text(f"actions: {{up: {{criteria: {{hand: {scale}}}, occurs_when: {card}}}}}")
    given = ["--target_action_type=up", f"--actions_file={place / 'rules.yaml'}", f"--labels={place / 'joints.json'}"]
    assert tune_action.main([*given, f"--output={place / 'tuned'}", "--folds=4"]) == 0
    written = (place / "tuned/actions.yaml").read_text(encoding="utf-8")
    assert written.startswith("# up, measured by 4-fold cross-validation")
    assert "# recall 1.000" in written
    assert "sum needed: 1 -> " in capsys.readouterr().out
    assert load_actions(place / "tuned/actions.yaml")["up"].criteria[0].scale is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyparsing", "ignore::DeprecationWarning:matplotlib")
def test_tuning_warns_of_few_positives_and_refuses_a_rule_that_alarms_for_everybody(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = [
        {"picture": f"{number}.jpg", "label": label, "joints": figure().tolist()}
        for number, label in enumerate(["up", "none"] * 6)
    ]
    (place / "joints.json").write_text(json.dumps(same), encoding="utf-8")
    rule = "actions: {up: {criteria: {hand_over_neck: -5.0}, occurs_when: all}}"
    (place / "rules.yaml").write_text(rule, encoding="utf-8")
    given = ["--target_action_type=up", f"--actions_file={place / 'rules.yaml'}", f"--labels={place / 'joints.json'}"]
    given += [f"--output={place / 'tuned'}", "--folds=3"]
    assert tune_action.main(given) == 2
    assert "would alarm for 100% of those" in capsys.readouterr().err
    assert not (place / "tuned").exists()
    for one in same[1::2]:
        one["joints"] = figure({J.RightHand: (-45, 200), J.LeftHand: (45, 200)}).tolist()
    (place / "joints.json").write_text(json.dumps(same), encoding="utf-8")
    assert tune_action.main(given) == 0
    assert "WARNING: only 6 positives" in capsys.readouterr().out


def test_labels_nested_without_end_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "labels.json").write_text("[" * 100_000, encoding="utf-8")
    assert evaluate(place) == 2
    assert "labels.json" in capsys.readouterr().err
