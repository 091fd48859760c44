"""What to do when a package is not installed, in one line instead of a traceback. Imports the standard library only."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
EXIT_CODE = 2
#: Import names of the packages in requirements*.txt that differ from the names that pip knows, and the others.
_PIP_NAMES = {
    **{"cv2": "opencv-python-headless", "yaml": "pyyaml", "PIL": "pillow", "obs": "esdk-obs-python"},
    **{"huaweicloudsdkmodelarts": "huaweicloudsdkmodelarts", "huaweicloudsdkcore": "huaweicloudsdkmodelarts"},
    **{
        name: name
        for name in (
            *("numpy", "tqdm", "pycocotools", "fsspec", "jinja2", "matplotlib", "tensorboardX", "mindspore"),
            *("filelock", "psutil", "onnxruntime", "openvino", "scipy", "pandas"),
        )
    },
}


def explain_missing_packages() -> None:
    """From now on an import of a package that is not installed ends the program with one line and exit code 2."""
    sys.excepthook = _explain


def advice(package: str) -> str:
    """What is missing and the next step: the project's environment if it exists, else how to make it."""
    missing = f"error: {sys.executable} (Python {sys.version.split()[0]}) lacks the package {package}"
    environment = ROOT / ".venv"
    if (environment / "bin" / "activate").is_file() and Path(sys.prefix).resolve() != environment.resolve():
        return f"{missing}; run: source {environment / 'bin' / 'activate'}"
    if Path(sys.prefix).resolve() == environment.resolve() or not (ROOT / "Makefile").is_file():
        return f"{missing}; run: {sys.executable} -m pip install {package}"
    return f"{missing}; run: make setup && source .venv/bin/activate (in {ROOT})"


def _explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name not in _PIP_NAMES:
        sys.__excepthook__(kind, error, traceback)
        return
    print(advice(_PIP_NAMES[name]), file=sys.stderr)
    sys.exit(EXIT_CODE)
