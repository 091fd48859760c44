"""Text for users: messages on one line, sizes in units, plurals, and the nearest known word."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable

# C0 and C1 controls, line and paragraph separators, and the marks that reverse the reading direction.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def one_line(text: str) -> str:
    """The text with characters escaped that start a new line, move the cursor or cannot be encoded."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


def human_size(size: int) -> str:
    """A number of bytes in decimal units: `999 bytes`, `1.2 MB`."""
    value, unit = float(size), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else plural(size, "byte")


def plural(count: int, noun: str) -> str:
    """The count with its noun: `1 file`, `2 files`, `3 entries`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to a mistyped one, or an empty string when none is close."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


class SingleLineFormatter(logging.Formatter):
    """Log formatter that keeps each message on one line, so that a file name cannot forge log lines.

    A traceback keeps its lines, each indented so that it cannot be mistaken for a record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by the standard library
        """The record's line, with control characters escaped."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - named by the standard library
        """The traceback, indented, with control characters escaped."""
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"  {one_line(line)}" for line in lines)


def single_line_handler(form: str, times: str | None = None) -> logging.Handler:
    """A log handler to stderr that keeps each message on one line; `times` is the format of `%(asctime)s`."""
    handler = logging.StreamHandler()
    handler.setFormatter(SingleLineFormatter(form, times))
    return handler
