"""Messages stay on one line whatever is in them; sizes and counts are readable."""

from __future__ import annotations

import io
import logging

import pytest

from obs_sync import NotFound
from obs_sync.formatting import SingleLineFormatter, human_size, nearest, one_line, plural

FORGED = "x.jpg\nINFO training finished\r\x1b[2K\u2028INFO\u202egpj.exe\udcff\x85"


def test_no_character_starts_a_line_or_moves_the_cursor() -> None:
    line = one_line(FORGED)
    assert len(line.splitlines()) == 1
    assert not set(line) & set("\n\r\x1b\u2028\u202e\x85")
    line.encode()
    assert one_line("图片 ünï 1.jpg") == "图片 ünï 1.jpg"


def test_errors_are_one_line() -> None:
    error = NotFound("no such object", url=f"obs://b/{FORGED}", next_step="check")
    assert len(str(error).splitlines()) == 1


def test_log_records_cannot_be_forged() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(SingleLineFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("forged")
    logger.addHandler(handler)
    logger.warning("cannot read %s", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("failed")
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines if not line.startswith("  ")] == ["WARNING", "ERROR"]
    assert any(line.startswith("  ValueError: x.jpg") for line in lines)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (999_960, "1.0 MB")],
)
def test_sizes(size: int, text: str) -> None:
    assert human_size(size) == text


def test_plurals_and_near_words() -> None:
    assert [plural(1, "file"), plural(2, "entry"), plural(1200, "file")] == ["1 file", "2 entries", "1,200 files"]
    assert nearest("storage_mod", ["endpoint", "storage_mode"]) == "storage_mode"
    assert nearest("xyz", ["endpoint"]) == ""
