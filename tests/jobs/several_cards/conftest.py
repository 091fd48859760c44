"""A data set that two cards cannot share evenly, and the ranks of a test, which end with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.data.drawn.dataset import draw_dataset
from tests.jobs.several_cards.ranks import Ranks


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven drawn pictures, which two cards cannot share evenly."""
    folder = tmp_path_factory.mktemp("drawn7")
    draw_dataset(folder, pictures=7, seed=7, sizes=[(200, 160), (160, 200)])
    return folder


@pytest.fixture
def started(bucket: Path) -> Iterator[list[Ranks]]:
    """Starts to be ended after the test, whatever happens."""
    starts: list[Ranks] = []
    yield starts
    for ranks in starts:
        ranks.end()
