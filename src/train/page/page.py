"""The training page: index.html of a run, one file that works offline, in English and Chinese."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.files import write_atomically
from src.infer.report.html import as_it_is, page_template, script_safe
from src.train.monitoring.plot import smoothed, thinned
from src.train.monitoring.record_view import RecordLine
from src.train.page.pictures import Comparison
from src.translations import LANGUAGES, section

PAGE_FILE = "index.html"
POINTS = 800
#: Where no retention limit is set, the newest so many checkpoints are listed.
LISTED = 50

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class RunFacts:
    """What the page shows besides the loss record: settings and their defaults, data summary, progress, and the kind of
    validation pictures."""

    settings: Mapping[str, object]
    defaults: Mapping[str, object]
    data: Mapping[str, object]
    epochs: int
    total_steps: int
    best_step: int
    validates_on_training: bool


def write_page(folder: Path, facts: RunFacts, lines: Sequence[RecordLine], pictures: Sequence[Comparison]) -> Path:
    """Write the page into a folder; returns the file. `lines` are those of the loss record."""
    path = folder / PAGE_FILE
    write_atomically(path, page_html(facts, lines, pictures))
    return path


def page_html(facts: RunFacts, lines: Sequence[RecordLine], pictures: Sequence[Comparison]) -> str:
    """The whole page."""
    words = {language: section("training", language) for language in LANGUAGES}
    names = {language: section("setting_name", language) for language in LANGUAGES}
    joints = {language: section("joint", language) for language in LANGUAGES}
    said = {"words": words, "settingNames": names, "jointNames": joints}
    document = {**_document(facts, lines, pictures), **said}
    return page_template(_FOLDER / "index.html.j2").render(
        data=script_safe(document),
        needs_script=" · ".join(words[language]["needs_script"] for language in LANGUAGES),
        css=as_it_is(_FOLDER / "page.css"),
        js=as_it_is(_FOLDER / "page.js"),
    )


def _document(facts: RunFacts, lines: Sequence[RecordLine], pictures: Sequence[Comparison]) -> dict[str, object]:
    last: RecordLine = next((line for line in reversed(lines) if "epoch" in line), RecordLine())
    changed = {name: value for name, value in facts.settings.items() if value != facts.defaults.get(name)}
    return {
        "step": last.get("global_step", 0),
        "epoch": last.get("epoch", 0),
        "epochs": facts.epochs,
        "totalSteps": facts.total_steps,
        "updated": time.time(),
        "series": _series(lines),
        "validations": [_validation(line) for line in lines if "val_loss" in line],
        "checkpoints": _checkpoints(lines, facts),
        "pictures": [picture.to_json() for picture in pictures],
        "validatesOnTraining": facts.validates_on_training,
        "data": facts.data,
        "changed": changed,
        "others": {name: value for name, value in facts.settings.items() if name not in changed},
    }


def _series(lines: Sequence[RecordLine]) -> dict[str, list[float | None]]:
    """The columns of the curves, thinned; `smoothed` and `share` are running means over all steps."""
    steps = [line for line in lines if "loss" in line]
    if not steps:
        return {name: [] for name in ("step", "loss", "smoothed", "share", "lr", "waiting")}
    columns = [
        [line["global_step"] for line in steps],
        [line["loss"] for line in steps],
        smoothed([line["loss"] for line in steps]),
        smoothed([line.get("loss_share", np.nan) for line in steps]),
        [line["lr"] for line in steps],
        smoothed([line["data_wait_share"] for line in steps]),
    ]
    rows = thinned(list(zip(*columns)), POINTS)
    names = ("step", "loss", "smoothed", "share", "lr", "waiting")
    return {name: [_finite(value) for value in column] for name, column in zip(names, zip(*rows))}


def _validation(line: RecordLine) -> dict[str, float]:
    return {
        "step": line["global_step"],
        "loss": line["val_loss"],
        "share": line["val_share"],
        "ap": max(line["val_ap"], 0.0),
        "pck": max(line["val_pck"], 0.0),
    }


def _checkpoints(lines: Sequence[RecordLine], facts: RunFacts) -> list[dict[str, object]]:
    """The checkpoints that retention keeps, newest first: name, step, validation if there was one, whether the best."""
    saved = [line for line in lines if "checkpoint" in line]
    limit = facts.settings.get("keep_checkpoint_max")
    keep = limit if isinstance(limit, int) and limit else LISTED
    newest = saved[-max(keep, 2) :]
    kept = [line for line in saved if line in newest or line["global_step"] == facts.best_step]
    return [
        {
            "name": line["checkpoint"],
            "step": line["global_step"],
            "loss": line["loss"],
            "best": line["global_step"] == facts.best_step,
            "validation": _validation(line) if "val_loss" in line else None,
        }
        for line in reversed(kept)
    ]


def _finite(value: float) -> float | None:
    return round(float(value), 8) if np.isfinite(value) else None
