"""The Chinese summary of the task pages has every command of the English ones, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = ("actions", "tools", "staging", "storage", "training", "inference")
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.S)
INLINE = re.compile(r"`((?:python|msrun|make|pip) [^`\n]+)`")


def commands(text: str) -> set[str]:
    """Commands in blocks, without comments and with continued lines joined, and in running text."""
    blocks = [body for language, body in BLOCK.findall(text) if language in ("", "bash")]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = {" ".join(line.split(" #")[0].split()) for line in lines if line.startswith("python ")}
    return found | {" ".join(command.split()) for command in INLINE.findall(BLOCK.sub("", text))}


@pytest.fixture(scope="module")
def chinese(root: Path) -> str:
    return (root / "docs/tasks_CN.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_there(root: Path, chinese: str, page: str) -> None:
    english = commands((root / f"docs/{page}.md").read_text(encoding="utf-8"))
    assert sorted(english - commands(chinese)) == []
    assert f"({page}.md)" in chinese


def test_it_has_no_command_of_its_own(root: Path, chinese: str) -> None:
    pages = [(root / f"docs/{page}.md").read_text(encoding="utf-8") for page in (*PAGES, "../README")]
    assert sorted(commands(chinese) - set().union(*map(commands, pages))) == ["python -m src.tools"]


def test_links_lead_to_pages_and_headings(root: Path, chinese: str) -> None:
    for page, anchor in re.findall(r"\]\(([\w.]*)(?:#([^)]+))?\)", chinese):
        text = (root / "docs" / page).read_text(encoding="utf-8") if page else chinese
        assert not anchor or anchor in [_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
