"""What decides a run: changes that matter are named with their meaning, others do not hinder going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.model_utils.config import build_config
from src.train.checkpoints.identity import EARLIER, differences, run_identity


def identity(folder: Path, cards: int = 1, pictures: int = 6, text: str = "{}", **settings: str) -> dict[str, Any]:
    annotations = folder / "annotations.json"
    annotations.write_text(text)
    return run_identity(build_config(settings), cards, [annotations], pictures)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cards": 2}, ["cards was 1, is 2", "another share of the pictures", "optimizer was Adam, is Momentum"]),
        ({"batch_size": "3"}, ["batch_size was 10, is 3", "an epoch has another number of steps"]),
        ({"pictures": 7}, ["pictures was 6, is 7", "another number of usable pictures"]),
        ({"text": "[]"}, ["annotations was", "the annotation file has changed"]),
        ({"lr": "0.1"}, ["lr was 0.0001, is 0.1"]),
    ],
)
def test_a_change_that_matters_is_named_with_its_meaning(
    tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    told = "; ".join(differences(identity(tmp_path), identity(tmp_path, **change)))
    assert all(word in told for word in words)


def test_other_changes_do_not_hinder(tmp_path: Path) -> None:
    other = {"max_epoch_train": "9", "ckpt_interval": "7", "log_interval": "1", "train_url": "elsewhere"}
    assert differences(identity(tmp_path), identity(tmp_path, **other)) == []
    assert differences(identity(tmp_path), identity(tmp_path, optimizer_NP="Adam")) == []  # is of several cards


def test_checkpoints_of_earlier_versions_mean_what_these_did(tmp_path: Path) -> None:
    now = identity(tmp_path, batch_norm="batch", pretrained_warmup_steps="0")
    earlier = {name: value for name, value in now.items() if name not in EARLIER}
    assert differences(earlier, now) == []
    (told,) = differences(earlier, {**now, "batch_norm": "stored"})
    assert told == "batch_norm was batch, is stored"
