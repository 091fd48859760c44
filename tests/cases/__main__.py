"""Runs every case of the shared folder as its README says and compares with the outcome that it expects.

python -m tests.cases [NUMBER …]      the folder of cases is ../shared/cases, or below SHARED_DATA
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cases.expected import EXPECTED, Outcome

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared"))
WEIGHTS = SHARED / "weights" / "openpose_mobilenet_v2.npz"
COMMAND_S = 600


def commands_of(case: Path, out: Path, models: Path) -> list[str]:
    """The commands in a case's README, with its placeholders filled in."""
    text = (case / "README").read_text(encoding="utf-8")
    found = re.search(r"^Command: (.*)$", text, re.MULTILINE)
    assert found, case
    names = {"CASE": case, "OUT": out, "MODELS": models, "WEIGHTS.npz": WEIGHTS, "python": sys.executable}
    places = re.compile(r"\b(?:" + "|".join(re.escape(name) for name in names) + r")(?=[/ ;]|$)")
    filled = places.sub(lambda match: shlex.quote(str(names[match[0]])), found[1])
    return [each.strip() for each in filled.split(";") if each.strip()]


def run(case: Path, models: Path) -> Outcome:
    """Run a case's commands one after the other in a folder of its own."""
    out = Path(tempfile.mkdtemp(prefix=f"case_{case.name[:2]}_"))
    expected = EXPECTED[int(case.name[:2])]
    before = expected.prepare(case.parent, out, WEIGHTS) if expected.prepare else None
    codes, output = [], ""
    for command in commands_of(case, out, models):
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=COMMAND_S)
        codes.append(done.returncode)
        output += (done.stdout + done.stderr).decode(errors="replace")
    return Outcome(case, out, codes, output, before)


def import_models(folder: Path) -> Path:
    """The shared small weights as m.ckpt, which the cases call MODELS."""
    command = [sys.executable, "-m", "src.tools.import_weights", f"--input={WEIGHTS}", "--network=mobilenet_v2"]
    subprocess.run([*command, f"--output={folder / 'm.ckpt'}"], cwd=ROOT, check=True, capture_output=True)
    return folder


def main(numbers: list[str]) -> int:
    """Print a line for each case; returns 1 when one of them has another outcome than expected."""
    cases = [each for each in sorted((SHARED / "cases").iterdir()) if not numbers or each.name[:2] in numbers]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="models_") as folder:
        models = import_models(Path(folder))
        for case in cases:
            problem = EXPECTED[int(case.name[:2])].problem(run(case, models))
            failed += bool(problem)
            print(f"{'FAILED' if problem else 'ok':<7}{case.name}{f': {problem}' if problem else ''}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} cases have the outcome that they expect")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
