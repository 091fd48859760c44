"""What a job has finished so far, kept so that a job killed at any moment can be continued.

Every process appends to a file of its own, one line a picture, after that picture's files are in place. A line that was
cut off by a kill does not count.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Callable, cast

from src.files import writing
from src.infer.output.results import RESULTS_FILE, ResultLine
from src.json_text import parse_json_object

logger = logging.getLogger(__name__)

#: Where a line begins: its journal, and the position in it in bytes.
Place = tuple[Path, int]
#: Told of each line that is read or written, and where it is.
OnLine = Callable[[ResultLine, Place], None]

#: Folder of the segments in which results are delivered to OBS, below the output folder there.
SEGMENTS = "journal"

_BLOCK = 1 << 16


def journal_name(rank: int, rank_size: int) -> str:
    """The file a process writes its lines to: results.jsonl itself when it is alone."""
    return RESULTS_FILE if rank_size == 1 else f"results.part{rank}.jsonl"


def journals_in(folder: Path) -> list[Path]:
    """Files with result lines of any process of this job, or of one before it with another number of cards."""
    found = [*folder.glob("results*.jsonl"), *folder.glob(f"{SEGMENTS}/*.jsonl")]
    return sorted(path for path in found if path.is_file())


def ignore_line(_line: ResultLine, _place: Place) -> None:
    """The callback for callers that do not need one."""


class Lines(Mapping[str, ResultLine]):
    """The newest line of each picture by its name, read from the journals when it is asked for.

    A line is up to a hundred kilobytes in memory: those of thousands of pictures stay on disk. Lines that are cut off
    or damaged are left out, their pictures will be judged again. The journals may grow meanwhile, but not change.
    """

    def __init__(self, journals: Iterable[Path] = ()) -> None:
        self._place: dict[str, Place] = {}
        self._read_to: dict[Path, int] = {}
        self.look_at(journals)

    def look_at(self, journals: Iterable[Path], on_line: OnLine = ignore_line) -> None:
        """Take note, and tell `on_line`, of the lines that have come to these journals since the last look."""
        for path in journals:
            position = self._read_to.get(path, 0)
            for raw in _whole_lines(path, position):
                line = _parsed(raw)
                if line is None:
                    logger.warning("%s: a damaged line is left out", path)
                else:
                    self._place[line["file"]] = path, position
                    on_line(line, (path, position))
                position += len(raw)
            self._read_to[path] = position

    def put(self, name: str, place: Place) -> None:
        """Take note of the picture's line, which has just been written there."""
        self._place[name] = place

    def place_of(self, name: str) -> Place:
        """Where the picture's line is."""
        return self._place[name]

    def raw(self, names: Iterable[str]) -> Iterator[bytes]:
        """The lines of these pictures as they are in the journals, each with its line feed."""
        with ExitStack() as stack:
            files: dict[Path, IO[bytes]] = {}
            for name in names:
                path, position = self._place[name]
                if path not in files:
                    files[path] = stack.enter_context(path.open("rb"))
                files[path].seek(position)
                yield files[path].readline()

    def only(self, names: Iterable[str]) -> Lines:
        """The lines of these pictures, in this order."""
        return self._at({name: self._place[name] for name in names})

    def before(self, others: Lines) -> Lines:
        """These lines, and the others' where there is none here."""
        return self._at({**others._place, **self._place})

    @staticmethod
    def _at(places: dict[str, Place]) -> Lines:
        lines = Lines()
        lines._place = places
        return lines

    def __getitem__(self, name: str) -> ResultLine:
        path, position = self._place[name]
        with path.open("rb") as file:
            file.seek(position)
            line = _parsed(file.readline())
        assert line is not None  # it was whole when its place was noted
        return line

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def __len__(self) -> int:
        return len(self._place)


def read_journals(folder: Path) -> Lines:
    """The lines of all journals in `folder`."""
    return Lines(journals_in(folder))


def _whole_lines(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        for raw in file:
            if raw.endswith(b"\n"):
                yield raw


def _parsed(raw: bytes) -> ResultLine | None:
    """The line as a value, None when it is damaged."""
    try:
        line = parse_json_object(raw)
    except ValueError:
        return None
    return cast(ResultLine, line) if _is_result(line) else None


def _is_result(line: Mapping[str, object]) -> bool:
    """Whether a line has what the job's counts and report need of it."""
    persons = line.get("persons")
    named = isinstance(line.get("file"), str) and line.get("status") in ("ok", "unreadable")
    return named and isinstance(persons, list) and all(_is_person(person) for person in persons)


def _is_person(person: object) -> bool:
    if not isinstance(person, dict) or type(person.get("occurred", 0)) not in (bool, type(None)):
        return False
    keypoints = person.get("keypoints")
    return isinstance(keypoints, list) and all(isinstance(joint, list) and len(joint) == 3 for joint in keypoints)


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
            self._end = end_of_lines(self._file)
            self._file.truncate(self._end)

    def append(self, raw: bytes) -> Place:
        """Write a line, with its line feed; returns where it begins."""
        place = self.path, self._end
        with writing(self.path):
            self._file.write(raw)
            self._file.flush()
        self._end += len(raw)
        return place

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def end_of_lines(file: IO[bytes]) -> int:
    """The position behind the last whole line; only as much as needed is read, from the end."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def as_bytes(line: ResultLine) -> bytes:
    """A result as one line of results.jsonl; names that are no valid text keep their bytes as escapes."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(line).encode() + b"\n"
