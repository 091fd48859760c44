"""The report in a real browser, from file:// and as a hosted page."""

from __future__ import annotations

import copy
import functools
import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
import yaml

from src.actions import Action, load_actions
from src.actions.scene import load_scenes
from src.infer.report.page import report_html, write_report
from tests.infer.example_results import ACTION, NAMES, SUMMARY, hand, line, person, rendered, sample_results
from tests.pose.drawing import standing_person

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def fill(folder: Path, results: list[dict[str, Any]]) -> None:
    """The pictures the report refers to: originals grey, rendered ones of another size."""
    for result in results:
        if result["status"] == "ok":
            for name, width in ((result["file"], 320), (rendered(result["file"]), 640)):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(cv2.imencode(".jpg", np.full((width * 3 // 4, width, 3), 90, np.uint8))[1].tobytes())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        yield chromium
        chromium.close()


class Report:
    """A report open in the browser from file://, with what went wrong in it."""

    def __init__(
        self, browser: Any, folder: Path, results: list[dict[str, Any]], locale: str = "en-US", action: Action = ACTION
    ) -> None:
        fill(folder, results)
        write_report(folder, results, SUMMARY, action)
        self.page = browser.new_page(locale=locale, viewport={"width": 1300, "height": 800})
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(request.url))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto((folder / "index.html").as_uri())

    def names(self) -> list[str]:
        return self.page.locator(".card strong").all_text_contents()

    def choose(self, state: str) -> None:
        self.page.click(f'#filters button[data-state="{state}"]')


@pytest.fixture
def report(browser: Any, tmp_path: Path) -> Iterator[Report]:
    opened = Report(browser, tmp_path, sample_results())
    yield opened
    opened.page.close()
    assert opened.errors == []
    assert all(url.startswith(("file://", "data:")) for url in opened.requests)


def test_every_picture_is_shown_and_every_rendered_file_loads(report: Report) -> None:
    assert len(report.names()) == 6
    report.page.wait_for_function("[...document.querySelectorAll('.card img')].every((i) => i.naturalWidth === 640)")
    assert report.page.locator(".card img").count() == 5
    assert report.page.evaluate("window.hacked") is None
    assert report.page.title() == "攀爬 · climbing <up>"


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
