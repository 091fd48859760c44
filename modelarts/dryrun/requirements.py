"""Installing a job's requirements over what is there already, as the platform does over its preset image."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from src.errors import JobError

#: The file names that the platform looks for in the code dir, first come first served.
FILE_NAMES = ("pip-requirement.txt", "pip-requirements.txt", "requirement.txt", "requirements.txt")
_TIMEOUT_S = 1800


def requirements_file(code_dir: Path) -> Path | None:
    """The file that the platform would install from, if the code has one."""
    return next((code_dir / name for name in FILE_NAMES if (code_dir / name).is_file()), None)


def make_interpreter(folder: Path) -> Path:
    """A Python of its own in `folder` that sees all packages of this one; what is installed into it stays there."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    _run(command, {**os.environ}, folder.parent / "venv.log", f"{folder}: could not create a Python environment there")
    python = folder / "bin" / "python"
    here = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    inside = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # addsitedir, because packages of this Python may themselves hang on .pth files
    lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    (Path(inside) / "packages_of_the_laptop.pth").write_text(lines, encoding="utf-8")
    return python


def install(file: Path, python: Path, environment: Mapping[str, str], log: Path) -> None:
    """Install what is missing; without a connection this works when nothing is. JobError, naming the log, otherwise."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",  # the log is the job's: what is there already, and where pip looked, does not belong in it
        "--no-input",
        "--disable-pip-version-check",
    ]
    problem = f"{file.name}: could not install all of it (no connection?); see {log}"
    _run(
        [*command, "--retries", "1", "-r", str(file)],
        environment,
        log,
        f"{problem}, or skip it with --no-requirements",
    )


def _run(command: list[str], environment: Mapping[str, str], log: Path, problem: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise JobError(f"{problem} (stopped after {_TIMEOUT_S} s)") from None
    if done.returncode:
        raise JobError(problem)
