"""Shows scores: tables for the terminal, and the precision/recall curve as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.tools.evaluation.scores import Scores

#: Curves are drawn for these similarity thresholds, and for the mean over all.
_DRAWN = (0.5, 0.75, 0.9)


def format_scores(scores: Scores) -> str:
    """COCO's table, the one by size and the one by joint."""
    lines = [f"{scores.pictures} pictures, {scores.persons} annotated persons"]
    lines += [f"  {name:<10} {_share(value)}" for name, value in scores.figures.items()]
    lines += ["", f"{'size':<8}{'persons':>8}{'AP':>8}{'AR':>8}"]
    for label, size in scores.sizes.items():
        lines.append(f"{label:<8}{size['persons']:>8.0f}{_share(size['AP']):>8}{_share(size['AR']):>8}")
    lines += ["", f"{'joint':<16}{'annotated':>10}{'found':>8}{'close':>8}{'error px':>10}{'dx':>8}{'dy':>8}"]
    for joint in scores.joints:
        found, close = (_part(count, joint.annotated) for count in (joint.found, joint.close))
        numbers = f"{joint.error_px:>10.2f}{joint.dx_px:>+8.2f}{joint.dy_px:>+8.2f}" if joint.found else ""
        lines.append(f"{joint.name:<16}{joint.annotated:>10}{found:>8}{close:>8}{numbers}")
    lines += ["", f"median offset of all joints: x {scores.offset_px[0]:+.2f} px, y {scores.offset_px[1]:+.2f} px"]
    return "\n".join(lines)


def plot_precision(scores: Scores, path: Path) -> None:
    """Write the precision/recall curves over all persons as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    precision = np.where(scores.precision < 0, np.nan, scores.precision)
    for threshold in _DRAWN:
        row = int(np.argmin(np.abs(scores.thresholds - threshold)))
        axes.plot(scores.recall, precision[row], label=f"OKS ≥ {threshold:g}")
    axes.plot(scores.recall, precision.mean(axis=0), "k--", label=f"mean, AP {_share(scores.figures['AP'])}")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    figure.savefig(path)


def _share(value: float) -> str:
    return "–" if value < 0 else f"{value:.3f}"


def _part(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else "–"
