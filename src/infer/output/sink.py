"""Where results go besides the local output folder, and how the processes of a job see each other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from src.infer.output.journal import Lines, OnLine, ignore_line, journals_in
from src.infer.output.results import ResultLine


class ResultSink(Protocol):
    """Files of the output folder are handed over when they are complete; they are delivered while the job goes on."""

    not_stored: dict[str, str]  # files that can never be delivered, with the reason

    @property
    def look_every_s(self) -> float:
        """How often looking for what others have delivered makes sense."""

    def previous_lines(self) -> Lines:
        """Lines of pictures that an interrupted run has delivered, by the picture's name."""

    def enqueue(self, names: Sequence[str], line: ResultLine | None = None) -> None:
        """These files (relative to the output folder) are complete, and the line vouches for them; returns at once."""

    def flush(self) -> None:
        """Return when everything handed over has arrived, in that order; OSError or JobError when it cannot."""

    def collect(self, on_line: OnLine = ignore_line) -> Lines:
        """Lines that the other processes of the job have delivered so far, by the picture's name.

        `on_line` is told of those that are new since the last call.
        """

    def remove(self, names: Sequence[str]) -> None:
        """Remove delivered files that are of no more use."""


class LocalResultSink:
    """The output folder itself is where the results belong; other processes work in the same folder.

    `confirm` raises when another job has taken the folder over.
    """

    look_every_s = 0.5

    def __init__(self, folder: Path, journal: str, confirm: Callable[[], None] = lambda: None) -> None:
        self._folder, self._own, self._confirm = folder, folder / journal, confirm
        self._lines = Lines()
        self.not_stored: dict[str, str] = {}

    def previous_lines(self) -> Lines:
        return Lines()

    def enqueue(self, names: Sequence[str], line: ResultLine | None = None) -> None:
        """Nothing to do: they are there."""

    def flush(self) -> None:
        self._confirm()  # the files are there

    def collect(self, on_line: OnLine = ignore_line) -> Lines:
        self._lines.look_at((path for path in journals_in(self._folder) if path != self._own), on_line)
        return self._lines

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
