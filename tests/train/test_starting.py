"""The settings that depend on what a run starts from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.model_utils.config import build_config
from src.net.batch_norm import batch_norms
from src.net.build import build_network
from src.train.starting import apply_batch_norm, settle_start

pytestmark = pytest.mark.mindspore  # what decides imports it

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
    assert settle_start(config, candidates(identity), pretrained, OtherRanks(False)).batch_norm == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("identity", "pretrained", "steps"),
    [
        (None, False, 0),
        (None, True, 70),
        ({"pretrained_warmup_steps": 70}, False, 70),  # resumed without naming the pretrained weights again
        ({"pretrained_warmup_steps": 40}, True, 70),  # a changed setting: the run's identity tells the difference
        ({"pretrained_warmup_steps": 0}, True, 0),
        ({}, True, 0),  # a checkpoint of an earlier version
    ],
)
def test_only_a_run_from_pretrained_weights_warms_up(
    identity: dict[str, Any] | None, pretrained: bool, steps: int
) -> None:
    config = build_config({"pretrained_warmup_steps": 70})
    settled = settle_start(config, candidates(identity), pretrained, OtherRanks(False))  # type: ignore[arg-type]
    assert settled.pretrained_warmup_steps == steps


def test_a_frozen_backbone_keeps_its_statistics_too() -> None:
    network = build_network("mobilenet_v2", 1)
    apply_batch_norm(network, "batch", "backbone")
    backbone = {id(layer) for layer in batch_norms(network.network.base)}
    on_batch = {id(layer) for layer in batch_norms(network) if layer.use_batch_statistics is None}
    assert on_batch == {id(layer) for layer in batch_norms(network)} - backbone
    assert on_batch


def test_ranks_agree() -> None:
    settled = settle_start(build_config({}), [], False, OtherRanks(True))  # type: ignore[arg-type]
    assert (settled.batch_norm, settled.pretrained_warmup_steps) == ("stored", 100)


def candidates(identity: dict[str, Any] | None) -> list[Any]:
    """The checkpoint with this identity, newest first; none for None."""
    return [] if identity is None else [SimpleNamespace(manifest=SimpleNamespace(identity=identity))]
