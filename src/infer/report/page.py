"""The report: index.html to look at in a browser without a network, and results.csv for a spreadsheet."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.infer.output.results import write_pieces
from src.infer.report.csv_table import results_csv
from src.infer.report.translations import Sentences

REPORT_FILE = "index.html"
TABLE_FILE = "results.csv"

_PAGE = Path(__file__).parent
_UNITS = {"deg": "°", "torso": " torso", "px": " px"}
#: Between what was measured and the condition in a criterion's explanation.
_NEEDS = "; needs "
#: Of the summary, what the page shows elsewhere or in another form.
_SHOWN_ELSEWHERE = {"action", "action_display", "seconds_by_stage"}


def write_report(output_dir: str | Path, results: Collection[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    """Write index.html and results.csv beside the pictures in `output_dir`.

    `results`: the lines of results.jsonl; `summary`: the content of summary.json, any of whose keys may be missing.
    Raises OutputError where the files cannot be written.
    """
    folder = Path(output_dir)
    write_pieces(folder / TABLE_FILE, results_csv(results))
    write_pieces(folder / REPORT_FILE, (text.encode("utf-8", "replace") for text in report_html(results, summary)))


def report_html(results: Iterable[Mapping[str, Any]], summary: Mapping[str, Any]) -> Iterator[str]:
    """The whole page, piece by piece: styles, script and results in one file; pictures are read from beside it."""
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        (_PAGE / "index.html.j2").read_text(encoding="utf-8")
    )
    names = list(dict.fromkeys(str(name) for name in dict(summary.get("action_display") or {}).values()))
    action = str(summary.get("action", ""))
    return page.generate(
        title=" · ".join(names) or action or "Results",
        subtitle=" · ".join(str(part) for part in (action, summary.get("started", "")) if part),
        facts=_facts(summary),
        stages=_stages(summary.get("seconds_by_stage") or {}),
        data=_page_data(results),
        css=_trusted(_PAGE / "report.css"),
        js=_trusted(_PAGE / "report.js"),
    )


def _trusted(path: Path) -> Markup:
    """A file of this package, to be put into the page as it is."""
    return Markup(path.read_text(encoding="utf-8"))


def _script_safe(document: Any) -> Markup:
    """JSON that cannot end or open a tag, whatever the names in it."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


@dataclass(frozen=True)
class _Listed:
    """What is said of many persons and therefore listed once and referred to by number."""

    labels: dict[str, int] = field(default_factory=dict)
    sentences: Sentences = field(default_factory=Sentences)


def _page_data(results: Iterable[Mapping[str, Any]]) -> Iterator[Markup]:
    """What the page's script needs of the results, as pieces of one JSON document."""
    listed = _Listed()
    yield Markup('{"pictures":[')
    for number, line in enumerate(results):
        yield Markup(",\n" if number else "\n") + _script_safe(_picture(line, listed))
    yield Markup('],\n"labels":') + _script_safe(list(listed.labels))
    yield Markup(',\n"sentences":') + _script_safe(listed.sentences.table()) + Markup("}")


def _picture(line: Mapping[str, Any], listed: _Listed) -> dict[str, Any]:
    file, status = str(line["file"]), str(line["status"])
    width, height = int(line.get("width") or 0), int(line.get("height") or 0)
    rendered = str(line.get("rendered") or _rendered_beside(file)) if status == "ok" else ""
    return {
        "file": file.encode("utf-8", "replace").decode(),
        "original": _url(file),
        "rendered": rendered and _url(rendered),
        "status": status,
        "error": listed.sentences.note(str(line.get("error") or "")),
        "width": width,
        "height": height,
        "seconds": float(line.get("seconds") or 0),
        "persons": [_person(person, width, height, listed) for person in line.get("persons") or ()],
    }


def _rendered_beside(file: str) -> str:
    path = PurePosixPath(file)
    return str(path.with_name(f"{path.stem}_rendered{path.suffix}"))


def _url(file: str) -> str:
    """The file's address relative to the page; by the bytes of its name, which need not be valid text."""
    return "./" + quote(os.fsencode(file), safe="/")


def _person(person: Mapping[str, Any], width: int, height: int, listed: _Listed) -> dict[str, Any]:
    keypoints = np.asarray(person["keypoints"], np.float64).reshape(-1, 3)
    found = keypoints[keypoints[:, 2] > 0, :2]
    return {
        "score": float(person["score"]),
        "occurred": person.get("occurred"),
        "joints": len(found),
        "why": listed.sentences.note(str(person.get("text") or "")),
        "box": _box(found, width, height),
        "criteria": [
            _criterion(listed.labels.setdefault(str(label), len(listed.labels)), criterion, listed.sentences)
            for label, criterion in (person.get("criteria") or {}).items()
        ],
    }


def _box(found: NDArray[np.float64], width: int, height: int) -> list[float] | None:
    """Left, top, width and height around the joints as shares of the picture, with a margin of a twelfth."""
    if not len(found) or width <= 0 or height <= 0:
        return None
    low, high = found.min(axis=0), found.max(axis=0)
    margin = (high - low).max() / 12 + 0.005 * max(width, height)
    low, high = np.maximum(low - margin, 0), np.minimum(high + margin, (width, height))
    size = np.array((width, height))
    return [round(float(value), 4) for value in (*(low / size), *((high - low) / size))]


def _criterion(label: int, criterion: Mapping[str, Any], sentences: Sentences) -> list[Any]:
    """[number of the label, verdict, measured, condition, explanation, 1 for an objection]; three noted sentences."""
    unit = _UNITS.get(str(criterion.get("unit", "")), "")
    text = str(criterion.get("text") or "")
    return [
        label,
        int(criterion["verdict"]),
        sentences.note(_number(criterion.get("measured"), unit)),
        sentences.note(_condition(criterion.get("threshold"), unit, text)),
        sentences.note(text.partition(_NEEDS)[0]),
        int(bool(criterion.get("objection"))),
    ]


def _number(value: Any, unit: str) -> str:
    return "" if value is None else f"{float(value):.3g}{unit}"


def _condition(threshold: Any, unit: str, text: str) -> str:
    """What the explanation says after "needs"; the bare threshold where it says nothing."""
    stated = text.partition(_NEEDS)[2]
    if stated or threshold is None:
        return stated
    bounds = threshold if isinstance(threshold, (list, tuple)) else [threshold]
    return " … ".join(_number(bound, unit) for bound in bounds)


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str | dict[str, str]]]:
    """The summary's entries as text, or as a list of such by name, in its order."""
    return [
        (str(key), _named(value) if isinstance(value, Mapping) else _plain(value))
        for key, value in summary.items()
        if key not in _SHOWN_ELSEWHERE and value not in (None, "", [], {})
    ]


def _named(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): _plain(value) for key, value in values.items() if value not in (None, "")}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _stages(seconds: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(stage, seconds, share of the longest) for the bars."""
    longest = max((float(value) for value in seconds.values()), default=0.0) or 1.0
    return [(str(stage), float(value), float(value) / longest) for stage, value in seconds.items()]
