"""The Chinese README has the English one's headings, commands, names and links, so that neither is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HEADING = re.compile(r"^(#{1,6}) (.+)$", re.M)
BLOCK = re.compile(r"```\w*\n(.*?)```", re.S)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)\)")

#: The Chinese heading for each English one.
HEADINGS = {
    "OpenPose on ModelArts: training, person detection, action recognition": (
        "ModelArts 上的 OpenPose：训练、人体检测、行为判定"
    ),
    "Quick start": "快速开始",
    "The jobs": "作业",
    "Training: `train_start.py`": "训练：`train_start.py`",
    "Inference: `test_tmp.py`": "推理：`test_tmp.py`",
    "Actions": "行为",
    "Job definitions and the console": "作业定义与控制台",
    "Exit codes": "退出码",
    "Code layout": "代码结构",
    "Storage": "存储",
    "Supported versions": "支持的版本",
    "Extending it": "扩展",
    "Measurements": "实测结果",
}


@pytest.fixture(scope="module")
def english(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chinese(root: Path) -> str:
    return (root / "docs" / "README_CN.md").read_text(encoding="utf-8")


def _prose(text: str) -> str:
    return BLOCK.sub("", text)


def test_headings_agree(english: str, chinese: str) -> None:
    expected = [
        (marks, HEADINGS.get(heading, f"(no Chinese heading for: {heading})")) for marks, heading in _headings(english)
    ]
    assert _headings(chinese) == expected


def _headings(text: str) -> list[tuple[str, str]]:
    return [(marks, heading) for marks, heading in HEADING.findall(_prose(text))]


def test_commands_agree(english: str, chinese: str) -> None:
    assert _commands(chinese) == _commands(english)
    assert len(_commands(english)) >= 8


def _commands(text: str) -> list[str]:
    """All lines of code blocks without comments."""
    lines = [line.split("  # ")[0].rstrip() for block in BLOCK.findall(text) for line in block.splitlines()]
    return [re.sub(r"\s+# .*$", "", line) for line in lines if line and not line.startswith("#")]


def test_names_in_code_agree(english: str, chinese: str) -> None:
    """Section by section, the same files, settings and values are named."""
    for ours, theirs in zip(HEADING.split(_prose(english))[3::3], HEADING.split(_prose(chinese))[3::3]):
        assert sorted(set(CODE.findall(ours))) == sorted(set(CODE.findall(theirs)))


def test_tables_have_the_same_rows(english: str, chinese: str) -> None:
    assert [len(t.splitlines()) for t in _tables(chinese)] == [len(t.splitlines()) for t in _tables(english)]


def _tables(text: str) -> list[str]:
    return re.findall(r"(?:^\|.*\n)+", text, re.M)


def test_links_lead_to_the_same_places(root: Path, english: str, chinese: str) -> None:
    ours = {(root / link).resolve() for link in LINK.findall(english) if "://" not in link}
    theirs = {(root / "docs" / link).resolve() for link in LINK.findall(chinese) if "://" not in link}
    each_other = {root / "README.md", root / "docs" / "README_CN.md"}
    assert ours - each_other == theirs - each_other
    missing = [str(path) for path in theirs if not path.exists()]
    assert missing == []
