"""The report in a real browser, from file:// and as a hosted page."""

from __future__ import annotations

import copy
import functools
import http.server
import os
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.infer.report.page import report_html
from src.infer.report.pieces import write_report
from tests.infer.example_results import ACTION, NAMES, SUMMARY, hand, line, person, rendered, sample_results
from tests.infer.report.conftest import Report, fill


def test_every_picture_is_shown_and_every_rendered_file_loads(report: Report) -> None:
    assert len(report.names()) == 6
    report.page.wait_for_function("[...document.querySelectorAll('.card img')].every((i) => i.naturalWidth === 640)")
    assert report.page.locator(".card img").count() == 5
    assert report.page.evaluate("window.hacked") is None
    assert report.page.title() == report.page.text_content("h1") == "climbing <up>"


def test_filters_show_their_pictures_and_counts(report: Report) -> None:
    expected = {
        "occurred": {NAMES[1], NAMES[4]},
        "not": {NAMES[0], NAMES[3]},
        "undecided": {NAMES[2]},
        "unreadable": {"broken <b>x</b>.jpg"},
    }
    for state, names in expected.items():
        report.choose(state)
        assert set(report.names()) == names
        assert report.page.text_content(f'#filters button[data-state="{state}"] b') == str(len(names))
        assert {card.get_attribute("data-state") for card in report.page.locator(".card").all()} == {state}
    report.choose("all")
    assert len(report.names()) == 6


def test_order_by_confidence_counts_the_persons_that_decide(report: Report) -> None:
    report.page.select_option("#sort", "confidence")
    # The second picture's verdict rests on the person of 0.3, though another scores 0.8.
    assert report.names()[:4] == [NAMES[0], NAMES[4], NAMES[2], NAMES[1]]
    report.page.select_option("#sort", "verdict")
    assert report.names()[:2] == [NAMES[4], NAMES[1]]
    report.page.select_option("#sort", "order")
    assert report.names()[:5] == NAMES


def test_search_by_name(report: Report) -> None:
    report.page.fill("#search", "滑雪")
    assert report.names() == [NAMES[0]]
    report.page.fill("#search", "no such")
    assert report.names() == []


def test_summary_and_stages(report: Report) -> None:
    report.page.click("#summary summary")
    facts = report.page.text_content(".facts")
    assert "models/<b>np4</b>.ckpt" in facts
    assert "graph compilations" in facts
    bars = report.page.locator(".stages i")
    assert bars.nth(0).bounding_box()["width"] == pytest.approx(bars.nth(1).bounding_box()["width"] / 4, abs=1)


def test_cards_are_of_one_height_before_and_after_their_pictures_come(browser: Any, tmp_path: Path) -> None:
    results = [line(f"{number}.jpg") for number in range(8)]
    fill(tmp_path, results)
    tall = np.full((900, 100, 3), 90, np.uint8)
    (tmp_path / "3_rendered.jpg").write_bytes(cv2.imencode(".jpg", tall)[1].tobytes())
    write_report(tmp_path, results, SUMMARY, ACTION)
    page = browser.new_page(locale="en-US", viewport={"width": 1300, "height": 800})
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("[...document.querySelectorAll('.card img')].every((i) => i.naturalWidth > 0)")
    sizes = page.evaluate("[...document.querySelectorAll('.thumb')].map((t) => t.clientWidth / t.clientHeight)")
    assert sizes == pytest.approx([4 / 3] * 8, abs=0.02)
    page.close()


def test_chinese_readers_get_chinese(browser: Any, tmp_path: Path) -> None:
    report = Report(browser, tmp_path, sample_results(), locale="zh-CN")
    page = report.page
    assert "发生" in page.text_content("#filters")
    assert page.text_content(".facts th >> nth=2") == "图片数"
    assert page.locator("aside > .bar-top button").get_attribute("aria-label") == "关闭"
    page.select_option("#sort", "order")
    page.click(".card >> nth=1")
    assert page.locator(".criterion p").all_text_contents()[:2] == [
        "左手比左肩高 31.5 像素（0.42 个躯干长）",
        "无法判定：未找到左膝",
    ]
    assert page.locator(".criterion .value").all_text_contents()[:2] == [
        "要求 至少高 0.25 个躯干长",
        "要求 介于30°与60°之间",
    ]
    page.keyboard.press("Escape")
    page.click("#language")
    assert "Occurred" in page.text_content("#filters")
    assert page.text_content(".facts th >> nth=2") == "pictures"
    page.click(".card >> nth=1")
    assert page.locator(".criterion p").nth(0).text_content() == "left hand 31.5 px (0.42 torso) above left shoulder"
    page.close()


def test_pictures_compared_with_labels_are_filtered_by_outcome(browser: Any, tmp_path: Path) -> None:
    outcomes = ["hit", "missed", "false_alarm", "rejected", "missed"]
    results = [{**line(f"{n}.jpg", person(True, 0.5)), "outcome": outcome} for n, outcome in enumerate(outcomes)]
    fill(tmp_path, results)
    html = "".join(report_html(results, SUMMARY, ACTION, table="", chosen_filter="misjudged"))
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    page = browser.new_page(locale="en-US")
    page.goto((tmp_path / "index.html").as_uri())
    assert set(page.locator(".card strong").all_text_contents()) == {"1.jpg", "2.jpg", "4.jpg"}
    page.click('#filters button[data-state="missed"]')
    assert page.text_content('#filters button[data-state="missed"]') == "Missed2"
    assert page.locator(".badge").all_text_contents() == ["Missed", "Missed"]
    assert page.locator("a[download]").count() == 0
    page.close()


def test_missing_pictures_are_said_to_be_missing(browser: Any, tmp_path: Path) -> None:
    write_report(tmp_path, sample_results(), SUMMARY, ACTION)
    page = browser.new_page(locale="en-US")
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.broken').length === 6")
    assert "not beside this page" in page.text_content("#grid")
    page.close()


@pytest.mark.slow
def test_five_thousand_pictures_load_only_what_is_looked_at(browser: Any, tmp_path: Path) -> None:
    template = line("x.jpg", *[person(n % 2 == 0, 0.5, hand(0, 0.1)) for n in range(3)])
    results = []
    for number in range(5000):
        result = copy.copy(template)
        result["file"] = f"picture {number:04}.jpg"
        results.append(result)
    fill(tmp_path, results[:1])
    for result in results[1:]:
        os.link(tmp_path / rendered(results[0]["file"]), tmp_path / rendered(result["file"]))
    write_report(tmp_path, results, SUMMARY, ACTION)
    page = browser.new_page(locale="en-US", viewport={"width": 1300, "height": 800})
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("[...document.querySelectorAll('.card img')].slice(0, 4).every((i) => i.complete)")
    assert page.text_content("#shown") == "5000 of 5000 pictures"
    assert page.locator(".card").count() < 300
    assert len(loaded) < 300
    page.keyboard.press("End")
    page.wait_for_function("document.querySelectorAll('.card').length > 60")
    page.fill("#search", "4999")
    assert page.locator(".card strong").all_text_contents() == ["picture 4999.jpg"]
    page.close()


def test_pictures_that_have_not_come_yet_are_not_black(browser: Any, tmp_path: Path) -> None:
    write_report(tmp_path, [line(f"{number}.jpg") for number in range(60)], SUMMARY, ACTION)
    page = browser.new_page(locale="en-US", color_scheme="light", viewport={"width": 1300, "height": 800})
    held: list[Any] = []
    page.route("**/*_rendered.jpg", lambda route: held.append(route))  # not answered
    page.goto((tmp_path / "index.html").as_uri(), wait_until="domcontentloaded")
    page.wait_for_function("document.querySelectorAll('.card').length === 60")
    shot = cv2.imdecode(np.frombuffer(page.screenshot(full_page=True), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert held
    assert (shot < 40).mean() < 0.02, "only letters are dark"
    for route in held:
        route.abort()
    page.close()


def test_a_wide_window_is_filled(browser: Any, tmp_path: Path) -> None:
    results = [line(f"{number}.jpg") for number in range(400)]
    write_report(tmp_path, results, SUMMARY, ACTION)
    page = browser.new_page(locale="en-US", viewport={"width": 3800, "height": 2000})
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("document.getElementById('more').getBoundingClientRect().top > innerHeight")
    page.close()


@pytest.mark.slow
def test_static_hosting_shows_the_same(browser: Any, tmp_path: Path) -> None:
    fill(tmp_path, sample_results())
    write_report(tmp_path, sample_results(), SUMMARY, ACTION)
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(locale="en-US")
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.wait_for_function("[...document.querySelectorAll('.card img')].every((i) => i.naturalWidth === 640)")
        assert page.locator(".card img").count() == 5
        page.close()
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a line on stderr for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        return None
