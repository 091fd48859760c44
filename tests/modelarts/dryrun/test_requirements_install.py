"""Requirements are installed into the container, over what this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.errors import JobError
from tests.modelarts.dryrun.conftest import TELL, Bench


def test_what_is_there_needs_no_connection_and_what_is_missing_goes_into_the_container_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = bench.folder / "checkout" / "tiny"
    package.mkdir(parents=True)
    wheel = _make_wheel(package)
    (bench.folder / "checkout" / "requirements.txt").write_text(f"pyyaml>=5\n{wheel}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    script = TELL + "\nimport openpose_tiny_test_package as tiny\nprint('installed', tiny.__file__)"
    run = bench.prepare(script, {"install_requirements": True}, code={"folder": "checkout", "files": ["."]})
    assert run.run() == 0
    assert "installing requirements.txt" in "".join(bench.lines)
    where = next(line for line in bench.lines if line.startswith("installed"))
    assert (run.container.root / where.strip().partition("…/")[2]).is_file()  # paths in the container are shortened
    with pytest.raises(ModuleNotFoundError):
        __import__("openpose_tiny_test_package")


def test_requirement_that_cannot_be_had_is_one_clear_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "checkout").mkdir()
    (bench.folder / "checkout" / "pip-requirements.txt").write_text("no-such-package-of-ours\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    run = bench.prepare(TELL, {"install_requirements": True}, code={"folder": "checkout", "files": ["."]})
    with pytest.raises(
        JobError, match=r"pip-requirements\.txt: could not install all requirements .* --no-requirements"
    ) as caught:
        run.run()
    log = str(caught.value).split("see ")[1].split(",")[0]
    assert "no-such-package-of-ours" in Path(log).read_text()


def _make_wheel(folder: Path) -> Path:
    """The smallest wheel that pip installs."""
    import zipfile

    name = "openpose_tiny_test_package"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path
