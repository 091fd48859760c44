"""Table and page, made piece by piece as pictures finish and put together in the order of the names at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from src.actions import Action
from src.files import writing
from src.infer.output.journal import Lines, Place
from src.infer.output.results import ResultLine, count_results, write_pieces
from src.infer.report.csv_table import table_head, table_rows
from src.infer.report.page import REPORT_FILE, TABLE_FILE, page_html, picture_entry
from src.infer.report.signs import judgements_of
from src.translations import Catalog

#: The pieces of an unfinished report, below the output folder.
PIECES_FILE = ".report.pieces"


class _Piece(NamedTuple):
    """Of which line it is, where it begins in the file, how long its two parts are, and what the line counts."""

    line: Place
    start: int
    row_bytes: int
    entry_bytes: int
    counts: tuple[tuple[str, int], ...]


class Pieces:
    """What table, page and summary say of each picture; kept in a file that `close` removes.

    Not to be used by two threads at a time.
    """

    def __init__(self, folder: Path, action: Action) -> None:
        self._action, self._path = action, folder / PIECES_FILE
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w+b")
        self._end = 0
        self._catalog = Catalog()
        self._pieces: dict[str, _Piece] = {}
        self._counts: dict[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]] = {}

    def add(self, line: ResultLine, place: Place) -> None:
        """Make the piece of a picture from its line, which is at `place`; it replaces an earlier one."""
        judgements = judgements_of(line, self._action)
        rows = table_rows(line, judgements, self._action)
        entry = picture_entry(line, judgements, self._catalog).encode()
        with writing(self._path):
            self._file.seek(self._end)
            self._file.write(rows + entry)
        counts = tuple(count_results([line]).items())
        counts = self._counts.setdefault(counts, counts)  # most pictures count the same
        self._pieces[line["file"]] = _Piece(place, self._end, len(rows), len(entry), counts)
        self._end += len(rows) + len(entry)

    def add_missing(self, lines: Lines, names: Iterable[str]) -> None:
        """Make the pieces of these pictures that are not there yet, or are of another line than that in `lines`."""
        for name in names:
            if not self.has(name, lines.place_of(name)):
                self.add(lines[name], lines.place_of(name))

    def has(self, name: str, place: Place) -> bool:
        """Whether there is a piece made of the line at `place`."""
        return name in self._pieces and self._pieces[name].line == place

    def counts(self, names: Iterable[str]) -> dict[str, int]:
        """`count_results` of the lines of these pictures."""
        total = Counter(count_results([]))
        for counts, times in Counter(self._pieces[name].counts for name in names).items():
            total.update({key: times * value for key, value in counts})
        return dict(total)

    def write(self, folder: Path, names: Iterable[str], summary: Mapping[str, object]) -> None:
        """Write index.html and results.csv; `names`: in their order. OutputError where they cannot be written."""
        names = list(names)
        write_pieces(folder / TABLE_FILE, self._table(names))
        entries = (self._read(piece.start + piece.row_bytes, piece.entry_bytes) for piece in self._of(names))
        html = page_html((entry.decode() for entry in entries), self._catalog, summary, self._action)
        write_pieces(folder / REPORT_FILE, (text.encode("utf-8", "replace") for text in html))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _table(self, names: Iterable[str]) -> Iterator[bytes]:
        yield table_head(self._action)
        for piece in self._of(names):
            yield self._read(piece.start, piece.row_bytes)

    def _of(self, names: Iterable[str]) -> Iterator[_Piece]:
        return (self._pieces[name] for name in names)

    def _read(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        return self._file.read(count)


def write_report(folder: Path, results: Iterable[ResultLine], summary: Mapping[str, object], action: Action) -> None:
    """Write index.html and results.csv of these lines of results.jsonl, judged by `action`, into `folder`.

    `summary`: the content of summary.json, any of whose keys may be missing. OutputError where they cannot be written.
    """
    pieces = Pieces(folder, action)
    try:
        names = []
        for number, line in enumerate(results):
            pieces.add(line, (folder, number))
            names.append(line["file"])
        pieces.write(folder, names, summary)
    finally:
        pieces.close()
