"""What all tests share: the folder with real weights and photographs, where it is present."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("GLOG_v", "3")  # MindSpore's own warnings; must be set before its first import


@pytest.fixture(autouse=True)
def no_log_handlers_left() -> Iterator[None]:
    """A command line that a test calls sets up logging to the test's own stderr, which is closed afterwards."""
    yield
    logger = logging.getLogger()
    for handler in [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]:
        logger.removeHandler(handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real weights and photographs beside the checkout (or named by SHARED_DATA)."""
    folder = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real weights and photographs are not here ({folder.name}/ beside the checkout)")
    return folder


@pytest.fixture(scope="session")
def on_cpu() -> None:
    """MindSpore set up for the CPU; not needed where a job or a tool chooses the device itself."""
    from src.net.build import choose_device

    choose_device("CPU")


@pytest.fixture(scope="session")
def small_checkpoint(on_cpu: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the small network with one stage, its weights drawn with seed 5; not to be changed."""
    import mindspore as ms

    from src.net.build import build_network
    from src.train.checkpoints.checkpoint import network_meta, write_checkpoint

    path = tmp_path_factory.mktemp("checkpoint") / "small.ckpt"
    ms.set_seed(5)
    write_checkpoint(build_network("mobilenet_v2", 1), path, network_meta("mobilenet_v2", 1))
    return path
