"""The training page: what it holds, and how it shows in a real browser, offline, in both languages."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.data.annotations.summary import CROWD, FEW_JOINTS, NOWHERE, SMALL
from src.data.images import PictureError
from src.model_utils.config import build_config
from src.pose.skeleton import JointType
from src.train.page.page import RunFacts, page_html, write_page
from src.train.page.pictures import FoundPeople, compare
from src.translations import LANGUAGES, section
from tests.pose.drawing import standing_person

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), "")
STEPS, PER_EPOCH = 600, 200
HOSTILE = "a</script><b>&.jpg"


def lines(steps: int = STEPS) -> list[dict[str, Any]]:
    """A loss record with a validation before the first step and after each epoch, and a checkpoint every 100 steps."""
    found: list[dict[str, Any]] = [{"global_step": 0, **validated(0)}]
    for step in range(1, steps + 1):
        loss = 0.05 * (0.3 + math.exp(-step / 150)) * (1 + 0.3 * math.sin(step))
        line = {"global_step": step, "epoch": (step - 1) // PER_EPOCH + 1, "step": (step - 1) % PER_EPOCH + 1}
        line |= {"loss": loss, "loss_share": loss / 0.053, "lr": 1e-4, "data_wait_share": 0.02, "step_s": 0.5}
        if step % PER_EPOCH == 0:
            line |= validated(step)
        if step % 100 == 0:
            line["checkpoint"] = f"openpose-train-rank0-{line['epoch']}_{line['step']}.ckpt"
        found.append(line)
    return found


def validated(step: int) -> dict[str, float]:
    better = 1 - math.exp(-step / 200) - (0.1 if step == STEPS else 0)
    return {
        "val_loss": 0.05 - 0.03 * better,
        "val_share": 1 - 0.6 * better,
        "val_ap": 0.1 + 0.3 * better,
        "val_pck": better,
    }


def facts(**settings: Any) -> RunFacts:
    return RunFacts(
        settings=build_config({"max_epoch_train": 3, "keep_checkpoint_max": 2, **settings}).settings(),
        defaults=build_config({}).settings(),
        data={
            "pictures": 1976,
            "people": 1976,
            "excluded": {"small": 7, "crowd": 2},
            "sets": [{"folder": f"/{HOSTILE}/{each}/", "pictures": 988, "per_epoch": 1976} for each in "ab"],
            "counted_share": 0.61,
            "never_labelled": ["Nose"],
            "labels": {joint.name: 1500 for joint in JointType},
        },
        epochs=3,
        total_steps=STEPS,
        best_step=400,
        validates_on_training=False,
    )


@pytest.fixture(scope="module")
def found_people(tmp_path_factory: pytest.TempPathFactory) -> FoundPeople:
    folder = tmp_path_factory.mktemp("found")
    people = FoundPeople(folder, 0)
    person = standing_person(100, 20, 200)
    names = [HOSTILE, *(f"{number}.jpg" for number in range(3))]
    people.add(0, {name: np.zeros((0, 18, 3), np.float32) for name in names})
    people.add(400, {name: np.array([person], np.float32) for name in names})
    return people


def read(name: str) -> bytes:
    if name == "2.jpg":
        raise PictureError(name, "is not there")
    return cv2.imencode(".jpg", np.full((300, 400, 3), 120, np.uint8))[1].tobytes()


def test_pictures_show_who_was_found_first_and_last(found_people: FoundPeople) -> None:
    comparisons = compare(found_people, read)
    assert [each.name for each in comparisons] == [HOSTILE, "0.jpg", "1.jpg"]
    first, latest = (cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in comparisons[0].pictures)
    assert first.std() < 2, "nobody is drawn on the first"
    assert latest.std() > 5
    assert (comparisons[0].counts, comparisons[0].steps) == ((0, 1), (0, 400))


def test_a_restart_keeps_the_first_find_and_forgets_what_is_undone(found_people: FoundPeople) -> None:
    again = FoundPeople(found_people.path.parent, 500)
    assert (again.first.global_step, again.latest.global_step) == (0, 400)
    assert again.latest.poses[HOSTILE] == pytest.approx(found_people.latest.poses[HOSTILE], abs=0.06)
    undone = FoundPeople(found_people.path.parent, 300)
    assert (undone.first.global_step, undone.latest.global_step) == (0, 0)
    assert FoundPeople(found_people.path.parent, 0).first is None


def test_checkpoints_are_those_that_are_kept(found_people: FoundPeople) -> None:
    text = page_html(facts(), lines(), ())
    document = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))
    assert [(each["step"], each["best"]) for each in document["checkpoints"]] == [
        (600, False),
        (500, False),
        (400, True),
    ]
    assert document["changed"] == {"max_epoch_train": 3, "keep_checkpoint_max": 2}
    assert len(document["series"]["step"]) <= 900
    assert document["series"]["step"][-1] == STEPS
    assert len(document["validations"]) == 4


def test_every_word_is_there_in_both_languages() -> None:
    english, chinese = (section("training", language) for language in LANGUAGES)
    assert set(english) == set(chinese)
    script = (Path(__file__).parents[3] / "src/train/page/page.js").read_text(encoding="utf-8")
    markup = (Path(__file__).parents[3] / "src/train/page/index.html.j2").read_text(encoding="utf-8")
    used = set(re.findall(r'word\("(\w+)"', script)) | set(re.findall(r'data-text="(\w+)"', markup))
    reasons = {f"data_{reason}" for reason in (FEW_JOINTS, SMALL, CROWD, NOWHERE)}
    assert used | reasons | {"needs_script", "before", "at_step"} == set(english)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def test_the_page_works_offline_in_both_languages(browser: Any, found_people: FoundPeople, tmp_path: Path) -> None:
    path = write_page(tmp_path, facts(), lines(), compare(found_people, read))
    page = browser.new_page(locale="en-US", viewport={"width": 1300, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert "Step 600 of 600" in page.inner_text("#progress")
    assert page.locator(".chart").count() == 5
    assert page.locator(".chart svg polyline").count() >= 8
    labelled = "all => all.every(each => each.querySelectorAll('text[text-anchor=end]').length > 1)"
    assert page.locator(".chart svg").evaluate_all(labelled)
    assert page.locator(".pair").count() == 3
    assert page.locator(".pair img").evaluate_all("all => all.every(each => each.naturalWidth > 100)")
    assert HOSTILE in page.inner_text("#pictures")
    assert page.locator("tr:has(.badge)").inner_text().startswith("openpose-train-rank0-2_200.ckpt")
    summary = page.inner_text("#data-summary")
    for words in ("61 %", "too small 7, in crowds 2", f"/{HOSTILE}/b/: 988 images, 1976 samples per epoch"):
        assert words in summary
    page.locator(".chart svg").first.hover()
    assert re.search(r"step \d+: each step", page.locator(".chart p").first.inner_text())
    page.click("#language")
    assert "训练任务" in page.inner_text("h1")
    assert not re.search(r"[a-z]{3,}", page.inner_text("#charts"))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_a_run_without_any_step_has_a_page(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(write_page(tmp_path, facts(), [], []).as_uri())
    assert page.locator(".chart").count() == 0
    flat = [{**line, "loss": 0.025 + 0.002 * (line["global_step"] % 3)} for line in lines() if "val_loss" not in line]
    page.goto(write_page(tmp_path, facts(), flat, []).as_uri())
    assert page.locator(".chart").first.locator("svg text[text-anchor=end]").count() > 1
    assert errors == []
    page.close()
