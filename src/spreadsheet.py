"""CSV that spreadsheets open as text and numbers, never as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

#: A cell that begins like this is a formula to Excel and its kin, also behind blanks.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "＝", "＋", "－", "＠")


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows of a table in UTF-8, without a byte order mark; what is not Unicode becomes a question mark."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """Numbers as they are, nothing as an empty cell, text without a meaning to the spreadsheet."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) else text
