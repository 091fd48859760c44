"""The table: results.csv, one line a person, as a spreadsheet opens it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

_OCCURRED = {True: "occurred", False: "did not occur", None: "undecided"}
_VERDICT = {1: "yes", 0: "no", -1: "cannot be judged"}
_FIRST_COLUMNS = ("file", "status", "width", "height", "person", "occurred", "why", "score", "joints")

#: A cell that begins like this is a formula to Excel and its kin, also behind blanks.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "＝", "＋", "－", "＠")


def results_csv(results: Collection[Mapping[str, Any]]) -> Iterator[bytes]:
    """The table piece by piece: UTF-8 with a byte order mark; pictures without persons have one line of their own.

    For each criterion three columns: verdict, measured value, threshold. Text that a spreadsheet would compute is
    written behind an apostrophe.
    """
    people = (person for line in results for person in line.get("persons") or ())
    labels = list(dict.fromkeys(label for person in people for label in person.get("criteria") or {}))
    criteria = [column for label in labels for column in (label, f"{label} measured", f"{label} threshold")]
    yield codecs.BOM_UTF8 + _as_bytes([[*_FIRST_COLUMNS, *criteria, "seconds", "error"]])
    for line in results:
        persons = enumerate(line.get("persons") or (None,), start=1)
        yield _as_bytes(_row(line, number, person, labels) for number, person in persons)


def _as_bytes(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _row(line: Mapping[str, Any], number: int, person: Mapping[str, Any] | None, labels: Sequence[str]) -> list[Any]:
    """The values of one line: the picture's, the person's and the criteria's (empty without one), the rest."""
    row = [line["file"], line["status"], line.get("width", 0), line.get("height", 0)]
    if person is None:
        row += [""] * (len(_FIRST_COLUMNS) - len(row) + 3 * len(labels))
    else:
        found = sum(confidence > 0 for _, _, confidence in person["keypoints"])
        row += [number, _OCCURRED.get(person.get("occurred"), ""), person.get("text", ""), person["score"], found]
        for label in labels:
            row += _criterion((person.get("criteria") or {}).get(label))
    return [*row, line.get("seconds", 0.0), line.get("error", "")]


def _criterion(criterion: Mapping[str, Any] | None) -> list[Any]:
    if criterion is None:
        return ["", "", ""]
    threshold = criterion.get("threshold")
    if isinstance(threshold, (list, tuple)):
        threshold = " to ".join(f"{bound:g}" for bound in threshold)
    return [_VERDICT.get(criterion["verdict"], ""), criterion.get("measured"), threshold]


def _cell(value: Any) -> Any:
    """Numbers as they are, nothing as an empty cell, text without a meaning to the spreadsheet."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) else text
