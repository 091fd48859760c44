"""The local folder of a rank's checkpoints before they are published, with the files of earlier starts."""

from __future__ import annotations

import logging
from pathlib import Path

from src.files import LEFTOVERS, write_atomically, writing
from src.train.checkpoints.manifest import MANIFEST_ENDING, CheckpointName

logger = logging.getLogger(__name__)

RUN_FILE = ".run_id"
SET_ASIDE = "of-another-run"


def open_folder(folder: Path, run_id: str) -> None:
    """Create the folder; move files of a run other than `run_id` into a subfolder, and log its checkpoints.

    Raises OutputError when the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        former = read_run_id(folder)
        if former and former != run_id:
            _set_aside(folder, former)
        for part in folder.glob(LEFTOVERS):
            part.unlink(missing_ok=True)
        if run_id:
            write_run_id(folder, run_id)


def write_run_id(folder: Path, run_id: str) -> None:
    """Record which run the folder's content belongs to."""
    write_atomically(folder / RUN_FILE, run_id)


def read_run_id(folder: Path) -> str:
    """Which run the folder's content belongs to; empty if that is not recorded."""
    try:
        return (folder / RUN_FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def complete_leftovers(folder: Path) -> list[str]:
    """File names of unpublished checkpoints that are complete, that is, have a manifest; oldest first.

    Checkpoints without a manifest were still being written when the process ended: they are deleted.
    """
    names = [CheckpointName.of_manifest(path.name) for path in folder.glob(f"*{MANIFEST_ENDING}")]
    complete = {str(name) for name in names if name is not None and (folder / str(name)).is_file()}
    for path in folder.glob("openpose-train-rank*"):
        name = path.name[: -len(MANIFEST_ENDING)] if path.name.endswith(MANIFEST_ENDING) else path.name
        if name not in complete and CheckpointName.parse(name):
            path.unlink(missing_ok=True)
    return sorted(complete, key=lambda name: CheckpointName.parse(name) or CheckpointName(0, 0, 0))


def _set_aside(folder: Path, former: str) -> None:
    target = folder / SET_ASIDE / "".join(c for c in former if c.isalnum())[:32]
    moved = []
    for path in sorted(folder.iterdir()):
        if path.name != SET_ASIDE and path.is_file() and path.name not in (RUN_FILE, ".lock"):
            target.mkdir(parents=True, exist_ok=True)
            path.replace(target / path.name)
            moved += [path.name] if CheckpointName.parse(path.name) else []
    if moved:
        logger.warning("checkpoints of another run are not published; moved to %s: %s", target, ", ".join(moved))


def check_writable(folder: Path, content: str) -> Path:
    """Write settings.json into the folder; OutputError when that is impossible."""
    path = folder / "settings.json"
    with writing(folder):
        write_atomically(path, content)
    return path
