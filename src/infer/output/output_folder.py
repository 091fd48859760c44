"""Output folders: a new one for a new run, the unfinished one for a run that was interrupted."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # no such locks on Windows: there, do not start the same job twice at once
    fcntl = None  # type: ignore[assignment]

from src.errors import OutputError
from src.infer.output.results import SUMMARY_FILE, write_json, writing

logger = logging.getLogger(__name__)

PREFIX = "output_img"
#: Says which run a folder belongs to; written first, while summary.json is written last.
RUN_FILE = "run.json"


def run_digest(facts: Mapping[str, Any]) -> str:
    """A short name for everything that decides what the results are: equal digests, equal results."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content; OSError when it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class OutputFolder:
    """A folder of results that this process works in; `close` gives it free for others."""

    def __init__(self, path: Path, lock: Any) -> None:
        self.path = path
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def find_unfinished(parent: Path, digest: str, rank: int = 0) -> OutputFolder | None:
    """The newest folder in `parent` that a run of this digest has left unfinished, if nobody works in it."""
    for path in sorted(parent.glob(f"{PREFIX}*"), reverse=True):
        if recorded_digest(path) == digest and not (path / SUMMARY_FILE).exists():
            lock = _lock(path, rank)
            if lock is not None:
                return OutputFolder(path, lock)
    return None


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
    lock = _lock(path, rank)
    write_json(
        path / RUN_FILE, {"digest": digest, "started": datetime.now().astimezone().isoformat(timespec="seconds")}
    )
    return OutputFolder(path, lock)


def recorded_digest(folder: Path) -> str:
    """The digest in a folder's run.json, empty when there is none."""
    try:
        document = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(document.get("digest", "")) if isinstance(document, dict) else ""


def _lock(folder: Path, rank: int) -> Any:
    """An open file that is locked until this process ends, however it ends; None when another process has it."""
    path = folder / f".rank{rank}.lock"
    with writing(path):
        file = path.open("ab")
    if fcntl is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError as error:  # a file system without locks
        logger.debug("%s: no lock: %s", path, error)
    return file
