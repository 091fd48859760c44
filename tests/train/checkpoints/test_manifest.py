"""Manifests: what counts as complete, what may go, and when ranks have drifted apart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from src.errors import CheckpointError
from src.train.checkpoints.manifest import (
    CheckpointName,
    Manifest,
    Moment,
    Order,
    check_complete,
    divergence,
    manifest_name,
    manifests_by_moment,
    retired,
)


def manifest(rank: int = 0, weights: str = "aa") -> Manifest:
    return Manifest(
        rank=rank,
        rank_size=2,
        epoch=3,
        step=7,
        steps_per_epoch=9,
        global_step=25,
        file=str(CheckpointName(rank, 3, 7)),
        size=10,
        sha256="ff" * 32,
        weights_sha256=weights,
        identity={"lr": 0.1},
        versions={"python": "3"},
    )


def files(*moments: tuple[int, int], ranks: tuple[int, ...] = (0, 1)) -> list[str]:
    names = [CheckpointName(rank, *moment) for moment in moments for rank in ranks]
    return [str(name) for name in names] + [manifest_name(name) for name in names]


def test_round_trip() -> None:
    assert Manifest.from_json(manifest().to_json(), "x") == manifest()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}', "null"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"some\.json"):
        Manifest.from_json(text, "some.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rank", value) for value in (-1, 2, 1.0, True, "0", None, [])),
        *(("rank_size", value) for value in (0, 200_000_000, "2", 2.5)),
        *(("epoch", value) for value in (0, -3, 10**40, "3", None)),
        ("step", 10),  # of 9
        ("steps_per_epoch", 0),
        *(("global_step", value) for value in (0, "25", {}, float("nan"))),
        *(("file", value) for value in ("../../x", "openpose-train-rank1-3_7.ckpt", 7)),
        *(("size", value) for value in (-1, "10", 1.5)),
        *(("sha256", value) for value in ("", "xyz", 3)),
        *(("weights_sha256", value) for value in (None, "G" * 64)),
        *(("identity", value) for value in ([], "lr", None)),
        *(("versions", value) for value in (3, [])),
        *(("generation", value) for value in (-1, "1", 1.5)),
        *(("run_id", value) for value in (3, [])),
        *(("weights_norm", value) for value in (-1.0, "3", float("inf"))),
        *(("format", value) for value in (2, "1", None)),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    document = {**json.loads(manifest().to_json()), name: value}
    with pytest.raises(CheckpointError, match=r"some\.json"):
        Manifest.from_json(json.dumps(document), "some.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"identity":' * 100_000, "9" * 5_000_000, b"\xff\xfe"])
def test_absurd_texts_are_refused(text: str | bytes) -> None:
    with pytest.raises(CheckpointError, match=r"some\.json"):
        Manifest.from_json(text, "some.json")


def test_a_manifest_of_an_earlier_version_is_accepted() -> None:
    document = json.loads(manifest().to_json())
    for name in ("run_id", "generation", "resumed_from", "weights_norm"):
        del document[name]
    assert Manifest.from_json(json.dumps(document), "x") == manifest()


def test_a_step_is_complete_when_all_ranks_state_the_same() -> None:
    both = {rank: manifest(rank) for rank in (0, 1)}
    assert check_complete(both) == both[0]
    for changes in ({"generation": 1}, {"global_step": 24}, {"rank_size": 3}):
        with pytest.raises(CheckpointError, match="rank 1 is of another start"):
            check_complete({**both, 1: replace(both[1], **changes)})
    with pytest.raises(CheckpointError, match="no manifest of rank 1"):
        check_complete({0: both[0]})


def test_a_rank_counts_at_a_moment_once_its_manifest_is_there() -> None:
    names = [*files((1, 9), (10, 9)), *files((3, 9), ranks=(0,)), str(CheckpointName(1, 3, 9)), "loss.png"]
    assert manifests_by_moment(names) == {Moment(1, 9): {0, 1}, Moment(10, 9): {0, 1}, Moment(3, 9): {0}}


def orders(*steps: int, generation: int = 1) -> list[Order]:
    return [Order(generation, step) for step in steps]


def test_only_what_is_older_than_the_newest_complete_ones_is_removed() -> None:
    own = {str(CheckpointName(0, epoch, 9)): Order(1, 9 * epoch) for epoch in (1, 2, 3, 4)}
    gone = retired(own, orders(9, 18, 27, 36), keep=2)
    expected = [str(CheckpointName(0, epoch, 9)) for epoch in (1, 2)]
    assert gone == [file for name in expected for file in (manifest_name(name), name)]  # the manifest goes first


def test_nothing_is_removed_while_another_rank_lags_behind() -> None:
    own = {str(CheckpointName(0, epoch, 9)): Order(1, 9 * epoch) for epoch in (1, 2, 3)}
    assert retired(own, orders(9), keep=2) == []
    assert retired(own, orders(9, 18, 27), keep=0) == []


def test_a_later_generation_is_newer_whatever_its_steps() -> None:
    own = {str(CheckpointName(0, 9, 9)): Order(1, 81), str(CheckpointName(0, 1, 1)): Order(2, 1)}
    own[str(CheckpointName(0, 1, 2))] = Order(2, 2)
    old = str(CheckpointName(0, 9, 9))
    assert retired(own, list(own.values()), keep=2) == [manifest_name(old), old]


def test_divergence_names_the_ranks() -> None:
    assert divergence([manifest(0), manifest(1)]) == ""
    message = divergence([manifest(0), manifest(1, "bb"), manifest(2)])
    assert "ranks 0, 2" in message
    assert "ranks 1" in message
    assert "epoch 3, step 7" in message
