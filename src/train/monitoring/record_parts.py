"""Splits a loss record into parts of bounded size, so that a checkpoint only uploads the parts that changed.

Part 0 is named like the record itself, the others are numbered from 1; one after the other they are the record. Only
the last one still changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from src.files import write_atomically

#: Lines of a part: some 2.5 MB, uploaded again at each checkpoint until the part is full.
PART_LINES = 10_000
#: Folder beside the record in which the parts are made.
FOLDER = "parts"


def part_name(record: str, number: int) -> str:
    """The file name of a part: `loss-rank0.jsonl`, `loss-rank0.1.jsonl`, …"""
    stem, ending = os.path.splitext(record)
    return f"{stem}.{number}{ending}" if number else record


class RecordParts:
    """Cuts the record at `path`, which only grows, into files of `most_lines` lines; `number` is the last part's."""

    def __init__(self, path: Path, most_lines: int = PART_LINES) -> None:
        self._path, self._most_lines = path, most_lines
        self.number = self._start = 0  # of the part that may still grow, and its first byte

    def changed(self) -> Iterator[Path]:
        """The parts that have grown since the last call, all of them at the first; raises OSError.

        A part counts as taken once the next one is asked for. A line that is still being written follows with the next
        call.
        """
        with self._path.open("rb") as file:
            file.seek(self._start)
            while True:
                lines = self._lines(file)
                yield self._write(lines)
                if len(lines) < self._most_lines:
                    return
                self.number += 1
                self._start += sum(map(len, lines))

    def _lines(self, file: Iterable[bytes]) -> list[bytes]:
        """The whole lines of one part."""
        lines: list[bytes] = []
        for raw in file:
            if raw.endswith(b"\n"):
                lines.append(raw)
            if len(lines) == self._most_lines:
                break
        return lines

    def _write(self, lines: list[bytes]) -> Path:
        part = self._path.parent / FOLDER / part_name(self._path.name, self.number)
        write_atomically(part, lines)
        return part


def join_parts(parts: Iterable[Path], record: Path) -> None:
    """Join the parts of a record in order; raises OSError."""
    write_atomically(record, (part.read_bytes() for part in parts))
