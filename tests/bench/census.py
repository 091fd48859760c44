"""How large the code base is and how it hangs together: files per folder, lines, import cycles, modules per task.

    python -m tests.bench.census [--root=OTHER_CHECKOUT]

Lines are physical lines of Python in src, modelarts and obs_sync. Modules per task are this project's modules that are
loaded when a task is done: one picture judged by the inference job, one file uploaded in mode local.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ("src", "modelarts", "obs_sync")
ROOT = Path(__file__).resolve().parents[2]

COUNT = f"""
loaded = sorted(name for name in sys.modules if name.split(".")[0] in {PACKAGES!r})
print("MODULES", len(loaded))
"""

UPLOAD = """
import sys
from pathlib import Path
import obs_sync
Path("bucket").mkdir()
Path("file").write_text("x")
obs_sync.configure(storage_mode="local", obs_local_root=".")
obs_sync.copy("file", "obs://bucket/file")
"""

PICTURE = """
import runpy, sys
boot_file = sys.argv[1]
sys.argv = [boot_file, "--network=mobilenet_v2", "--stages=1", "--infer_insize=64", "--device_target=CPU",
            "--target_action_type=climb_up", "--pic_folder_path_relative=pictures",
            "--checkpoint_folder_path_relative=.", "--checkpoint_filename=small.ckpt"]
try:
    runpy.run_path(boot_file, run_name="__main__")
except SystemExit as ended:
    assert not ended.code, "the inference job failed"
"""

CHECKPOINT = """
from pathlib import Path
import cv2, numpy as np
from src.net.build import build_network, choose_device
try:
    from src.train.checkpoints.checkpoint import network_meta, write_checkpoint
except ImportError:
    from src.train.checkpoint import network_meta, write_checkpoint
choose_device("CPU")
write_checkpoint(build_network("mobilenet_v2", 1), Path("small.ckpt"), network_meta("mobilenet_v2", 1))
Path("pictures").mkdir()
cv2.imwrite("pictures/a.png", np.zeros((64, 64, 3), np.uint8))
"""

CYCLES = f"""
import grimp
graph = grimp.build_graph(*{PACKAGES!r}, cache_dir=None)
for root in {PACKAGES!r}:
    for ancestor in [root, *sorted(graph.find_descendants(root))]:
        breakers = graph.nominate_cycle_breakers(ancestor)
        for importer, imported in sorted(breakers):
            print("CYCLE", importer, imported)
"""


def files_per_folder(root: Path) -> dict[str, int]:
    """Python files by folder, without empty __init__.py files; the largest first."""
    counts: dict[str, int] = {}
    for path in python_files(root):
        if path.name != "__init__.py" or path.stat().st_size:
            folder = path.parent.relative_to(root).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def python_files(root: Path) -> list[Path]:
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def lines(root: Path) -> int:
    """Physical lines of Python."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(root))


def run(code: str, root: Path, folder: Path, *arguments: str) -> list[str]:
    """The output lines of Python code that imports the project from `root` and works in `folder`."""
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "GLOG_v": "3", "HOME": str(folder)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to look at [%(default)s]")
    root: Path = parser.parse_args().root.resolve()
    folders = files_per_folder(root)
    print(f"python files: {sum(folders.values())} in {len(folders)} folders, lines: {lines(root)}")
    for folder, count in list(folders.items())[:12]:
        print(f"  {count:3} {folder}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        cycles = [line.split() for line in run(CYCLES, root, work) if line.startswith("CYCLE")]
        print(f"import cycles (dependencies to cut): {len(cycles)}")
        for _, importer, imported in cycles:
            print(f"  {importer} -> {imported}")
        uploaded = run(UPLOAD + COUNT, root, work)[-1].split()[1]
        run(CHECKPOINT, root, work)
        judged = run(PICTURE + COUNT, root, work, str(root / "test_tmp.py"))[-1].split()[1]
    print(f"modules loaded: {judged} for one picture, {uploaded} for one upload")


if __name__ == "__main__":
    main()
