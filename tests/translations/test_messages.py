"""The table of texts is whole in both languages, and whatever judging or reading says has an entry in it."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from src.actions.action import ANY_SIDE, SIDES, DeclaredCriterion, Threshold
from src.actions.criteria import CRITERIA
from src.actions.judge import CriterionResult
from src.actions.measures.pose import Pose, as_pose, trusting
from src.actions.measuring import Measures
from src.data.images import PictureError, read_picture
from src.model_utils.config import read_settings
from src.translations import LANGUAGES, Catalog, Message, say, section, translate
from src.translations.catalog import placeholders
from src.translations.messages import table
from tests.infer.test_picture_kinds import broken
from tests.pose.drawing import standing_person

THRESHOLDS: tuple[Threshold, ...] = (0.0, 0.4, -0.6, (-0.5, -0.25), (-0.5, 0.4), (0.0, 1.5))


def put_together(catalog: Catalog, code: list, language: int) -> str:
    """What the page's script does."""
    number, *values = code
    shown = []
    for value in values:
        if isinstance(value, str):
            shown.append(value)
        elif value and isinstance(value[0], int):
            shown.append(put_together(catalog, value, language))
        else:
            parts = [put_together(catalog, part, language) for part in value]
            shown.append(catalog.separators()[language].join(parts))
    return catalog.entries()[number][language].format(*shown)


def judged(pose: Pose, declared: list[DeclaredCriterion]) -> list[CriterionResult]:
    found = Measures(declared).on(trusting([pose], 0.1))[0]
    return [CriterionResult(one, measured, pose) for one, measured in zip(declared, found)]


def judged_in_many_ways() -> list[CriterionResult]:
    rng = np.random.default_rng(3)
    results: list[CriterionResult] = []
    for share_found in (1.0, 0.8, 0.5, 0.0):
        for _ in range(3):
            person = standing_person(100, 20, 200) + np.pad(rng.normal(0, 12, (18, 2)), ((0, 0), (0, 1)))
            person[:, 2] = rng.choice([0.9, 0.05], 18) * (rng.random(18) < share_found)
            pose = as_pose(person)
            results += judged(
                pose,
                [
                    DeclaredCriterion("x", criterion, threshold, sides, 0.1, 1.0)
                    for criterion, threshold, sides in itertools.product(CRITERIA.values(), THRESHOLDS, SIDES)
                ],
            )
    point = as_pose(np.tile((50, 50, 0.9), (18, 1)))
    results += judged(point, [DeclaredCriterion("x", one, 0.5, ANY_SIDE, 0.1, 1.0) for one in CRITERIA.values()])
    return results


def test_all_that_judging_says_is_said_in_chinese() -> None:
    messages = list(dict.fromkeys(result.explanation for result in judged_in_many_ways()))
    catalog = Catalog()
    codes = [catalog.encode(message) for message in messages]
    assert json.loads(json.dumps(codes)) == codes
    for message, code in list(zip(messages, codes))[::7]:
        english, chinese = translate(message), translate(message, "zh")
        assert (put_together(catalog, code, 0), put_together(catalog, code, 1)) == (english, chinese)
    for message in messages:
        english, chinese = translate(message), translate(message, "zh")
        assert not re.search(r"[A-Za-z]", chinese), (english, chinese)
        assert re.findall(r"\d[\d.]*", chinese) == re.findall(r"\d[\d.]*", english), (english, chinese)
    said = " ".join(map(translate, messages))
    for words in ("above", "below", "apart", "angle at", "line from", "too uncertain", "no limb", "too close", "each"):
        assert words in said


def test_saved_results_say_what_was_said_when_they_were_made() -> None:
    pose = as_pose(standing_person(100, 20, 200))
    for result in judged_in_many_ways()[:500]:
        if all(pose.confidence(joint) == confidence for joint, confidence in result.joints):
            saved = json.loads(json.dumps(result.to_json()))
            assert CriterionResult.from_json(saved, result.declared, False, pose).text == result.text


def test_a_height_is_said_in_the_direction_that_it_needs() -> None:
    criterion = CRITERIA["knee_over_waist"]
    pose = as_pose(standing_person(100, 20, 200))
    (result,) = judged(pose, [DeclaredCriterion("x", criterion, -0.45, ANY_SIDE, 0.1, 1.0)])
    assert re.fullmatch(r".* px \(0\.\d\d torso\) below .*; needs: at most 0\.45 torso below", result.text)
    assert translate(result.explanation, "zh").endswith("个躯干长）；要求：最多低 0.45 个躯干长")


def test_why_a_picture_cannot_be_read_is_said_in_chinese(tmp_path: Path) -> None:
    for name in broken(tmp_path):
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        chinese = translate(caught.value.message, "zh")
        assert re.match(r"(动画图片|PNG 文件|不是图片|图片太大|文件不存在)", chinese)


def test_every_entry_is_there_in_both_languages_with_the_same_arguments() -> None:
    for message_id, texts in table().items():
        wanted = ("zh",) if message_id.startswith("setting_") else LANGUAGES
        assert set(texts) == set(wanted), message_id
        assert len({frozenset(placeholders(text)) for text in texts.values()}) == 1, message_id


def test_every_criterion_has_a_name_and_a_hint_in_both_languages() -> None:
    for language in LANGUAGES:
        names = [criterion.display_name(language) for criterion in CRITERIA.values()]
        hints = [criterion.hint(language) for criterion in CRITERIA.values()]
        assert len({*names}) == len({*hints}) == len(CRITERIA)
        assert all(bool(re.search(r"[一-鿿]", text)) == (language == "zh") for text in names + hints)


def test_every_setting_has_a_name_and_a_hint_in_chinese() -> None:
    settings, _ = read_settings()
    for kind in ("setting_name", "setting_hint"):
        texts = section(kind, "zh")
        assert set(texts) == set(settings)
        assert all(re.search(r"[一-鿿]", text) for text in texts.values())


def test_messages_survive_as_json_and_others_are_refused() -> None:
    message = say("cannot_be_judged", reasons=(say("no_body_size"), say("joint_missing", joint=say("joint.Neck"))))
    assert Message.from_json(json.loads(json.dumps(message.to_json()))) == message
    for broken_message in (None, "text", ["no such id", {}], ["joint_missing", {}], ["joint.Neck"], [1, {}]):
        with pytest.raises(ValueError, match="not a message"):
            Message.from_json(broken_message)


def test_arguments_are_never_taken_for_texts_of_the_table() -> None:
    message = say("verbatim", text="{text} {0} {no such argument}")
    catalog = Catalog()
    assert translate(message) == put_together(catalog, catalog.encode(message), 0) == "{text} {0} {no such argument}"
