"""Installing requirements.txt over a preset image replaces nothing that the image brings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

#: The oldest NumPy that a preset image with Python 3.11 may hold, and the protobuf that MindSpore 2.7 works with.
PRESET = {"numpy": "1.24.4", "protobuf": "3.20.3", "scipy": "1.10.1", "pillow": "9.5.0", "packaging": "23.0"}


def requirements(path: Path) -> dict[str, Requirement]:
    """The requirements of a file by name, without those that it includes."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {one.name.lower(): one for one in found}


def test_the_pins_of_the_tests_are_within_the_bounds(root: Path) -> None:
    pins = requirements(root / "constraints.txt")
    for name, one in requirements(root / "requirements.txt").items():
        version = str(pins[name].specifier).removeprefix("==")
        assert one.specifier.contains(version), f"{name} {version}"


def test_what_the_image_brings_is_not_asked_for(root: Path) -> None:
    names = set(requirements(root / "requirements.txt"))
    assert not names & {"mindspore", "moxing", "moxing-framework", "protobuf"}


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="resolves for the preset image's Python, 3.11")
def test_nothing_preset_is_replaced(root: Path, tmp_path: Path) -> None:
    """Resolves against the package index, with the image's packages present as far as pip can see."""
    python = image(tmp_path)
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--dry-run", "--quiet", "--retries", "1"]
    command = [*pip, "--report", str(report), "-r", str(root / "requirements.txt")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if re.search(r"No matching distribution|ConnectionError|Connection|Errno", done.stderr) and not report.exists():
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    installed = {
        one["metadata"]["name"].lower(): one["metadata"]["version"] for one in json.loads(report.read_text())["install"]
    }
    assert {"matplotlib", "contourpy", "opencv-python-headless"} <= set(installed)
    assert {name: installed[name] for name in PRESET if name in installed} == {}


def image(folder: Path) -> Path:
    """A Python in which pip sees the preset packages; their code is not needed to resolve."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "image")], check=True)
    python = folder / "image" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    for name, version in PRESET.items():
        info = packages / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n")
    return python
