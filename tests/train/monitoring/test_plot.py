"""loss.png: what is drawn, smoothed and left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.data.images import read_picture
from src.train.monitoring.loss_record import LossRecord
from src.train.monitoring.plot import plot_record, smoothed, thinned

pytest.importorskip("matplotlib")


def test_smoothing_is_a_running_mean() -> None:
    values = np.arange(200.0)  # a window of 4
    found = smoothed(values.tolist())
    assert found[:3] == pytest.approx([0, 0.5, 1])
    assert found[100] == pytest.approx(np.mean(values[97:101]))
    assert smoothed([]).size == 0


def test_thinned_lines_end_with_the_last() -> None:
    kept = thinned(list(range(1003)), 100)
    assert kept[-1] == 1002
    assert len(kept) <= 101
    assert thinned([1, 2, 3], 100) == [1, 2, 3]


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 40])
def test_every_record_can_be_drawn(tmp_path: Path, steps: int, validated: bool) -> None:
    with LossRecord(tmp_path, 0, 0) as record:
        if validated:
            record.add(global_step=0, val_loss=0.05, val_ap=-1, val_pck=0.1)
        for step in range(1, steps + 1):
            record.add(global_step=step, loss=0.05 / step, loss_share=1 / step, lr=0.0 if step % 2 else 1e-4)
    drawn = plot_record(record.path)
    assert drawn == tmp_path / "loss.png"
    assert read_picture(drawn).shape[:2] == (700 if validated else 450, 900)
