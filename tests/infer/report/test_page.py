"""The report as text: its names are no markup, and its data are whole."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from src.errors import OutputError
from src.infer.report import page as report_module
from src.infer.report.csv_table import table_rows
from src.infer.report.pieces import write_report
from src.infer.report.signs import judgements_of
from tests.infer.example_results import ACTION, HOSTILE, SUMMARY, line, person, sample_results, unreadable
from tests.pose.drawing import standing_person


def report_html(results: list[dict[str, Any]], summary: dict[str, Any]) -> str:
    return "".join(report_module.report_html(results, summary, ACTION))


def page_data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_no_name_becomes_markup() -> None:
    html = report_html([line(HOSTILE, person(True, 0.5)), unreadable(HOSTILE, HOSTILE)], SUMMARY)
    assert html.count("<script") == 2
    assert "<img src=x" not in html
    assert "<b>np4" not in html
    assert page_data(html)["pictures"][0]["file"] == HOSTILE
    assert "climbing <up>" not in html


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = report_html(sample_results(), SUMMARY)
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", html)


def test_names_that_are_not_text_are_shown_and_addressed_by_their_bytes() -> None:
    name = os.fsdecode(b"\xff\xfe.jpg")
    picture = page_data(report_html([line(name)], SUMMARY))["pictures"][0]
    assert picture["original"] == "./%FF%FE.jpg"
    assert table_rows(line(name), judgements_of(line(name), ACTION), ACTION)


def test_the_rendered_name_may_be_given() -> None:
    picture = page_data(report_html([line("a.gif", rendered="a_rendered.jpg")], SUMMARY))["pictures"][0]
    assert picture["rendered"] == "./a_rendered.jpg"


def test_a_summary_may_lack_everything(tmp_path: Path) -> None:
    write_report(tmp_path, [], {}, ACTION)
    assert "<title>攀爬 · climbing &lt;up&gt;</title>" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_report(tmp_path / "file", [], SUMMARY, ACTION)


def test_the_frame_around_a_person_holds_all_joints_and_stays_in_the_picture() -> None:
    pose = standing_person(100, 20, 200)
    left, top, width, height = page_data(report_html(sample_results(), SUMMARY))["pictures"][0]["persons"][0]["box"]
    assert 0 <= left < pose[:, 0].min() / 320
    assert 0 <= top < pose[:, 1].min() / 240
    assert pose[:, 0].max() / 320 < left + width <= 1
    assert pose[:, 1].max() / 240 < top + height <= 1


def test_settings_are_listed_one_by_one() -> None:
    settings = {"infer_insize": 368, "filename_to_infer": "", "lr_steps": [1, 2]}
    page = re.sub(r"\s+", "", report_html([], {**SUMMARY, "settings": settings}))
    assert '<dl><dtdata-setting="infer_insize">infer_insize</dt><dd>368</dd>' in page
