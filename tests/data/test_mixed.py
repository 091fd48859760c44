"""Mixing data sets: how often each picture is taken, from which set, and in which view."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.mixed import MixedSamples
from src.data.order import epoch_order, uses_in_epoch
from src.data.sample import SampleMaker
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION

SIZES = (5, 8)


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> list[SampleMaker]:
    """Two drawn sets; the second one's loss is limited to the annotated people."""
    made = []
    for number, pictures in enumerate(SIZES):
        folder = tmp_path_factory.mktemp(f"set{number}")
        draw_dataset(folder, pictures, seed=number, sizes=[(240, 180)])
        index = index_annotations(folder / "annotations" / "person_keypoints.json", SELECTION)
        settings = sample_settings(insize=64, seed=3, ignore_unannotated=bool(number))
        made.append(SampleMaker(index, folder / "images", settings))
    return made


@pytest.mark.parametrize(
    ("pictures", "uses", "epochs"), [(10, 10, 2), (10, 30, 1), (10, 1, 10), (10, 4, 5), (10, 25, 2)]
)
def test_all_pictures_get_equally_many_turns(pictures: int, uses: int, epochs: int) -> None:
    turns: Counter[int] = Counter()
    for epoch in range(epochs):
        slots = uses_in_epoch(pictures, uses, (1, 0), epoch)
        assert len(np.unique(slots)) == uses
        turns.update((slots % pictures).tolist())
    assert set(turns.values()) == {uses * epochs // pictures}
    assert len(turns) == pictures


def test_one_set_of_weight_one_is_that_set(makers: list[SampleMaker]) -> None:
    alone = MixedSamples(makers[:1])
    for epoch in range(3):
        assert (alone.order(epoch, 1, 2) == epoch_order(SIZES[0], 3, epoch, 1, 2)).all()


def test_an_epoch_holds_each_set_as_often_as_its_weight_says(makers: list[SampleMaker]) -> None:
    mixed = MixedSamples(makers, (3, 0.5))
    assert (len(mixed), mixed.pictures) == (3 * 5 + 4, 13)
    first, second = mixed.names(mixed.order(0))
    assert Counter(first) == dict.fromkeys(makers[0].index.names.tolist(), 3)
    assert len(set(second)) == 4
    assert sorted(second + mixed.names(mixed.order(1))[1]) == sorted(makers[1].index.names.tolist())
    shares = [mixed.order(5, rank, 2) for rank in range(2)]
    assert set(np.concatenate(shares).tolist()) == set(mixed.order(5).tolist())


def test_each_sample_is_made_as_its_own_set_wants_it_and_repetitions_differ(makers: list[SampleMaker]) -> None:
    mixed = MixedSamples(makers, (2, 1))
    slots = mixed.order(0, shuffle=False)
    assert (mixed.make(int(slots[0]), 0).image == makers[0].make(0, 0).image).all()
    assert (mixed.make(int(slots[5]), 0).image != makers[0].make(0, 0).image).any()
    second = mixed.make(int(slots[10]), 0)
    assert all((a == b).all() for a, b in zip(second, makers[1].make(0, 0)))
    assert second.valid_mask.mean() < makers[0].make(0, 0).valid_mask.mean()
