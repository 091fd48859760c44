"""Messages and log records that stay on one line each, so that a name or label from a file cannot forge another."""

from __future__ import annotations

import logging
import re

# C0 and C1 controls, line and paragraph separators, marks that reverse the reading direction, and half characters.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text with everything escaped that could start a new line, move the cursor or not be encoded."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


class OneLineFormatter(logging.Formatter):
    """Keeps each record on one line; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by the standard library
        """The record's line."""
        return one_line(super().formatMessage(record))
