"""Which batch normalisation statistics a run trains on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.model_utils.config import build_config
from src.train.starting import choose_batch_norm

CASES = [
    # setting, identity of the newest checkpoint (None: no checkpoint), pretrained → statistics
    ("auto", None, False, "batch"),
    ("auto", None, True, "stored"),
    ("auto", {"batch_norm": "stored"}, False, "stored"),  # resumed without naming the pretrained weights again
    ("auto", {"batch_norm": "batch"}, True, "batch"),  # load_pretrain is ignored: the run goes on
    ("auto", {}, True, "batch"),  # a checkpoint of an earlier version
    ("stored", None, False, "stored"),
    ("batch", {"batch_norm": "stored"}, True, "batch"),
]


class OtherRanks:
    """A communicator in which other ranks vote as given."""

    def __init__(self, votes: bool) -> None:
        self.votes = votes

    def any(self, vote: bool) -> bool:
        return vote or self.votes


@pytest.mark.parametrize(("setting", "identity", "pretrained", "expected"), CASES)
def test_statistics_follow_setting_then_checkpoint_then_pretrained_weights(
    setting: str, identity: dict[str, str] | None, pretrained: bool, expected: str
) -> None:
    config = build_config({"batch_norm": setting})
    candidates: list[Any] = []
    if identity is not None:
        candidates.append(SimpleNamespace(manifest=SimpleNamespace(identity=identity)))
    assert choose_batch_norm(config, candidates, pretrained, OtherRanks(False)) == expected  # type: ignore[arg-type]


def test_ranks_agree() -> None:
    config = build_config({})
    assert choose_batch_norm(config, [], False, OtherRanks(True)) == "stored"  # type: ignore[arg-type]
