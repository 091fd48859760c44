"""One picture of the report, large, in a real browser: measured values, keys, marks, a fence, languages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import yaml

from src.actions import judge_person, load_actions
from src.actions.measures.scene import load_scenes
from src.infer.report.pieces import write_report
from tests.infer.example_results import ACTION, NAMES, SUMMARY, hand, line, person, sample_results
from tests.infer.report.conftest import Report, fill
from tests.pose.drawing import standing_person

pytestmark = pytest.mark.slow  # a browser works for each


def test_the_viewer_shows_the_picture_large_with_measured_values_against_thresholds(report: Report) -> None:
    report.page.select_option("#sort", "order")
    report.page.click(".card >> nth=1")
    assert report.page.text_content("#name") == NAMES[1]
    report.page.wait_for_function("document.getElementById('picture').naturalWidth === 640")
    assert report.page.locator("#picture").bounding_box()["width"] > 600
    first, second = report.page.locator(".criterion").all()[:2]
    assert first.locator(".label").text_content() == "hand"
    assert re.sub(r"\s+", " ", first.locator(".value").text_content()) == "needs at least 0.25 torso above"
    assert first.locator("p").text_content() == "left hand 31.5 px (0.42 torso) above left shoulder"
    assert second.locator(".value").text_content() == "needs between 30° and 60°"
    assert second.locator(".verdict").text_content() == "?"
    assert report.page.locator(".person").count() == 2


def test_the_viewer_lists_those_in_whom_the_action_occurs_first(browser: Any, tmp_path: Path) -> None:
    report = Report(browser, tmp_path, [line("a.jpg", person(False, 0.9), person(None, 0.8), person(True, 0.1))])
    report.page.click(".card")
    assert report.page.locator(".person h3").all_text_contents() == [
        "Person 3 Occurred",
        "Person 2 Undecided",
        "Person 1 Did not occur",
    ]
    report.page.close()


def test_the_viewer_frames_the_person_under_the_pointer_and_shows_the_original(report: Report) -> None:
    report.page.click(".card >> nth=0")
    assert not report.page.is_visible("#box")
    report.page.hover(".person >> nth=0")
    assert report.page.is_visible("#box")
    report.page.check("#original")
    report.page.wait_for_function("document.getElementById('picture').naturalWidth === 320")


def test_the_viewer_is_left_and_walked_through_by_keys(report: Report) -> None:
    report.page.select_option("#sort", "order")
    report.page.click(".card >> nth=0")
    for name in NAMES[1:]:
        report.page.keyboard.press("ArrowRight")
        assert report.page.text_content("#name") == name
        report.page.wait_for_function("document.getElementById('picture').naturalWidth === 640")
    report.page.keyboard.press("ArrowRight")
    assert "truncated" in report.page.text_content("#facts")
    assert report.page.is_disabled("#next")
    assert not report.page.is_visible("#picture")
    report.page.keyboard.press("ArrowLeft")
    assert report.page.text_content("#name") == NAMES[4]
    report.page.keyboard.press("Escape")
    assert not report.page.is_visible("#viewer")


LEANING = load_actions(
    {
        "climb": {
            "criteria": {
                "hand": {"criterion": "hand_over_shoulder", "threshold": -0.45, "sides": "found"},
                "bent_over": {"criterion": "body_acute_angle_betweeen_vertical_line", "threshold": 31},
                "bent": {"criterion": "body_acute_angle_betweeen_vertical_line", "threshold": 31},
            },
            "occurs_when": {"at_least": 2, "of": ["hand", {"unless": "bent_over"}, "bent"]},
        }
    }
)["climb"]


@pytest.mark.parametrize(
    ("locale", "why", "rows"),
    [
        (
            "en-US",
            "1 of 3 signs hold, 1 cannot be judged; 2 needed",
            (
                "✗ hand needs at most 0.45 torso below, on each side that was found",
                "✓ not bent over must not be at least 31°",
                "? bent needs at least 31°",
            ),
        ),
        (
            "zh-CN",
            "3 项依据中 1 项成立，1 项无法判定；需要 2 项",
            (
                "✗ 手高于肩 要求 最多低 0.45 个躯干长（找到的每一侧都要）",
                "✓ 无 身体倾斜 不应 不小于 31°",
                "? 身体倾斜 要求 不小于 31°",
            ),
        ),
    ],
)
def test_a_person_shows_how_the_verdict_came_about(
    browser: Any, tmp_path: Path, locale: str, why: str, rows: tuple[str, ...]
) -> None:
    upright = {"verdict": 0, "measured": 12.0, "unit": "deg", "joints": ["Neck", "RightWaist", "LeftWaist"]}
    unseen = {"verdict": -1, "measured": None, "unit": "deg", "joints": ["Neck"]}
    one = person(None, 0.5)
    one["criteria"] = {"hand": hand(0, -0.61), "bent_over": upright, "bent": unseen}
    opened = Report(browser, tmp_path, [line("a.jpg", one)], locale, LEANING)
    opened.page.click(".card")
    assert opened.page.text_content(".person .why") == why
    shown = [re.sub(r"\s+", " ", row.inner_text()) for row in opened.page.locator(".criterion").all()]
    assert all(text.startswith(row) for text, row in zip(shown, rows)), shown
    label, value, panel = (opened.page.locator(one).first.bounding_box() for one in (".label", ".value", ".person"))
    assert label["width"] > 90
    assert label["height"] < 90, "two or three lines"
    assert value["x"] + value["width"] <= panel["x"] + panel["width"]
    opened.page.close()
    assert opened.errors == []


def test_signs_are_listed_below_the_sum_of_points_that_they_add_to(browser: Any, tmp_path: Path) -> None:
    sign = {"criterion": "knees", "bounds": [0.5], "points": [0, 1]}
    sums = [{"points_at_least": 1, "of": ["second"]}, {"points_at_least": 1, "of": ["first"]}]
    declared = {"climb": {"criteria": {"first": sign, "second": sign}, "occurs_when": {"any": sums}}}
    one = person(None, 0.5)
    unseen = {"verdict": -1, "measured": None, "unit": "torso", "joints": ["RightKnee"], "points": None}
    one["criteria"] = {"first": unseen, "second": unseen}
    opened = Report(browser, tmp_path, [line("a.jpg", one)], "zh-CN", load_actions(declared)["climb"])
    opened.page.click(".card")
    assert opened.page.locator(".total").all_text_contents() == ["总分 1", "总分 2"]
    opened.page.keyboard.press("Escape")
    opened.page.click("#language")
    opened.page.click(".card")
    listed = opened.page.locator(".total, .criterion .label").all_text_contents()
    assert listed == ["Total 1", "second", "Total 2", "first"]
    opened.page.close()
    assert opened.errors == []


def test_of_a_rule_with_if_the_side_taken_is_listed_and_the_condition_is_no_sign(browser: Any, tmp_path: Path) -> None:
    sign = {"criterion": "knees", "bounds": [0.5], "points": [0, 1]}
    sides = {"then": {"points_at_least": 1, "of": ["first"]}, "else": {"points_at_least": 1, "of": ["second"]}}
    criteria = {"joint_confidence": 0.9, "first": sign, "second": sign}
    declared = {"climb": {"criteria": criteria, "occurs_when": {"if": "joint_confidence", **sides}}}
    action = load_actions(declared)["climb"]
    one = person(None, 0.5)
    one["keypoints"] = [[x, y, 0.5 * confidence] for x, y, confidence in one["keypoints"]]
    one.update(judge_person(one["keypoints"], action).to_json())
    assert list(one["criteria"]) == ["joint_confidence", "second"]
    opened = Report(browser, tmp_path, [line("a.jpg", one)], "en-US", action)
    opened.page.click(".card")
    rows = [re.sub(r"\s+", " ", row.inner_text()) for row in opened.page.locator(".criterion").all()]
    assert opened.page.locator(".total").count() == 0
    assert rows[0].startswith("· joint confidence mean confidence of")
    assert rows[1].split(" ")[1] == "second"
    assert len(rows) == 2
    opened.page.close()
    assert opened.errors == []


def test_persons_are_marked_and_the_marks_downloaded_as_labels(report: Report) -> None:
    page = report.page
    page.select_option("#sort", "order")
    assert not page.is_visible("#marks")
    page.click(".card >> nth=1")
    page.click('.person:has-text("Person 2") .marks button >> nth=0')
    page.click('.person:has-text("Person 1") .marks button >> nth=0')
    page.click('.person:has-text("Person 1") .marks button >> nth=0')  # taken back
    page.reload()  # the address still names the picture, and the browser remembers the mark
    assert page.text_content("#name") == NAMES[1]
    page.keyboard.press("Escape")
    with page.expect_download() as started:
        page.click("#marks")
    assert started.value.suggested_filename == "labels.json"
    labels = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))
    pose = standing_person(100, 20, 200)
    box = [*pose[:, :2].min(axis=0), *np.ptp(pose[:, :2], axis=0)]
    assert list(labels) == [NAMES[1]]
    assert (labels[NAMES[1]]["width"], labels[NAMES[1]]["height"]) == (320, 240)
    assert [person["label"] for person in labels[NAMES[1]]["persons"]] == ["climb_up", "climb_up"]
    assert labels[NAMES[1]]["persons"][1]["box"] == pytest.approx(box, abs=0.1)


def test_a_fence_is_drawn_on_the_picture_and_downloaded(report: Report) -> None:
    page = report.page
    page.select_option("#sort", "order")
    page.click(".card >> nth=2")  # in a sub folder
    page.click("#scene summary")
    assert page.is_disabled("#scene_download")
    page.click('#scene [data-line="fence"]')
    frame = page.locator(".frame").bounding_box()
    for x, y in ((0.1, 0.6), (0.9, 0.5), (0.5, 0.5)):
        page.mouse.click(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    page.click("#scene_undo")
    with page.expect_download() as started:
        page.click("#scene_download")
    drawn = Path(started.value.path())
    (scene,) = yaml.safe_load(drawn.read_text(encoding="utf-8"))["scenes"]
    assert load_scenes(drawn).of(NAMES[2], 320, 240) is not None
    assert load_scenes(drawn).of(NAMES[0], 320, 240) is None
    assert scene["pictures"] == "sub folder/*"
    assert np.array(scene["fence"]) == pytest.approx(np.array([[0.1, 0.6], [0.9, 0.5]]), abs=0.01)
    assert "ground" not in scene


def test_a_link_opens_its_picture_and_the_language_is_remembered(browser: Any, tmp_path: Path) -> None:
    fill(tmp_path, sample_results())
    write_report(tmp_path, sample_results(), SUMMARY, ACTION)
    context = browser.new_context(locale="en-US", timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.goto(f"{(tmp_path / 'index.html').as_uri()}#{quote(NAMES[0])}")
    assert page.text_content("#name") == NAMES[0]
    assert "22/11/2026, 13:00:00" in page.text_content(".subtitle")
    page.keyboard.press("Escape")
    page.click("#language")
    page.reload()
    assert page.text_content("#language") == "English"
    context.close()
