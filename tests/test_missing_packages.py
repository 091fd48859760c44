"""Without the packages every command says in one line what to do, `--help` included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    ["train_start.py", "--help"],
    ["test_tmp.py", "--help"],
    ["-m", "modelarts", "--help"],
    ["-m", "modelarts.demo"],
    ["-m", "obs_sync", "--help"],
    ["-m", "src.tools.merge_checkpoints", "--help"],
]


def run(root: Path, arguments: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """The command in a Python that has the standard library only (`-S`: no site-packages)."""
    return subprocess.run([sys.executable, "-S", *arguments], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_one_line_names_package_and_next_step(root: Path, arguments: list[str]) -> None:
    done = run(root, arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "lacks the package" in line
    assert "; run: " in line
    assert done.stdout == ""


def test_tools_are_listed_without_any_package(root: Path) -> None:
    done = run(root, ["-m", "src.tools"])
    assert done.returncode == 0, done.stderr
    listed = {line.split()[0]: line for line in done.stdout.splitlines()[2:]}
    files = {path.stem for path in (root / "src" / "tools").glob("*.py") if not path.stem.startswith("_")}
    assert set(listed) == files
    assert all(len(line.split()) > 3 for line in listed.values())


def test_a_fault_of_our_own_keeps_its_traceback() -> None:
    code = "from src.missing_packages import explain_missing_packages as e; e(); import src.no_such_module"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
