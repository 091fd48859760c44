"""Real weights and copies of real photographs for the tests of the inference line."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _handlers_restored() -> Iterator[None]:
    """A job's log goes to the stderr of its time, which a later test no longer has."""
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before


@pytest.fixture(scope="session")
def checkpoint(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published weights of the small network as a checkpoint."""
    from src.net.build import choose_device
    from src.tools.import_weights import import_weights

    choose_device("CPU")
    target = tmp_path_factory.mktemp("models") / "m.ckpt"
    import_weights(shared / "weights/openpose_mobilenet_v2.npz", "mobilenet_v2", 6, target)
    return target


@pytest.fixture
def photographs(shared: Path, tmp_path: Path) -> Path:
    """A folder of its own with the COCO photographs: a job must never see, let alone touch, the shared originals."""
    return copy_photographs(shared, tmp_path / "pics")


def copy_photographs(shared: Path, folder: Path) -> Path:
    """Copies of the COCO photographs in `folder`."""
    folder.mkdir(parents=True)
    for source in (shared / "data/coco_sample").glob("0*.jpg"):
        shutil.copyfile(source, folder / source.name)
    return folder
