"""The loss record: one JSON line a step, and a small plot of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

PLOT_FILE = "loss.png"
PLOT_POINTS = 2000


class LossRecord:
    """Appends to `<folder>/loss-rank<rank>.jsonl`; lines from `first_step` on, of an interrupted run, are cut off.

    A line: {"global_step", "epoch", "step", "loss", "lr", "data_wait_s", "data_wait_share", "step_s"}.
    """

    def __init__(self, folder: Path, rank: int, first_step: int) -> None:
        self.path = folder / f"loss-rank{rank}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_record(self.path) if line["global_step"] <= first_step]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")

    def add(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")

    def flush(self) -> Path:
        """Put all lines into the file and return its path."""
        self._file.flush()
        return self.path

    def __enter__(self) -> LossRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_record(path: Path) -> list[dict[str, Any]]:
    """The lines of a record; what a kill left half-written at its end is dropped."""
    lines = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("global_step"), int):
                lines.append(line)
    return lines


def plot_record(path: Path) -> Path | None:
    """Draw loss and learning rate over the steps to loss.png beside the record; None where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.warning("%s is not drawn: matplotlib is not installed here", PLOT_FILE)
        return None
    lines = read_record(path)
    lines = lines[:: max(1, len(lines) // PLOT_POINTS)]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot([line["global_step"] for line in lines], [line["loss"] for line in lines], linewidth=0.8)
    rates = axes.twinx()
    rates.set_ylabel("learning rate")
    rates.plot(
        [line["global_step"] for line in lines], [line["lr"] for line in lines], color="tab:orange", linewidth=0.8
    )
    target = path.with_name(PLOT_FILE)
    figure.savefig(target, dpi=100)
    return target
