"""Incremental, thinned view of a loss record for plots and pages.

The work at a checkpoint is then that of the lines added since the last one, whatever the length of the run.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TypedDict, cast

#: Lines kept before every second one is dropped.
MOST_LINES = 20_000


class ValidationEntries(TypedDict, total=False):
    """What a validation adds to the line of its step."""

    val_loss: float
    val_share: float
    val_ap: float
    val_pck: float
    val_recall: float
    val_pictures: int
    val_persons: int
    val_s: float


class SavedEntry(TypedDict, total=False):
    """What a checkpoint adds to the line of its step: its file name."""

    checkpoint: str


class RecordLine(ValidationEntries, SavedEntry, total=False):
    """A step's line of the loss record."""

    time: float  # seconds since 1970
    global_step: int
    epoch: int
    step: int
    loss: float
    loss_share: float  # of the loss of predicting nothing
    lr: float
    data_wait_s: float
    data_wait_share: float
    step_s: float


class RecordView:
    """Every `every`-th step's line of a record file, fewer where there are too many; all lines with a validation.

    Lines of checkpoints are kept as well. The file may be appended to or replaced between two calls.
    """

    def __init__(self, path: Path, every: int = 1) -> None:
        self._path = path
        self._first_every = self._every = every
        self._inode = self._read_to = 0
        self._room = MOST_LINES
        self._kept: list[RecordLine] = []

    def lines(self) -> list[RecordLine]:
        """The lines so far; empty without a file. A line that is still being written follows with the next call."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._read_to:
                    self._reset()
                    self._inode = status.st_ino
                file.seek(self._read_to)
                for raw in file:
                    if raw.endswith(b"\n"):
                        self._read_to += len(raw)
                        self._take(raw)
        except FileNotFoundError:
            self._reset()
        return list(self._kept)

    def _take(self, raw: bytes) -> None:
        line = parse_line(raw)
        if line is not None and self._is_kept(line):
            self._kept.append(line)
            if len(self._kept) > self._room:
                self._every *= 2
                self._kept = [each for each in self._kept if self._is_kept(each)]
                self._room = max(MOST_LINES, 2 * len(self._kept))

    def _is_kept(self, line: RecordLine) -> bool:
        return line["global_step"] % self._every == 0 or "val_loss" in line or "checkpoint" in line

    def _reset(self) -> None:
        self._inode = self._read_to = 0
        self._every = self._first_every
        self._room = MOST_LINES
        self._kept = []


@lru_cache(maxsize=8)
def record_view(path: Path, every: int = 1) -> RecordView:
    """The view of a record file, the same one each time."""
    return RecordView(path, every)


def parse_line(raw: bytes) -> RecordLine | None:
    """One line of a record; None when it is damaged."""
    try:
        line = json.loads(raw.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return None
    return cast(RecordLine, line) if isinstance(line, dict) and isinstance(line.get("global_step"), int) else None
