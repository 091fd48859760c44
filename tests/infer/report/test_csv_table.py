"""The table as a spreadsheet reads it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from src.infer.report.csv_table import table_head, table_rows
from src.infer.report.signs import judgements_of
from tests.infer.example_results import ACTION, NAMES, line, sample_results


def read_table(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows = (table_rows(line, judgements_of(line, ACTION), ACTION) for line in results)
    data = b"".join((table_head(ACTION), *rows))
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_table_has_a_line_for_each_person_and_for_pictures_without() -> None:
    rows = read_table(sample_results())
    assert [(row["file"], row["person"]) for row in rows[:3]] == [(NAMES[0], "1"), (NAMES[1], "1"), (NAMES[1], "2")]
    assert [row["occurred"] for row in rows] == [
        "did not occur",
        "occurred",
        "did not occur",
        "undecided",
        "did not occur",
        "",
        "occurred",
        "",
    ]
    assert rows[1]["why"] == "1 of 2 signs hold, 1 cannot be judged; 1 needed"
    assert rows[1]["hand"] == "yes"
    assert float(rows[1]["hand measured"]) == 0.42
    assert float(rows[1]["hand threshold"]) == 0.25
    assert (rows[1]["knee"], rows[1]["knee measured"], rows[1]["knee threshold"]) == (
        "cannot be judged",
        "",
        "30 to 60",
    )
    assert rows[-1]["status"] == "unreadable"
    assert rows[-1]["error"] == "broken <b>x</b>.jpg: truncated"
    assert rows[0]["joints"] == "17"


@pytest.mark.parametrize(
    "name",
    [
        "=1+1.jpg",
        "+1.jpg",
        "-1.jpg",
        "@SUM(A1).jpg",
        "\t=1.jpg",
        "\r=1.jpg",
        " =1.jpg",
        "＝1.jpg",
        "=cmd|' /C calc'!A0",
    ],
)
def test_names_are_never_formulas(name: str) -> None:
    cell = read_table([line(name)])[0]["file"]
    assert cell == f"'{name}"


def test_names_with_quotes_commas_and_line_breaks_stay_in_their_cell() -> None:
    names = ['a",=1+1,"b.jpg', "a\r\n=1+1.jpg", "a;b.jpg", "…\u2028.jpg"]
    assert [row["file"] for row in read_table([line(name) for name in names])] == names


def test_negative_numbers_stay_numbers() -> None:
    assert read_table(sample_results())[0]["hand measured"] == "-0.1"


def test_an_empty_run_has_a_heading() -> None:
    assert table_head(ACTION).decode("utf-8-sig").startswith('"file","status"')
