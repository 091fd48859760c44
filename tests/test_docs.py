"""What the pages about the project itself name exists, and every command shows the one version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from src.version import NAME, VERSION

PAGES = ("docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md")
FOLDERS = ("src", "modelarts", "obs_sync", "tests", "docs")


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_that_a_page_names_exist(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    named = {word for word in re.findall(r"`([\w./]+)`", text) if word.split("/")[0] in FOLDERS and "/" in word}
    named |= set(re.findall(r"`([\w.]+\.(?:py|md|yaml|toml))`", text))
    assert [name for name in sorted(named) if not (root / name).exists()] == []
    links = [(root / page).parent / link for link in re.findall(r"\]\(([^)#:]+)", text)]
    assert [str(link) for link in links if not link.exists()] == []


def test_targets_that_the_contributing_guide_names_exist(root: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(r"make ([a-z-]+)", (root / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert set(named) <= set(targets)


@pytest.mark.parametrize(
    "command", [["train_start.py"], ["test_tmp.py"], ["-m", "modelarts"], ["-m", "src.tools.pack_dataset"]], ids=str
)
def test_every_command_shows_the_version(root: Path, command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command, "--version"], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == f"{NAME} {VERSION}\n"
