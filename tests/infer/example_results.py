"""Results as inference writes them, made up for the tests of table and report."""

from __future__ import annotations

import os
from typing import Any

from tests.pose.drawing import standing_person

HOSTILE = "a</script><script>window.hacked=1</script>\"'&<img src=x onerror=window.hacked=1>.jpg"
NAMES = ["滑雪 1.jpg", "a#b?c%20d.jpg", "sub folder/person.jpg", "javascript:alert(1).jpg", HOSTILE.replace("/", "_")]


def criterion(verdict: int, measured: float | None, text: str = "", threshold: Any = 0.25) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "measured": measured,
        "threshold": threshold,
        "unit": "torso",
        "joints": [],
        "text": text,
    }


def person(occurred: bool | None, score: float, **criteria: dict[str, Any]) -> dict[str, Any]:
    keypoints = standing_person(100, 20, 200).tolist()
    return {"keypoints": keypoints, "score": score, "occurred": occurred, "criteria": criteria}


def line(file: str, *persons: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"file": file, "status": "ok", "width": 320, "height": 240, "persons": list(persons), "seconds": 0.25}
    return {**base, **more}


def unreadable(file: str, error: str = "truncated") -> dict[str, Any]:
    return line(file, status="unreadable", width=0, height=0, error=error)


def sample_results() -> list[dict[str, Any]]:
    hand = criterion(1, 0.42, "left hand 31 px (0.42 torso) above left shoulder; needs > 0.25 torso")
    knee = criterion(-1, None, "cannot be judged: left knee not found", threshold=[30.0, 60.0])
    return [
        line(NAMES[0], person(False, 0.9, hand=criterion(0, -0.1))),
        line(NAMES[1], person(True, 0.3, hand=hand, knee=knee), person(False, 0.8, hand=criterion(0, -0.5))),
        line(NAMES[2], person(None, 0.5, knee=knee), person(False, 0.7)),
        line(NAMES[3]),
        line(NAMES[4], person(True, 0.6, hand=hand)),
        unreadable("broken <b>x</b>.jpg", "broken <b>x</b>.jpg: truncated"),
    ]


SUMMARY = {
    "action": "climb_up",
    "action_display": {"zh": "攀爬", "en": "climbing <up>"},
    "checkpoint": "models/<b>np4</b>.ckpt",
    "network": "vgg19",
    "pictures": 6,
    "compiles": 2,
    "seconds_by_stage": {"read": 0.5, "network": 2.0},
    "started": "2026-11-22T13:00:00+08:00",
}


def rendered(file: str) -> str:
    stem, ending = os.path.splitext(file)
    return f"{stem}_rendered{ending}"
