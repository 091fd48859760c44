"""The table: results.csv, one line a person, as a spreadsheet opens it."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from src.actions import Action, CriterionResult
from src.infer.output.results import PersonLine, ResultLine
from src.infer.report.signs import judgement_of
from src.spreadsheet import csv_rows

_OCCURRED = {True: "occurred", False: "did not occur", None: "undecided"}
_VERDICT = {1: "yes", 0: "no", -1: "cannot be judged"}
_FIRST_COLUMNS = ("file", "status", "width", "height", "person", "occurred", "why", "score", "joints")


def results_csv(results: Iterable[ResultLine], action: Action) -> Iterator[bytes]:
    """The table piece by piece: UTF-8 with a byte order mark; pictures without persons have one line of their own.

    For each criterion three columns: verdict, measured value, threshold. Text that a spreadsheet would compute is
    written behind an apostrophe.
    """
    labels = [one.label for one in action.criteria]
    criteria = [column for label in labels for column in (label, f"{label} measured", f"{label} threshold")]
    yield codecs.BOM_UTF8 + csv_rows([[*_FIRST_COLUMNS, *criteria, "seconds", "error"]])
    for line in results:
        persons = enumerate(line.get("persons") or (None,), start=1)
        yield csv_rows(_row(line, number, person, action) for number, person in persons)


def _row(line: ResultLine, number: int, person: PersonLine | None, action: Action) -> list[object]:
    """The values of one line: the picture's, the person's and the criteria's (empty without one), the rest."""
    row = [line["file"], line["status"], line.get("width", 0), line.get("height", 0)]
    if person is None:
        row += [""] * (len(_FIRST_COLUMNS) - len(row) + 3 * len(action.criteria))
    else:
        judgement = judgement_of(person, action)
        why = judgement.explanation if judgement else ""
        found = sum(confidence > 0 for _, _, confidence in person["keypoints"])
        row += [number, _OCCURRED.get(person.get("occurred"), ""), why, person["score"], found]
        results = judgement.criteria if judgement else {}
        for one in action.criteria:
            row += _criterion(results.get(one.label))
    return [*row, line.get("seconds", 0.0), line.get("error", "")]


def _criterion(result: CriterionResult | None) -> list[object]:
    if result is None:
        return ["", "", ""]
    if result.declared.scale is not None:
        return [_VERDICT[result.verdict], result.measured, result.points]
    threshold = result.threshold
    shown = " to ".join(f"{bound:g}" for bound in threshold) if isinstance(threshold, tuple) else threshold
    return [_VERDICT[result.verdict], result.measured, shown]
