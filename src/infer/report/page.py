"""The report: index.html, to look at in a browser without a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import cast
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.actions import Action, Judgement
from src.infer.output.results import PersonLine, ResultLine
from src.infer.report.html import as_it_is, page_template, script_safe
from src.infer.report.signs import judgements_of, sign_rows
from src.translations import LANGUAGES, Catalog, Message, say, section

REPORT_FILE = "index.html"
TABLE_FILE = "results.csv"

_PAGE = Path(__file__).parent
#: The page's script, in the order in which its parts need each other.
_SCRIPTS = ("grid.js", "viewer.js", "marks.js", "scene.js", "controls.js")
#: Of the summary, what the page shows elsewhere or in another form.
_SHOWN_ELSEWHERE = {"action", "action_display", "declaration", "seconds_by_stage"}


def report_html(
    results: Iterable[ResultLine],
    summary: Mapping[str, object],
    action: Action,
    *,
    table: str = TABLE_FILE,
    chosen_filter: str = "all",
) -> Iterator[str]:
    """The whole page of these lines of results.jsonl, judged by `action`, piece by piece; see `page_html`."""
    catalog = Catalog()
    entries = (picture_entry(line, judgements_of(line, action), catalog) for line in results)
    return page_html(entries, catalog, summary, action, table=table, chosen_filter=chosen_filter)


def page_html(
    entries: Iterable[str],
    catalog: Catalog,
    summary: Mapping[str, object],
    action: Action,
    *,
    table: str = TABLE_FILE,
    chosen_filter: str = "all",
) -> Iterator[str]:
    """The whole page, piece by piece: styles, script and results in one file; pictures are read from beside it.

    `entries`: a `picture_entry` of each picture, made with `catalog`. `summary`: the content of summary.json, any of
    whose keys may be missing. `table`: the CSV file beside it. `chosen_filter`: what the page shows at first.
    """
    names = list(dict.fromkeys(action.display.values()))
    return page_template(_PAGE / "index.html.j2").generate(
        title=" · ".join(names) or action.name,
        action=action.name,
        started=str(summary.get("started", "")),
        table=table,
        facts=_facts(summary),
        stages=_stages(cast("Mapping[str, float]", summary.get("seconds_by_stage") or {})),
        data=_page_data(entries, catalog, action, str(summary.get("started", "")), chosen_filter),
        css=as_it_is(_PAGE / "report.css"),
        js=Markup("\n").join(as_it_is(_PAGE / "script" / name) for name in _SCRIPTS),
    )


def picture_entry(line: ResultLine, judgements: Sequence[Judgement | None], catalog: Catalog) -> str:
    """What the page says of a picture, as JSON; its sentences are noted in `catalog`.

    The line may have an `outcome` ("false_alarm", "missed", "hit", "rejected"), where verdicts were compared with
    labels.
    """
    return str(script_safe(_picture(line, judgements, catalog)))


def _page_data(
    entries: Iterable[str], catalog: Catalog, action: Action, started: str, chosen_filter: str
) -> Iterator[Markup]:
    """What the page's script needs of the results, as pieces of one JSON document."""
    yield Markup('{"pictures":[')
    for number, entry in enumerate(entries):
        yield Markup((",\n" if number else "\n") + entry)
    yield Markup('],\n"action":') + script_safe(action.name) + Markup(',"started":') + script_safe(started)
    yield Markup(',"display":') + script_safe(dict(action.display))
    yield Markup(',"filter":') + script_safe(chosen_filter)
    yield Markup(',\n"signs":') + script_safe(sign_rows(action, catalog))
    yield Markup(',\n"messages":') + script_safe(catalog.entries())
    yield Markup(',\n"separators":') + script_safe(catalog.separators())
    yield Markup(',\n"words":') + script_safe({language: _words(language) for language in LANGUAGES}) + Markup("}")


def _words(language: str) -> dict[str, dict[str, str]]:
    """The page's own words by kind and name."""
    return {kind: section(kind, language) for kind in ("report", "fact", "stage", "setting_name")}


def _picture(line: ResultLine, judgements: Sequence[Judgement | None], catalog: Catalog) -> dict[str, object]:
    file, status = str(line["file"]), str(line["status"])
    width, height = int(line.get("width") or 0), int(line.get("height") or 0)
    judged = zip(line.get("persons") or (), judgements)
    rendered = str(line.get("rendered") or _rendered_beside(file)) if status == "ok" else ""
    return {
        "file": file.encode("utf-8", "replace").decode(),
        "original": _url(str(line.get("original") or file)),
        "rendered": rendered and _url(rendered),
        "thumbnail": _url(str(line["thumbnail"])) if line.get("thumbnail") else "",
        "ignored": len(line.get("ignored_persons") or ()),
        "outcome": str(line.get("outcome") or ""),
        "status": status,
        "error": catalog.encode(_error(line)),
        "width": width,
        "height": height,
        "seconds": float(line.get("seconds") or 0),
        "persons": [_person(person, one, width, height, catalog) for person, one in judged],
    }


def _error(line: ResultLine) -> Message:
    """Why a picture could not be read, as a message where the line has one."""
    try:
        return Message.from_json(line.get("error_message"))
    except ValueError:
        return say("verbatim", text=str(line.get("error") or ""))


def _rendered_beside(file: str) -> str:
    path = PurePosixPath(file)
    return str(path.with_name(f"{path.stem}_rendered{path.suffix}"))


def _url(file: str) -> str:
    """The file's address relative to the page; by the bytes of its name, which need not be valid text."""
    return "./" + quote(os.fsencode(file), safe="/")


def _person(
    person: PersonLine, judgement: Judgement | None, width: int, height: int, catalog: Catalog
) -> dict[str, object]:
    keypoints = np.asarray(person["keypoints"], np.float64).reshape(-1, 3)
    found = keypoints[keypoints[:, 2] > 0, :2]
    return {
        "score": float(person["score"]),
        "occurred": person.get("occurred"),
        "joints": len(found),
        "box": _box(found, width, height),
        "px": _box_px(found),
        **_reasons(judgement, catalog),
    }


def _box_px(found: NDArray[np.float64]) -> list[float] | None:
    """Left, top, width and height around the joints in pixels of the picture, for a labels file."""
    if not len(found):
        return None
    low, high = found.min(axis=0), found.max(axis=0)
    return [round(float(value), 1) for value in (*low, *(high - low))]


def _reasons(judgement: Judgement | None, catalog: Catalog) -> dict[str, object]:
    """ "why": how the verdict came about; "criteria": [place in the action, sign, what was measured] of each asked."""
    if judgement is None:
        return {"why": None, "criteria": []}
    places = {one.label: place for place, one in enumerate(judgement.action.criteria)}
    criteria = [
        [places[label], result.sign, catalog.encode(result.reading)] for label, result in judgement.criteria.items()
    ]
    return {"why": catalog.encode(judgement.explanation), "criteria": criteria}


def _box(found: NDArray[np.float64], width: int, height: int) -> list[float] | None:
    """Left, top, width and height around the joints as shares of the picture, with a margin of a twelfth."""
    if not len(found) or width <= 0 or height <= 0:
        return None
    low, high = found.min(axis=0), found.max(axis=0)
    margin = (high - low).max() / 12 + 0.005 * max(width, height)
    low, high = np.maximum(low - margin, 0), np.minimum(high + margin, (width, height))
    size = np.array((width, height))
    return [round(float(value), 4) for value in (*(low / size), *((high - low) / size))]


def _facts(summary: Mapping[str, object]) -> list[tuple[str, str | dict[str, str]]]:
    """The summary's entries as text, or as a list of such by name, in its order."""
    return [
        (str(key), _named(value) if isinstance(value, Mapping) else _plain(value))
        for key, value in summary.items()
        if key not in _SHOWN_ELSEWHERE and value not in (None, "", [], {})
    ]


def _named(values: Mapping[object, object]) -> dict[str, str]:
    return {str(key): _plain(value) for key, value in values.items() if value not in (None, "")}


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _stages(seconds: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """(stage, seconds, share of the longest) for the bars."""
    longest = max((float(value) for value in seconds.values()), default=0.0) or 1.0
    return [(str(stage), float(value), float(value) / longest) for stage, value in seconds.items()]
