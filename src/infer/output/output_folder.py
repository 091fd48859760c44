"""Output folders: a new one for a new run, the unfinished one for a run that was interrupted."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from src.errors import OutputError
from src.files import lock_file, writing
from src.infer.output.results import SUMMARY_FILE, write_json
from src.json_text import parse_json_object

logger = logging.getLogger(__name__)

PREFIX = "output_img"
#: Says which run a folder belongs to; written first, while summary.json is written last.
RUN_FILE = "run.json"
#: Changes with the form of result lines: a run is not continued in the folder of an older form.
RESULTS_VERSION = 2


def run_digest(facts: Mapping[str, object]) -> str:
    """A short name for everything that decides what the results are: equal digests, equal results."""
    facts = {**facts, "results_version": RESULTS_VERSION}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


class OutputFolder:
    """A folder of results that this process works in; `close` gives it free for others."""

    def __init__(self, path: Path, lock: FileLock | None) -> None:
        self.path = path
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def unfinished_folders(parent: Path, digest: str, rank: int = 0) -> Iterator[OutputFolder]:
    """The folders in `parent` that runs of this digest have left unfinished and no process here works in, newest first.

    Close those that are not used.
    """
    for path in sorted(parent.glob(f"{PREFIX}*"), reverse=True):
        if recorded_digest(path) == digest and not (path / SUMMARY_FILE).exists():
            is_free, lock = _lock(path, rank)
            if is_free:
                yield OutputFolder(path, lock)


def new_output_folder(parent: Path, digest: str = "", rank: int = 0) -> OutputFolder:
    """A new folder `output_img<timestamp>` in `parent`; OutputError when it cannot be made."""
    while True:
        path = parent / f"{PREFIX}{datetime.now():%Y%m%d%H%M%S}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            break
        except FileExistsError:
            if parent.is_file():
                raise OutputError(f"{parent}: is a file, not a folder for results") from None
            time.sleep(0.2)  # another job took this second's name
        except OSError as error:
            raise OutputError(f"{parent}: results cannot be written there: {error.strerror or error}") from None
    _, lock = _lock(path, rank)
    write_json(
        path / RUN_FILE, {"digest": digest, "started": datetime.now().astimezone().isoformat(timespec="seconds")}
    )
    return OutputFolder(path, lock)


def recorded_digest(folder: Path) -> str:
    """The digest in a folder's run.json, empty when there is none."""
    try:
        return str(parse_json_object((folder / RUN_FILE).read_bytes()).get("digest", ""))
    except (OSError, ValueError):
        return ""


def _lock(folder: Path, rank: int) -> tuple[bool, FileLock | None]:
    """Whether no other process works in the folder, and the lock that tells others so where the disk has locks."""
    path = folder / f".rank{rank}.lock"
    with writing(path):
        path.touch()
    try:
        lock = lock_file(path)
    except OSError as error:  # a file system without locks
        logger.debug("%s: no lock: %s", path, error)
        return True, None
    return lock is not None, lock
