"""Installs a job's requirements on top of the installed packages, as the platform does on its preset image."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from src.errors import JobError

#: The file names that the platform looks for in the code dir; the first one found is used.
FILE_NAMES = ("pip-requirement.txt", "pip-requirements.txt", "requirement.txt", "requirements.txt")
_TIMEOUT_S = 1800


def requirements_file(code_dir: Path) -> Path | None:
    """The requirements file that the platform would use, if the code has one."""
    return next((code_dir / name for name in FILE_NAMES if (code_dir / name).is_file()), None)


def make_interpreter(folder: Path) -> Path:
    """Create a Python environment in `folder` that also sees this one's packages; returns its interpreter."""
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
    # addsitedir, because packages of this Python may depend on .pth files
    lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    (Path(inside) / "outer_packages.pth").write_text(lines, encoding="utf-8")
    return python


def install(file: Path, python: Path, environment: Mapping[str, str], log: Path) -> None:
    """Install missing packages, offline if none are missing; raises JobError that names the log."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",  # the log is the job's: pip's account of installed packages and indexes does not belong in it
        "--no-input",
        "--disable-pip-version-check",
    ]
    problem = f"{file.name}: could not install all requirements (no connection?); see {log}"
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
