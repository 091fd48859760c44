"""loss.png: loss, learning rate and validation of a run over its steps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from src.train.monitoring.record_view import RecordLine, record_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

T = TypeVar("T")
logger = logging.getLogger(__name__)

PLOT_FILE = "loss.png"
POINTS = 2000
#: The smoothed curve is the mean over this share of all steps.
SMOOTHED_SHARE = 0.02


def plot_record(path: Path) -> Path | None:
    """Draw a record to loss.png beside it; None where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.warning("not drawing %s: matplotlib is not installed", PLOT_FILE)
        return None
    lines = record_view(path).lines()
    steps = [line for line in lines if "loss" in line]
    validations = [line for line in lines if "val_loss" in line]
    figure = Figure(figsize=(9, 7 if validations else 4.5), layout="constrained")
    upper = figure.add_subplot(2 if validations else 1, 1, 1)
    _draw_losses(upper, steps, validations)
    if validations:
        _draw_validations(figure.add_subplot(2, 1, 2, sharex=upper), steps, validations)
    target = path.with_name(PLOT_FILE)
    figure.savefig(target, dpi=100)
    return target


def smoothed(values: Sequence[float]) -> NDArray[np.float64]:
    """The mean of each value and those before it, over SMOOTHED_SHARE of all of them; fewer at the beginning."""
    window = max(1, round(SMOOTHED_SHARE * len(values)))
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def thinned(lines: Sequence[T], points: int = POINTS) -> Sequence[T]:
    """About `limit` evenly spread lines at most, always including the last one."""
    every = max(1, len(lines) // points)
    return lines[(len(lines) - 1) % every :: every]


def _draw_losses(axes: Axes, steps: Sequence[RecordLine], validations: Sequence[RecordLine]) -> None:
    losses = smoothed([line["loss"] for line in steps])
    drawn = thinned(list(zip(steps, losses)))
    at = [line["global_step"] for line, _ in drawn]
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.plot(at, [line["loss"] for line, _ in drawn], color="tab:blue", alpha=0.3, linewidth=0.7, label="loss")
    axes.plot(at, [mean for _, mean in drawn], color="tab:blue", linewidth=1.5, label="loss, smoothed")
    if validations:
        val = [(line["global_step"], line["val_loss"]) for line in validations]
        axes.plot(*zip(*val), color="tab:red", marker="o", markersize=4, label="validation loss")
    _plain_log_ticks(axes.yaxis)
    rates = cast("Axes", axes.twinx())
    rates.set(ylabel="learning rate", ylim=(0, 1.1 * max((line["lr"] for line, _ in drawn), default=1) or 1))
    rates.yaxis.set_major_formatter("{x:g}")
    rates.plot(at, [line["lr"] for line, _ in drawn], color="tab:orange", linewidth=0.9, label="learning rate")
    handles = [*axes.get_legend_handles_labels()[0], *rates.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="lower left", fontsize="small")


def _plain_log_ticks(axis: Axis) -> None:
    """Ticks at 1, 2, 3 and 5 times powers of ten, written as plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _draw_validations(axes: Axes, steps: Sequence[RecordLine], validations: Sequence[RecordLine]) -> None:
    axes.set(xlabel="step", ylabel="AP, PCK")
    axes.grid(alpha=0.3)
    at = [line["global_step"] for line in validations]
    ap, pck = ([line["val_ap"] for line in validations], [line["val_pck"] for line in validations])
    for values, colour, label in ((ap, "tab:green", "AP"), (pck, "tab:purple", "PCK@0.2")):
        axes.plot(at, [max(value, 0) for value in values], color=colour, marker="o", markersize=4, label=label)
    handles = axes.get_legend_handles_labels()[0]
    known = [line for line in steps if "loss_share" in line]
    if known:
        shares = thinned(list(zip(known, smoothed([line["loss_share"] for line in known]))))
        where = [line["global_step"] for line, _ in shares]
        beside = cast("Axes", axes.twinx())
        beside.set(ylabel="share of predicting nothing")
        beside.plot(where, [share for _, share in shares], color="tab:gray", label="loss / loss of predicting nothing")
        beside.set_ylim(bottom=0)
        handles += beside.get_legend_handles_labels()[0]
    axes.set_ylim(bottom=0)
    axes.legend(handles=handles, loc="upper center", fontsize="small")
