"""What a job has finished so far, kept so that a job killed at any moment can be continued.

Every process appends to a file of its own, one line a picture, after that picture's files are in place. A line that was
cut off by a kill does not count.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from src.infer.results import RESULTS_FILE, writing

logger = logging.getLogger(__name__)

Line = Mapping[str, Any]


def journal_name(rank: int, rank_size: int) -> str:
    """The file a process writes its lines to: results.jsonl itself when it is alone."""
    return RESULTS_FILE if rank_size == 1 else f"results.part{rank}.jsonl"


def journals_in(folder: Path) -> list[Path]:
    """Files with result lines of any process of this job, or of one before it with another number of cards."""
    return sorted(path for path in folder.glob("results*.jsonl") if path.is_file())


def parse_lines(text: str) -> list[dict[str, Any]]:
    """The whole lines of a journal; one that is cut off or damaged is left out, its picture will be judged again."""
    lines = []
    for raw in text.split("\n")[:-1]:
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("file"), str) and "status" in line:
            lines.append(line)
        else:
            logger.warning("a damaged line of the results so far is left out")
    return lines


def read_journals(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest line of each picture by its name, from all journals in `folder`."""
    return by_file(line for path in journals_in(folder) for line in read_journal(path))


def read_journal(path: Path) -> list[dict[str, Any]]:
    return parse_lines(path.read_text(encoding="utf-8", errors="replace"))


def by_file(lines: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(line["file"]): line for line in lines}


class Journal:
    """One process's file of result lines, open for more; use as a context manager.

    A half line at its end, left by a kill, is cut off first. Each line is handed to the system at once, so it outlives
    the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            self._file.truncate(self._file.read().rfind(b"\n") + 1)

    def append(self, line: Line) -> None:
        with writing(self.path):
            self._file.write(as_bytes(line))
            self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def as_bytes(line: Line) -> bytes:
    """A result as one line of results.jsonl; names that are no valid text keep their bytes as escapes."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(line).encode() + b"\n"
