"""Results as inference writes them, made up for the tests of table and report."""

from __future__ import annotations

import os
from typing import Any

from src.actions import load_actions
from src.pose.skeleton import JointType
from tests.pose.drawing import standing_person

HOSTILE = "a</script><script>window.hacked=1</script>\"'&<img src=x onerror=window.hacked=1>.jpg"
NAMES = ["滑雪 1.jpg", "a#b?c%20d.jpg", "sub folder/person.jpg", "javascript:alert(1).jpg", HOSTILE.replace("/", "_")]


#: Two signs, of which the first one suffices.
ACTION = load_actions(
    {
        "climb_up": {
            "display": {"zh": "攀爬", "en": "climbing <up>"},
            "criteria": {
                "hand": {"criterion": "hand_over_shoulder", "threshold": 0.25},
                "knee": {"criterion": "waist_knee_foot_inner_angle", "threshold": [30, 60]},
            },
            "occurs_when": "any",
        }
    }
)["climb_up"]

UNSEEN = {"verdict": -1, "measured": None, "unit": "deg", "joints": ["LeftWaist", "LeftKnee", "LeftFoot"]}


def hand(verdict: int, measured: float) -> dict[str, Any]:
    joints = ["LeftHand", "LeftShoulder"]
    return {"verdict": verdict, "measured": measured, "unit": "torso", "px": 75 * measured, "joints": joints}


def person(
    occurred: bool | None, score: float, hand: dict[str, Any] = UNSEEN, knee: dict[str, Any] = UNSEEN
) -> dict[str, Any]:
    keypoints = standing_person(100, 20, 200).tolist()
    keypoints[JointType.LeftKnee] = [0, 0, 0]
    return {"keypoints": keypoints, "score": score, "occurred": occurred, "criteria": {"hand": hand, "knee": knee}}


def line(file: str, *persons: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"file": file, "status": "ok", "width": 320, "height": 240, "persons": list(persons), "seconds": 0.25}
    return {**base, **more}


def unreadable(file: str, error: str = "truncated") -> dict[str, Any]:
    return line(file, status="unreadable", width=0, height=0, error=error)


def sample_results() -> list[dict[str, Any]]:
    up = hand(1, 0.42)
    return [
        line(NAMES[0], person(False, 0.9, hand(0, -0.1))),
        line(NAMES[1], person(True, 0.3, up), person(False, 0.8, hand(0, -0.5))),
        line(NAMES[2], person(None, 0.5), person(False, 0.7, hand(0, -0.2))),
        line(NAMES[3]),
        line(NAMES[4], person(True, 0.6, up)),
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
