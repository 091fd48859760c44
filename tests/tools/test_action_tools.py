"""evaluate_action and tune_action from their command lines, on saved results and on pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from src.actions import load_actions
from src.errors import CheckpointError, OutputError
from src.pose.skeleton import JointType
from src.tools import evaluate_action, tune_action
from tests.actions.figure import figure

J = JointType
RULE = "actions: {up: {criteria: {hand_over_shoulder: -1.0}, occurs_when: all}}"


def write_results(folder: Path, hand_heights: list[float], name: str = "p") -> Path:
    """results.jsonl with one person a picture, the right hand `height` px above its shoulder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "file": f"{name}{number}.jpg",
            "status": "ok",
            "width": 800,
            "height": 800,
            "persons": [{"keypoints": figure({J.RightHand: (-45, -height)}).tolist(), "occurred": None}],
        }
        for number, height in enumerate(hand_heights)
    ]
    path = folder / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "rules.yaml").write_text(RULE, encoding="utf-8")
    write_results(tmp_path / "yes", [50, 60, 70, 80, -30], "yes")
    write_results(tmp_path / "no", [-110, -105, -20, 10, -100, -40], "no")
    return {"rules": tmp_path / "rules.yaml", "yes": tmp_path / "yes", "no": tmp_path / "no", "out": tmp_path / "out"}


def arguments(labelled: dict[str, Path], *more: str) -> list[str]:
    return [
        "--target_action_type=up",
        f"--actions_file={labelled['rules']}",
        f"--positive={labelled['yes']}",
        f"--negative={labelled['no'] / 'results.jsonl'}",
        f"--output={labelled['out']}",
        *more,
    ]


def test_evaluate(labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_action.main(arguments(labelled)) == 0
    printed = capsys.readouterr().out
    assert "precision  0.625" in printed
    assert "recall     1.000" in printed
    numbers = json.loads((labelled["out"] / "evaluation.json").read_text(encoding="utf-8"))
    assert numbers["confusion"]["false_yes"] == 3
    assert numbers["misjudged"] == ["no2.jpg", "no3.jpg", "no5.jpg"]
    pictures = misjudged(labelled["out"])
    assert [(one["file"], one["outcome"]) for one in pictures] == [
        ("no2.jpg", "false_alarm"),
        ("no3.jpg", "false_alarm"),
        ("no5.jpg", "false_alarm"),
    ]
    page = (labelled["out"] / "misjudged.html").read_text(encoding="utf-8")
    assert "{0} {1} above {2}" in page
    assert "http" not in page
    assert drawn(labelled["out"], pictures[0]).min() < 128, "the skeleton is drawn"


def misjudged(folder: Path) -> list[dict[str, Any]]:
    """The pictures of the page, as its script gets them."""
    page = (folder / "misjudged.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])["pictures"]


def drawn(folder: Path, picture: dict[str, Any]) -> np.ndarray:
    return cv2.imread(str(folder / picture["rendered"]))


def test_the_page_shows_the_picture_where_it_is_kept(labelled: dict[str, Path]) -> None:
    green = np.zeros((800, 800, 3), np.uint8)
    green[:] = (0, 200, 0)
    cv2.imwrite(str(labelled["no"] / "no3.jpg"), green)
    (labelled["no"] / "no2.jpg").write_bytes(b"broken")
    assert evaluate_action.main(arguments(labelled)) == 0
    corners = {one["file"]: drawn(labelled["out"], one)[2, 2] for one in misjudged(labelled["out"])}
    assert corners["no3.jpg"][1] > 150 > corners["no3.jpg"][0]
    assert corners["no2.jpg"].min() > 240, "a broken picture leaves a white page"
    (shown,) = [one for one in misjudged(labelled["out"]) if one["file"] == "no3.jpg"]
    assert (labelled["out"] / shown["original"]).resolve() == labelled["no"] / "no3.jpg"


def test_names_in_the_page_are_escaped(labelled: dict[str, Path]) -> None:
    write_results(labelled["no"], [50], "<script>")
    assert evaluate_action.main(arguments(labelled)) == 0
    assert (labelled["out"] / "misjudged.html").read_text(encoding="utf-8").count("<script") == 2
    assert misjudged(labelled["out"])[0]["file"] == "<script>0.jpg"


def test_unreadable_pictures_are_left_out_and_said(
    labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with (labelled["no"] / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"file": "bad.jpg", "status": "unreadable", "persons": []}) + "\n")
    assert evaluate_action.main(arguments(labelled)) == 0
    assert "could not be read: 1" in capsys.readouterr().out


def test_pictures_without_persons_count_as_no(labelled: dict[str, Path]) -> None:
    with (labelled["yes"] / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"file": "empty.jpg", "status": "ok", "persons": []}) + "\n")
    assert evaluate_action.main(arguments(labelled)) == 0
    numbers = json.loads((labelled["out"] / "evaluation.json").read_text(encoding="utf-8"))
    assert numbers["confusion"]["missed"] == 1
    (missed,) = [one for one in misjudged(labelled["out"]) if one["outcome"] == "missed"]
    assert (missed["file"], missed["persons"]) == ("empty.jpg", [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 7: not valid JSON"),
        ("[]", "has no 'file'"),
        ('{"file": "x", "persons": [{"keypoints": [1]}]}', "line 7"),
    ],
)
def test_bad_results_name_file_and_line(
    labelled: dict[str, Path], line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (labelled["no"] / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert evaluate_action.main(arguments(labelled)) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "results.jsonl" in message


def test_places_that_are_nothing(labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    labelled["yes"] = labelled["yes"] / "nowhere"
    assert evaluate_action.main(arguments(labelled)) == 2
    assert "neither a results.jsonl nor a folder" in capsys.readouterr().err


def test_unknown_action(labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_action.main([*arguments(labelled), "--target_action_type=upp"]) == 2
    assert "did you mean 'up'" in capsys.readouterr().err


@pytest.mark.parametrize("tool", [evaluate_action, tune_action])
def test_help_and_misspelt_arguments(tool: Any, labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    helped = " ".join(capsys.readouterr().out.split())
    assert "climb_over_fence (翻越护栏 climbing over a fence)" in helped
    assert "--checkpoint_filename" in helped
    assert tool.main(arguments(labelled, "--ouptut=elsewhere")) == 2
    assert "did you mean --output?" in capsys.readouterr().err
    assert not labelled["out"].exists()


@pytest.mark.parametrize("tool", [evaluate_action, tune_action])
def test_a_folder_that_cannot_be_written(
    tool: Any, labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    labelled["out"].write_text("a file is in the way", encoding="utf-8")
    assert tool.main(arguments(labelled, *(["--folds=2"] if tool is tune_action else []))) == OutputError.exit_code
    assert "give another folder with --output" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pyparsing", "ignore::DeprecationWarning:matplotlib")
def test_tune_writes_a_better_declaration(labelled: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    write_results(labelled["yes"], list(range(30, 100, 2)), "yes")
    write_results(labelled["no"], list(range(-100, 20, 3)), "no")
    assert tune_action.main(arguments(labelled, "--folds=4")) == 0
    printed = capsys.readouterr().out
    assert "expected on unseen pictures, by 4-fold cross-validation" in printed
    assert "hand_over_shoulder: -1.0 ->" in printed
    tuned = load_actions(labelled["out"] / "actions.yaml")["up"]
    assert 0.1 < float(str(tuned.criteria[0].threshold)) < 0.35
    assert yaml.safe_load((labelled["out"] / "actions.yaml").read_text(encoding="utf-8"))["actions"]["up"]
    plot = cv2.imread(str(labelled["out"] / "precision_recall.png"))
    assert plot is not None
    assert plot.std() > 5
    labelled["rules"] = labelled["out"] / "actions.yaml"
    assert evaluate_action.main(arguments(labelled)) == 0
    assert "precision  1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "words"),
    [("--folds=9", "the smaller group has 5"), ("--folds=1", "at least 2"), ("--beta=0", "--beta 0")],
)
def test_tune_refuses_what_cannot_be_validated(
    labelled: dict[str, Path], option: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune_action.main(arguments(labelled, option)) == 2
    assert words in capsys.readouterr().err


@pytest.mark.mindspore
def test_folders_of_pictures_go_through_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With freshly initialised weights nobody is found; the line from pictures to numbers is what is tested."""
    pytest.importorskip("mindspore")
    import mindspore as ms

    from src.net.build import build_network

    ms.save_checkpoint(build_network("mobilenet_v2", 1), str(tmp_path / "model.ckpt"))
    for label in ("yes", "no"):
        (tmp_path / label).mkdir()
        cv2.imwrite(str(tmp_path / label / "grey.png"), np.full((64, 64, 3), 90, np.uint8))
    given = ["--target_action_type=climb_up", f"--positive={tmp_path / 'yes'}", f"--negative={tmp_path / 'no'}"]
    given += [f"--output={tmp_path / 'out'}", "--network=mobilenet_v2", "--stages=1", "--infer_insize=64"]
    given += [f"--checkpoint_folder_path_relative={tmp_path}", "--checkpoint_filename=model.ckpt"]
    assert evaluate_action.main(given) == 0
    assert "climb_up on 2 pictures" in capsys.readouterr().out
    assert (tmp_path / "out" / "positive_0" / "results.jsonl").is_file()
    assert evaluate_action.main(given) == 2, "results of an earlier run are not overwritten"


@pytest.mark.mindspore
def test_settings_of_the_inference_job_reach_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.infer import forward

    seen: dict[str, Any] = {}

    def load_model(*arguments: Any, **options: Any) -> Any:
        seen.update(options, names=arguments)
        raise CheckpointError("enough is seen")

    monkeypatch.setattr(forward, "load_model", load_model)
    given = ["--target_action_type=climb_up", f"--positive={tmp_path}", f"--negative={tmp_path}"]
    given += [f"--output={tmp_path / 'out'}", "--checkpoint_filename=model.ckpt", "--stages=2", "--infer_insize=128"]
    assert (
        evaluate_action.main([*given, "--input_shapes=buckets", "--bucket_aspects=1.5,2"]) == CheckpointError.exit_code
    )
    assert seen["names"][2] == 2
    assert (seen["insize"], seen["input_shapes"], seen["aspects"]) == (128, "buckets", (1.5, 2.0))
