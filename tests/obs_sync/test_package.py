"""`pip install .`: what it installs, and that fsspec and pandas find `obs://` without an import of obs_sync."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.version import NAME, VERSION

READ = """
import sys, fsspec
with fsspec.open("obs://bucket/note.csv", "w", storage_mode="local", obs_local_root=sys.argv[1]) as file:
    file.write("a,b\\n1,2\\n")
import pandas
options = {"storage_mode": "local", "obs_local_root": sys.argv[1]}
frame = pandas.read_csv("obs://bucket/note.csv", storage_options=options)
print(list(frame.columns), sys.modules["obs_sync"].__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder into which pip has installed the project, built from a copy so that the checkout stays clean."""
    if importlib.util.find_spec("setuptools") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("pip and setuptools are not both installed, so nothing can be built offline")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "LICENSE", "train_start.py", "test_tmp.py"):
        shutil.copy(root / name, source)
    for name in ("obs_sync", "src", "modelarts"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "bdist_wheel" in done.stderr:
        pytest.skip("this setuptools needs the package wheel to build")
    assert done.returncode == 0, done.stderr
    return target


def test_only_obs_sync_is_installed(installed: Path, root: Path) -> None:
    names = {path.name for path in installed.iterdir()} - {"bin", "__pycache__"}
    assert names == {"obs_sync", f"{NAME.replace('-', '_')}-{VERSION}.dist-info"}
    modules = {path.relative_to(installed) for path in installed.glob("obs_sync/**/*.py")}
    assert modules == {path.relative_to(root) for path in root.glob("obs_sync/**/*.py")}


def run_beside(installed: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A Python that sees what is installed and nothing of the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OBS_", "S3_"))}
    environment["PYTHONPATH"] = str(installed)
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_pandas_reads_without_an_import(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "root" / "bucket").mkdir(parents=True)
    done = run_beside(installed, "-c", READ, str(tmp_path / "root"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("] ")[0] == "['a', 'b'"
    assert str(installed) in done.stdout


def test_command_line_knows_its_version(installed: Path, tmp_path: Path) -> None:
    done = run_beside(installed, "-m", "obs_sync", "--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"obs_sync of {NAME} {VERSION}\n")
