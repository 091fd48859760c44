"""The report's Chinese: every sentence that judging or reading can say has one, with the same numbers in order."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from src.actions.action import ANY_SIDE, SIDES, DeclaredCriterion, Threshold
from src.actions.criteria import CRITERIA
from src.actions.judge import judge_criterion
from src.actions.pose import as_pose
from src.data.images import PictureError, read_picture
from src.infer.report.translations import SLOT, Sentences
from tests.infer.test_picture_kinds import broken
from tests.pose.drawing import standing_person

THRESHOLDS: tuple[Threshold, ...] = (0.0, 0.4, -0.6, (-0.5, -0.25), (-0.5, 0.4), (0.25, 1.5))


def put_together(forms: list[list[str]], noted: list[str | int], language: int) -> str:
    number, *numbers = noted
    parts = forms[int(number)][language].split(SLOT)
    assert len(parts) == len(numbers) + 1
    return "".join(itertools.chain(*itertools.zip_longest(parts, map(str, numbers), fillvalue="")))


def said_by_judging() -> set[str]:
    rng = np.random.default_rng(3)
    sentences = set()
    for share_found in (1.0, 0.8, 0.5, 0.0):
        for _ in range(6):
            person = standing_person(100, 20, 200) + np.pad(rng.normal(0, 12, (18, 2)), ((0, 0), (0, 1)))
            person[:, 2] = rng.choice([0.9, 0.05], 18) * (rng.random(18) < share_found)
            pose = as_pose(person)
            for criterion, threshold, sides in itertools.product(CRITERIA.values(), THRESHOLDS, SIDES):
                declared = DeclaredCriterion("x", criterion, threshold, sides, 0.1, 1.0)
                sentences.add(judge_criterion(pose, pose.trusting(0.1), declared).text)
    point = np.tile((50, 50, 0.9), (18, 1))
    for criterion in CRITERIA.values():
        declared = DeclaredCriterion("x", criterion, 0.5, ANY_SIDE, 0.1, 1.0)
        sentences.add(judge_criterion(as_pose(point), as_pose(point), declared).text)
    return sentences


def test_all_that_judging_says_is_said_in_chinese() -> None:
    sentences = {part for whole in said_by_judging() for part in whole.split("; needs ")}
    for words in (
        "above",
        "below",
        "apart",
        "angle at",
        "line from",
        "too uncertain",
        "no limb",
        "too close",
        "each side",
    ):
        assert any(words in sentence for sentence in sentences), words
    check_chinese(sentences)


def test_measured_values_are_said_in_chinese() -> None:
    check_chinese({"0.42 torso", "-31 px", "93°", "0.25 torso … 0.5 torso", "30° … 60°"})


def check_chinese(sentences: set[str]) -> None:
    noted = Sentences()
    codes = {sentence: noted.note(sentence) for sentence in sorted(sentences)}
    forms = noted.table()
    for sentence, code in codes.items():
        assert put_together(forms, code, 0) == sentence
        chinese = put_together(forms, code, 1)
        assert not re.search(r"[A-Za-z]", chinese), (sentence, chinese)
        assert re.findall(r"\d[\d.]*", chinese) == re.findall(r"\d[\d.]*", sentence), (sentence, chinese)


def test_why_a_picture_cannot_be_read_is_said_in_chinese(tmp_path: Path) -> None:
    noted, codes = Sentences(), []
    for name in broken(tmp_path):
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        codes.append(noted.note(caught.value.reason))
    for code in codes:
        assert re.match(r"(动画图片|PNG 文件|不是图片|图片太大|文件不存在)", put_together(noted.table(), code, 1))


@pytest.mark.parametrize("text", ["", "a name_1 b2 3.5x <b>7</b>", f"holds {SLOT} itself 5", "12", "左肩 3 号"])
def test_unknown_sentences_stay_as_they_are(text: str) -> None:
    noted = Sentences()
    code = noted.note(text)
    assert put_together(noted.table(), code, 0) == text.replace(SLOT, " ")


def test_a_form_is_kept_once() -> None:
    noted = Sentences()
    first, second = noted.note("left hand 31 px above neck"), noted.note("left hand 5 px above neck")
    assert (first[0], first[1:], second[1:]) == (second[0], ["31"], ["5"])
    assert noted.table() == [[f"left hand {SLOT} px above neck", f"左手比颈部高 {SLOT} 像素"]]
