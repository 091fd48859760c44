"""Declarations: what is read, and the message for each way to get one wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from src.actions import (
    CRITERIA,
    UnknownActionError,
    declaration_of,
    default_actions,
    find_action,
    hint_text,
    judge_person,
    load_actions,
)
from src.actions.combination import AtLeast
from src.actions.criteria import Criterion
from src.actions.measures.readings import Kind
from src.actions.measures.spots import own
from src.errors import ConfigError
from src.pose.skeleton import JointType
from tests.actions.figure import figure

J = JointType


def load(text: str) -> dict[str, Any]:
    return dict(load_actions(yaml.safe_load(text)))


def one(criteria: Any, occurs_when: Any = "all", **more: Any) -> dict[str, Any]:
    return {"jump": {"criteria": criteria, "occurs_when": occurs_when, **more}}


def test_squat_down_takes_one_declaration_and_nothing_else() -> None:
    action = load("""
    squat_down:
      display: {zh: 下蹲, en: squatting down}
      description: knees bent, waist low
      criteria:
        waist_knee_foot_inner_angle: 100
        knee_over_waist: -0.4
      occurs_when: all
    """)["squat_down"]
    down = figure({J.RightKnee: (-60, 130), J.LeftKnee: (60, 130), J.RightFoot: (-20, 190), J.LeftFoot: (20, 190)})
    assert judge_person(down, action).occurred is True
    assert judge_person(figure(), action).occurred is False
    assert action.display_name("zh") == "下蹲"
    assert hint_text({"squat_down": action}) == "squat_down (下蹲 squatting down)"


def test_short_and_long_forms_mean_the_same() -> None:
    short = load_actions(one({"knees": 0.9, "hand_over_neck": None}))
    long = load_actions(
        one(
            {"knees": {"threshold": 0.9, "sides": "any", "weight": 1}, "judge_by_hand_over_neck": {}},
            {"all": ["knees", "judge_by_hand_over_neck"]},
        )
    )
    assert short["jump"].criteria[0] == long["jump"].criteria[0]
    assert long["jump"].criteria[1].criterion is CRITERIA["hand_over_neck"]
    assert load_actions(one(["knees"]))["jump"].criteria[0].threshold == CRITERIA["knees"].threshold


def test_min_confidence_of_the_action_holds_unless_a_criterion_has_its_own() -> None:
    action = load_actions(one({"knees": None, "hand_over_neck": {"min_confidence": 0.5}}, min_confidence=0.2))["jump"]
    assert [criterion.min_confidence for criterion in action.criteria] == [0.2, 0.5]


@pytest.mark.parametrize("text", ["1e-1", "'0.1'", "0.1", ".1"])
def test_numbers_that_yaml_leaves_as_text_are_numbers(text: str) -> None:
    action = load(f"jump: {{criteria: {{knees: {text}}}, occurs_when: all}}")["jump"]
    assert action.criteria[0].threshold == pytest.approx(0.1)


def test_a_criterion_counts_its_weight_also_where_it_must_not_hold() -> None:
    declared = one(
        {"knees": {"weight": 3}, "hand_over_neck": {"weight": 2}, "elbow_over_shoulder": None},
        {"at_least": 5.5, "of": [{"not": "knees"}, {"unless": "hand_over_neck"}, {"any": ["elbow_over_shoulder"]}]},
    )
    node = load_actions(declared)["jump"].occurs_when
    assert isinstance(node, AtLeast)
    assert node.weights == (3, 2, 1)


def test_declaration_of_round_trips() -> None:
    declared = load_actions(
        {
            "jump": {
                "display": {"zh": "跳", "en": "jump"},
                "description": "both feet up",
                "criteria": {
                    "knees": 0.5,
                    "wide": {"criterion": "knees", "threshold": [0.5, 2], "weight": 2.5},
                    "hand_over_neck": {"sides": "each", "min_confidence": 0.3},
                },
                "occurs_when": {
                    "or": [
                        {"not": "knees"},
                        {"at_least": 2, "of": ["wide", {"unless": "knees"}]},
                        {"and": ["hand_over_neck"]},
                    ]
                },
            }
        }
    )
    plain = {name: declaration_of(action) for name, action in declared.items()}
    assert load_actions(yaml.safe_load(yaml.safe_dump(plain, sort_keys=False))) == declared


def test_default_actions_are_those_of_the_handbook_and_round_trip() -> None:
    actions = default_actions()
    assert {"climb_up", "climb_over_fence"} <= set(actions)
    folds = {criterion.criterion.name for criterion in actions["climb_over_fence"].criteria}
    assert "neck_waist_knee_inner_angle" in folds
    assert load_actions({name: declaration_of(action) for name, action in actions.items()}) == actions


def test_default_actions_cannot_be_changed_by_a_caller() -> None:
    default_actions().clear()
    assert default_actions()


#: what is wrong -> (declaration, words that the message must have)
WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "no action": ({}, ("actions", "at least one action")),
    "a list": ([1], ("at least one action",)),
    "action is text": ({"jump": "knees"}, ("action jump", "criteria")),
    "unknown setting": (one(["knees"], criterias=1), ("action jump", "criterias", "did you mean 'criteria'")),
    "boolean as a name": ({True: one(["knees"])["jump"]}, ("True", "yes, no, on and off")),
    "number as a name": ({5: one(["knees"])["jump"]}, ("5 cannot be a name",)),
    "blank in a name": ({"climb up": one(["knees"])["jump"]}, ("'climb up' cannot be a name",)),
    "dot in a name": ({"climb.up": one(["knees"])["jump"]}, ("cannot be a name",)),
    "no criteria": ({"jump": {"occurs_when": "all"}}, ("action jump", "at least one criterion")),
    "criteria is text": (one("knees"), ("action jump", "at least one criterion")),
    "unknown criterion": (one({"kneess": 1}), ("action jump", "kneess", "did you mean 'knees'")),
    "unknown criterion by label": (
        one({"wide": {"criterion": "distance_between_foots"}}),
        ("action jump, criterion wide", "did you mean 'distance_between_feet'"),
    ),
    "corrected spelling": (
        one({"body_acute_angle_between_vertical_line": 45}),
        ("did you mean 'body_acute_angle_betweeen_vertical_line'",),
    ),
    "listed twice": (one(["knees", "knees"]), ("criterion knees", "twice")),
    "boolean criterion": (one({True: 1}, "all"), ("True", "quotes")),
    "unknown criterion setting": (one({"knees": {"treshold": 1}}), ("criterion knees", "did you mean 'threshold'")),
    "threshold is a word": (one({"knees": "high"}), ("criterion knees: threshold", "'high' is not a number")),
    "threshold is yes": (one({"knees": True}), ("criterion knees: threshold", "yes, no, on and off")),
    "threshold is NaN": (one({"knees": float("nan")}), ("criterion knees: threshold", "not a number")),
    "threshold is infinite": (one({"knees": float("inf")}), ("criterion knees: threshold", "not a number")),
    "threshold in pixels": (one({"knees": 80}), ("criterion knees: threshold", "0 to 10", "torso")),
    "angle beyond 90": (one({"neck_nose_line_horizontal": 120}), ("0 to 90 (deg)",)),
    "angle beyond 180": (one({"neck_waist_knee_inner_angle": 200}), ("0 to 180 (deg)",)),
    "range of three": (one({"knees": [1, 2, 3]}), ("criterion knees", "[low, high]")),
    "range upside down": (one({"knees": [2, 1]}), ("criterion knees", "smaller number first")),
    "sides": (one({"knees": {"sides": "both"}}), ("criterion knees: sides 'both'", "any, each, found")),
    "sides is yes": (one({"knees": {"sides": True}}), ("criterion knees: sides",)),
    "min_confidence": (one({"knees": {"min_confidence": 2}}), ("criterion knees: min_confidence", "0 to 1")),
    "action's min_confidence": (one(["knees"], min_confidence="x"), ("action jump: min_confidence", "not a number")),
    "weight zero": (one({"knees": {"weight": 0}}), ("criterion knees: weight",)),
    "label with a meaning": (one({"all": {"criterion": "knees"}}), ("criterion all", "another label")),
    "display is a number": (one(["knees"], display=3), ("action jump: display",)),
    "display language no": (one(["knees"], display={False: "x"}), ("action jump", "quotes")),
    "display name is a number": (one(["knees"], display={"en": 3}), ("display en", "quotes")),
    "description is a number": (one(["knees"], description=3), ("action jump: description",)),
    "occurs_when missing": ({"jump": {"criteria": ["knees"]}}, ("action jump: occurs_when is missing",)),
    "occurs_when misspelt": (one(["knees"], "al"), ("occurs_when 'al'", "did you mean 'all'")),
    "occurs_when not alone": (one(["knees"], "not"), ("occurs_when 'not'",)),
    "occurs_when is yes": (one(["knees"], True), ("occurs_when", "True")),
    "unknown combiner": (one(["knees"], {"any_of": ["knees"]}), ("'any_of'", "did you mean 'any'")),
    "if without else": (one(["knees"], {"if": "knees", "then": "knees"}), ("if needs else", "then")),
    "if with surplus": (one(["knees"], {"if": "knees", "then": "knees", "els": "knees"}), ("'els'", "'else'")),
    "two combiners": (one(["knees"], {"all": ["knees"], "any": ["knees"]}), ("side by side",)),
    "unknown label": (one(["knees"], {"all": ["kneez"]}), ("asks for 'kneez'", "did you mean 'knees'")),
    "empty list": (one(["knees"], {"all": []}), ("give a list",)),
    "text for a list": (one(["knees"], {"all": "knees"}), ("give a list",)),
    "part twice": (one(["knees"], {"all": ["knees", "knees"]}), ("twice",)),
    "unused criterion": (
        one(["knees", "hand_over_neck"], {"all": ["knees"]}),
        ("criterion hand_over_neck", "never asks"),
    ),
    "nothing need be seen": (
        one(["knees", "hand_over_neck"], {"all": [{"unless": "knees"}, {"unless": "hand_over_neck"}]}),
        ("action jump", "settled when nothing of a person is seen"),
    ),
    "nothing could be seen": (
        one(["knees"], {"not": {"unless": "knees"}}),
        ("settled when nothing of a person is seen",),
    ),
    "unless of a list": (one(["knees"], {"unless": ["knees"]}), ("occurs_when.unless", "neither")),
    "unless misspelt": (one(["knees"], {"unles": "knees"}), ("did you mean 'unless'",)),
    "at_least too many": (one(["knees"], {"at_least": 2}), ("at_least", "outside")),
    "at_least zero": (one(["knees"], {"at_least": 0}), ("at_least", "outside")),
    "at_least is text": (one(["knees"], {"at_least": "some"}), ("at_least", "not a number")),
    "at_least is yes": (one(["knees"], {"at_least": True}), ("at_least", "not a number")),
    "at_least with surplus": (one(["knees"], {"at_least": 1, "off": ["knees"]}), ("'off'", "did you mean 'of'")),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_declarations_are_named(what: str) -> None:
    declaration, words = WRONG[what]
    with pytest.raises(ConfigError) as caught:
        load_actions(declaration)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("actions:\n  jump: {criteria: [kneess], occurs_when: all}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rules\.yaml: action jump.*kneess"):
        load_actions(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("actions:\n  jump: 1\n  jump: 2\n", "line 3: 'jump' is given twice"),
        ("actions:\n  jump:\n    criteria:\n      knees: 1\n      knees: 2\n", "line 5: 'knees' is given twice"),
        ("actions: [", "not valid YAML"),
        ("action:\n  jump: 1\n", "has no section 'actions'"),
        ("", "has no section 'actions'"),
        ("actions:\n  a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_actions(str(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such YAML file|cannot be read"):
        load_actions(tmp_path / "nothing.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("actions: {jump: {display: é}}".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_actions(latin)


def test_unknown_action_names_the_nearest() -> None:
    with pytest.raises(UnknownActionError, match="did you mean 'climb_up'") as caught:
        find_action("climb_op")
    assert isinstance(caught.value, (ConfigError, ValueError))


def test_a_new_criterion_is_one_row() -> None:
    row = Criterion("nose_over_neck", Kind.HEIGHT, ">", 0.0, own((J.Nose,), (J.Neck,)))
    actions = load_actions(one({"nose_over_neck": 0.2}), criteria={**CRITERIA, row.name: row})
    judgement = judge_person(figure(), actions["jump"])
    assert judgement.occurred is True
    assert (
        judgement.criteria["nose_over_neck"].text
        == "nose 35 px (0.35 torso) above neck; needs: at least 0.2 torso above"
    )
    assert judge_person(np.zeros((18, 3)), actions["jump"]).occurred is None
