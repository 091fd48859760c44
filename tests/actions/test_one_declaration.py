"""A new action takes one declaration: command line, job definition, judge, results and report follow from it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from modelarts.jobs.hyperparameters import hyperparameters
from src.action_type_judger import ActionTypeJudger
from src.actions import Judgement, declaration
from src.errors import ConfigError
from src.infer.run import infer_folder
from src.model_utils.config import parse_config
from src.pose.skeleton import JointType
from tests.actions.figure import figure
from tests.infer.fakes import FakeNetwork

J = JointType
DECLARATION = """
  squat_down:
    display: {zh: 下蹲, en: squatting down}
    description: "knees bent, waist low"
    criteria:
      waist_knee_foot_inner_angle: 100
      low: {criterion: knee_over_waist, threshold: -0.4, sides: each}
    occurs_when: all
"""
SQUATTING = figure({J.RightKnee: (-60, 130), J.LeftKnee: (60, 130), J.RightFoot: (-20, 190), J.LeftFoot: (20, 190)})


@pytest.fixture
def actions_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(f"actions:{DECLARATION}", encoding="utf-8")
    return path


def configured(*argv: str) -> object:
    return parse_config(list(argv), "test").actions["squat_down"]


def test_the_command_line_takes_it(actions_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert configured(f"--actions_file={actions_file}", "--target_action_type=squat_down")
    with pytest.raises(ConfigError, match=r"did you mean 'squat_down'.*declared: squat_down"):
        configured(f"--actions_file={actions_file}", "--target_action_type=squatdown")
    with pytest.raises(SystemExit):
        configured(f"--actions_file={actions_file}", "--help")
    assert "one of squat_down (下蹲 squatting down)" in " ".join(capsys.readouterr().out.split())


def test_the_job_definition_offers_it(actions_file: Path) -> None:
    values = {"actions_file": str(actions_file), "target_action_type": "squat_down"}
    found, problems = hyperparameters(values, ("target_action_type",))
    assert problems == []
    assert found[0].choices == ("squat_down",)
    assert found[0].hint.endswith("one of squat_down 下蹲 squatting down")


def test_results_and_report_show_it(actions_file: Path, tmp_path: Path) -> None:
    action = parse_config([f"--actions_file={actions_file}", "--target_action_type=squat_down"], "test").actions
    cv2.imwrite(str(tmp_path / "a.png"), np.full((96, 96, 3), 90, np.uint8))
    output = tmp_path / "out"
    output.mkdir()
    infer_folder(FakeNetwork(), tmp_path, ["a.png"], output, action["squat_down"], {})
    (line,) = (output / "results.jsonl").read_text(encoding="utf-8").splitlines()
    (person,) = json.loads(line)["persons"]
    assert person["occurred"] is False
    assert set(person["criteria"]) == {"waist_knee_foot_inner_angle", "low"}
    assert Judgement.from_json(person, action["squat_down"]).criteria["low"].text
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "squatting down" in page
    assert "下蹲" in page
    assert "leg bent" in page
    assert '"less than {0}"' in page


def test_the_handbooks_entry_judges_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Added below the others in default_config.yaml, as the handbook's users do."""
    copy = tmp_path / "default_config.yaml"
    copy.write_text(declaration.DEFAULT_FILE.read_text(encoding="utf-8") + DECLARATION, encoding="utf-8")
    monkeypatch.setattr(declaration, "DEFAULT_FILE", copy)
    declaration._read_default_actions.cache_clear()
    try:
        assert ActionTypeJudger.judge_action_type_through_criterions(SQUATTING.ravel().tolist(), "squat_down") == 1
        assert ActionTypeJudger.judge_action_type_through_criterions(figure().ravel().tolist(), "squat_down") == 0
        assert ActionTypeJudger.judge_action_type_through_criterions(figure().ravel().tolist(), "climb_up") == 0
    finally:
        declaration._read_default_actions.cache_clear()
