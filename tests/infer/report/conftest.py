"""The report in a real browser, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.actions import Action
from src.infer.report.pieces import write_report
from tests.infer.example_results import ACTION, SUMMARY, rendered, sample_results

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


@pytest.fixture(scope="package")
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
