"""Installing requirements.txt over a preset image replaces nothing that the image brings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

#: What images bring, in the form of pip's constraint files, named python<version>_….txt.
IMAGES = sorted((Path(__file__).parent / "images").glob("*.txt"))
#: Needs nothing, and would have to be built to be resolved.
BUILT = {"crcmod": "1.7"}


def requirements(path: Path, python: str = "3.11") -> list[Requirement]:
    """The requirements of a file that apply to a Python version, without those of the files that it includes."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return [one for one in found if one.marker is None or one.marker.evaluate({"python_version": python})]


def versions(path: Path) -> dict[str, str]:
    """The pins of a constraint file."""
    return {one.name.lower(): str(one.specifier).removeprefix("==") for one in requirements(path)}


def test_the_pins_of_the_tests_are_within_the_bounds(root: Path) -> None:
    pins = versions(root / "constraints.txt")
    for one in requirements(root / "requirements.txt"):
        version = pins[one.name.lower()]
        assert one.specifier.contains(version), f"{one.name} {version}"


@pytest.mark.parametrize("python", ["3.9", "3.11"])
def test_what_the_image_brings_is_bounded_at_most(root: Path, python: str) -> None:
    """A lower bound could replace it, and so could naming what the platform has in a build of its own."""
    asked = {one.name.lower(): one for one in requirements(root / "requirements.txt", python)}
    assert not set(asked) & {"mindspore", "moxing", "moxing-framework"}
    for name in ("numpy", "protobuf"):
        assert {limit.operator for limit in asked[name].specifier} == {"<"}


@pytest.mark.slow
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)
def test_nothing_preset_is_replaced(root: Path, tmp_path: Path, image: Path) -> None:
    """Resolves against the package index, with the image's packages present as far as pip can see."""
    preset = versions(image)
    python = preset_python(tmp_path, interpreter(image), {**preset, **BUILT})
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--dry-run", "--quiet", "--retries", "1"]
    command = [*pip, "--report", str(report), "-r", str(root / "requirements.txt")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if re.search(r"from versions: none|ConnectionError|Connection|Errno", done.stderr) and not report.exists():
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    new = {
        one["metadata"]["name"].lower(): one["metadata"]["version"] for one in json.loads(report.read_text())["install"]
    }
    assert {"matplotlib", "contourpy", "opencv-python-headless"} <= set(new)
    assert {name: new[name] for name in preset if name in new} == {}


def interpreter(image: Path) -> str:
    """A Python of the image's version: this one, one on the path, or one of pyenv."""
    version = image.stem.partition("_")[0].removeprefix("python")
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    on_path = [shutil.which(f"python{version}")]
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for found in filter(None, [*of_pyenv, *on_path]):  # pyenv's name on the path may stand for no version at all
        if subprocess.run([str(found), "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(found)
    pytest.skip(f"Python {version} is not installed")


def preset_python(folder: Path, python: str, preset: dict[str, str]) -> Path:
    """A Python in which pip sees the preset packages; their code is not needed to resolve."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder / "image")], check=True)
    made = folder / "image" / "bin" / "python"
    ask = [str(made), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    for name, version in preset.items():
        info = packages / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n")
    return made
