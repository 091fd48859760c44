"""The table: results.csv, one line a person, as a spreadsheet opens it."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from src.actions import Action, CriterionResult, Judgement
from src.infer.output.results import PersonLine, ResultLine
from src.spreadsheet import csv_rows

_OCCURRED = {True: "occurred", False: "did not occur", None: "undecided"}
_VERDICT = {1: "yes", 0: "no", -1: "cannot be judged"}
_FIRST_COLUMNS = ("file", "status", "width", "height", "person", "occurred", "why", "score", "joints")


def table_head(action: Action) -> bytes:
    """The first line, behind a byte order mark: for each criterion its verdict, measured value and threshold."""
    labels = [one.label for one in action.criteria]
    criteria = [column for label in labels for column in (label, f"{label} measured", f"{label} threshold")]
    return codecs.BOM_UTF8 + csv_rows([[*_FIRST_COLUMNS, *criteria, "seconds", "error"]])


def table_rows(line: ResultLine, judgements: Sequence[Judgement | None], action: Action) -> bytes:
    """A picture's lines in UTF-8, one a person, with its judgement; pictures without persons have one of their own.

    Text that a spreadsheet would compute is written behind an apostrophe.
    """
    persons = line.get("persons") or ()
    if not persons:
        return csv_rows([_row(line, [""] * (len(_FIRST_COLUMNS) - 4 + 3 * len(action.criteria)))])
    judged = enumerate(zip(persons, judgements), start=1)
    return csv_rows(_row(line, _of_person(number, person, one, action)) for number, (person, one) in judged)


def _row(line: ResultLine, of_person: list[object]) -> list[object]:
    first = [line["file"], line["status"], line.get("width", 0), line.get("height", 0)]
    return [*first, *of_person, line.get("seconds", 0.0), line.get("error", "")]


def _of_person(number: int, person: PersonLine, judgement: Judgement | None, action: Action) -> list[object]:
    """The values of the person and of the criteria."""
    why = judgement.explanation if judgement else ""
    found = sum(confidence > 0 for _, _, confidence in person["keypoints"])
    results = judgement.criteria if judgement else {}
    criteria = [value for one in action.criteria for value in _criterion(results.get(one.label))]
    return [number, _OCCURRED.get(person.get("occurred"), ""), why, person["score"], found, *criteria]


def _criterion(result: CriterionResult | None) -> list[object]:
    if result is None:
        return ["", "", ""]
    if result.declared.scale is not None:
        return [_VERDICT[result.verdict], result.measured, result.points]
    threshold = result.threshold
    shown = " to ".join(f"{bound:g}" for bound in threshold) if isinstance(threshold, tuple) else threshold
    return [_VERDICT[result.verdict], result.measured, shown]
