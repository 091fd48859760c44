"""Manifests: what counts as complete, what may go, and when ranks have drifted apart."""

from __future__ import annotations

import pytest

from src.errors import CheckpointError
from src.train.checkpoints.manifest import (
    CheckpointName,
    Manifest,
    Moment,
    complete_moments,
    divergence,
    manifest_name,
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
        sha256="ff",
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


def test_a_moment_is_complete_when_all_ranks_state_it() -> None:
    names = [*files((1, 9), (2, 9)), *files((3, 9), ranks=(0,)), str(CheckpointName(1, 3, 9)), "loss.png"]
    assert complete_moments(names, 2) == [Moment(2, 9), Moment(1, 9)]


def test_moments_follow_each_other_as_numbers() -> None:
    assert complete_moments(files((10, 1), (9, 1), (9, 10)), 2) == [Moment(10, 1), Moment(9, 10), Moment(9, 1)]


def test_only_what_is_older_than_the_newest_complete_ones_goes() -> None:
    everything = files((1, 9), (2, 9), (3, 9), (4, 9))
    own = [name for name in everything if "rank0" in name]
    gone = retired(own, everything, 2, keep=2)
    assert {CheckpointName.parse(name.removesuffix(".manifest.json")).epoch for name in gone} == {1, 2}  # type: ignore[union-attr]
    for epoch in (1, 2):  # the manifest goes first
        checkpoint = str(CheckpointName(0, epoch, 9))
        assert gone.index(manifest_name(checkpoint)) < gone.index(checkpoint)


def test_nothing_goes_while_another_rank_lags_behind() -> None:
    own = files((1, 9), (2, 9), (3, 9), ranks=(0,))
    assert retired(own, [*own, *files((1, 9), ranks=(1,))], 2, keep=2) == []


def test_other_files_never_go() -> None:
    everything = [*files((1, 9), (2, 9), (3, 9)), "notes.txt", "openpose-train-rank-1_9.ckpt"]
    assert not {"notes.txt", "openpose-train-rank-1_9.ckpt"} & set(retired(everything, everything, 2, keep=1))
    assert retired(everything, everything, 2, keep=0) == []


def test_divergence_names_the_ranks() -> None:
    assert divergence([manifest(0), manifest(1)]) == ""
    message = divergence([manifest(0), manifest(1, "bb"), manifest(2)])
    assert "ranks 0, 2" in message
    assert "ranks 1" in message
    assert "epoch 3, step 7" in message
