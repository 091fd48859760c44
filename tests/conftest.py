"""What all tests share: the folder with real weights and photographs, where it is present."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import obs_sync

ROOT = Path(__file__).resolve().parents[1]

#: Fixtures that start MindSpore, or lead to commands that do.
NETWORK_FIXTURES = {"on_cpu", "small_checkpoint", "checkpoint", "real_checkpoint", "laptop"}

os.environ.setdefault("GLOG_v", "3")  # MindSpore's own warnings; must be set before its first import


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import files of which the mark expression selects nothing: importing MindSpore takes seconds."""
    if not re.fullmatch(r"not \w+( and not \w+)*", config.option.markexpr):
        return None
    return True if _marks_of_all(collection_path) & set(re.findall(r"not (\w+)", config.option.markexpr)) else None


def _marks_of_all(path: Path) -> set[str]:
    """The marks that all tests of a file or folder have."""
    if path == ROOT / "tests" / "jobs":
        return {"mindspore"}
    if path.suffix != ".py":
        return set()
    stated = re.search(r"^pytestmark = .*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    names = set(re.findall(r"mark\.(\w+)|\"(\w+)\"", stated[0])) if stated else set()
    marks = {mark or fixture for mark, fixture in names}
    return marks | {"mindspore"} if marks & NETWORK_FIXTURES else marks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts MindSpore; files with the most slow tests first, so that all processes end at about one time."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if ROOT / "tests" / "jobs" in item.path.parents or NETWORK_FIXTURES & set(fixtures):
            item.add_marker("mindspore")
    weights: Counter[Path] = Counter()
    for item in items:
        weights[item.path] += 1000 * bool(item.get_closest_marker("slow")) + bool(item.get_closest_marker("mindspore"))
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(autouse=True)
def reset_log_handlers() -> Iterator[None]:
    """Reset log handlers between tests: a command line logs to the test's own stderr, which is closed afterwards."""
    yield
    logger = logging.getLogger()
    for handler in [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]:
        logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def reset_storage() -> Iterator[None]:
    """No test sees the storage that another one, or a job it ran in this process, has configured."""
    yield
    obs_sync.configure()


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
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six drawn pictures and their annotations; not to be changed."""
    from src.data.drawn.dataset import draw_dataset

    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, pictures=6, seed=7, sizes=[(200, 160), (160, 200)])
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape names that are not UTF-8 in what a test logged: a worker could not send its report."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
