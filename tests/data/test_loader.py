from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.mixed import MixedSamples
from src.data.sample import SampleMaker, SampleSettings
from src.errors import ConfigError, DataError
from tests.data.selection import SELECTION

pytest.importorskip("mindspore")
import mindspore.dataset as ds

from src.data import loader as loader_module
from src.data.loader import (
    COLUMNS,
    build_loader,
    check_resumed_batch,
    choose_workers,
    first_worker_error,
    start_after,
)
from src.data.order import batches_per_epoch, epoch_order
from tests.data.sample_settings import sample_settings

pytestmark = pytest.mark.mindspore

SETTINGS = sample_settings(insize=64, seed=3)
PICTURES = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loader")
    draw_dataset(folder, PICTURES, seed=1, sizes=[(240, 180), (180, 240)])
    return folder


def _samples(folder: Path, settings: SampleSettings = SETTINGS) -> MixedSamples:
    index = index_annotations(folder / "annotations" / "person_keypoints.json", SELECTION)
    return MixedSamples([SampleMaker(index, folder / "images", settings)])


def _read(loader: object, epochs: int) -> list[list[tuple[np.ndarray, ...]]]:
    iterator = loader.create_tuple_iterator(num_epochs=epochs, output_numpy=True)  # type: ignore[attr-defined]
    return [[tuple(np.array(v) for v in row) for row in iterator] for _ in range(epochs)]


def test_order_is_a_shuffle_dealt_out_fairly() -> None:
    for epoch in range(3):
        shares = [epoch_order(23, 5, epoch, rank, 4) for rank in range(4)]
        assert {len(share) for share in shares} == {6}
        assert set(np.concatenate(shares).tolist()) == set(range(23))
    assert (epoch_order(23, 5, 0) != epoch_order(23, 5, 1)).any()
    assert (epoch_order(23, 5, 0) == epoch_order(23, 5, 0)).all()
    assert (epoch_order(23, 5, 0) != epoch_order(23, 6, 0)).any()
    assert sorted(epoch_order(2, 0, 0, 4, 5).tolist() + epoch_order(2, 0, 0, 3, 5).tolist()) in ([0, 1], [0, 0], [1, 1])


def test_batches_are_the_makers_samples_in_order(folder: Path) -> None:
    samples = _samples(folder)
    epochs = _read(build_loader(samples, 4), 2)
    assert [len(epoch) for epoch in epochs] == [2, 2] == [batches_per_epoch(PICTURES, 4)] * 2
    for epoch, batches in enumerate(epochs):
        order = epoch_order(PICTURES, SETTINGS.seed, epoch)
        for number, batch in enumerate(batches):
            expected = [samples.make(int(i), epoch) for i in order[number * 4 : number * 4 + 4]]
            assert len(batch) == len(COLUMNS)
            for column, values in enumerate(batch):
                assert (values == np.stack([sample[column] for sample in expected])).all()
    assert epochs[0][0][0].dtype == np.uint8


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 2, "worker_processes": True}, {"workers": 64}])
def test_workers_change_nothing(folder: Path, options: dict[str, object]) -> None:
    one = _read(build_loader(_samples(folder), 4), 2)
    many = _read(build_loader(_samples(folder), 4, **options), 2)  # type: ignore[arg-type]
    for epoch_one, epoch_many in zip(one, many):
        for batch_one, batch_many in zip(epoch_one, epoch_many):
            assert all((a == b).all() for a, b in zip(batch_one, batch_many))


def test_worker_processes_after_opencv_used_its_threads(folder: Path) -> None:
    """A forked worker must not wait for the parent's OpenCV threads, which it does not have."""
    program = """
import sys, cv2, numpy as np
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from src.data.coco import index_annotations
from src.data.loader import build_loader
from src.data.mixed import MixedSamples
from src.data.sample import SampleMaker
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION
cv2.setNumThreads(4)
cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)
index = index_annotations(Path(sys.argv[1], "annotations", "person_keypoints.json"), SELECTION)
maker = SampleMaker(index, Path(sys.argv[1], "images"), sample_settings())
loader = build_loader(MixedSamples([maker]), 2, workers=2, worker_processes=True)
print(sum(len(row) for row in loader.create_tuple_iterator(num_epochs=1)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["20"]


@pytest.mark.parametrize(("free_mb", "kept", "used"), [(0, 0, False), (8, 2, True), (1000, 16, True)])
def test_worker_processes_keep_ready_what_shared_memory_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free_mb: int, kept: int, used: bool
) -> None:
    usual = ds.config.get_prefetch_size()
    free = shutil.disk_usage("/")._replace(free=free_mb << 20)
    monkeypatch.setattr(loader_module.shutil, "disk_usage", lambda _path: free)
    made: list[bool] = []
    real = ds.GeneratorDataset
    monkeypatch.setattr(
        ds, "GeneratorDataset", lambda *a, **k: made.append(k["python_multiprocessing"]) or real(*a, **k)
    )
    samples = _samples(folder, sample_settings(insize=64 * 4, augment=False))
    try:
        build_loader(samples, 2, 0, 2, workers=2, worker_processes=True)
        assert ds.config.get_prefetch_size() == max(1, kept)
    finally:
        ds.config.set_prefetch_size(usual)
    assert made == [used]
    assert ("using threads instead" in caplog.text) == (not used)


def test_workers_unless_told_leave_the_network_its_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 24)
    assert choose_workers(0, "CPU", 8) == 1
    assert choose_workers(7, "CPU", 8) == 7
    assert [choose_workers(0, "Ascend", cards) for cards in (1, 8, 16, 64)] == [4, 2, 1, 1]


@pytest.mark.numerical
def test_resumed_mid_epoch_goes_on_exactly(folder: Path) -> None:
    whole = [batch for epoch in _read(build_loader(_samples(folder), 3), 3) for batch in epoch]
    resumed = build_loader(_samples(folder), 3)
    resumed.set_init_step(5)  # of 3 a epoch: two batches of the second epoch are done
    iterator = resumed.create_tuple_iterator(num_epochs=3, output_numpy=True)  # all, as Model.train does
    rest = [tuple(np.array(v) for v in row) for _ in range(2) for row in iterator]
    assert len(rest) == 4
    for expected, batch in zip(whole[5:], rest):
        assert all((a == b).all() for a, b in zip(expected, batch))


@pytest.mark.numerical
def test_a_data_set_that_does_not_resume_is_refused(folder: Path) -> None:
    """As with a MindSpore that ignores set_init_step, or has none."""
    samples = _samples(folder)
    for step, rank, ranks in ((0, 0, 1), (5, 0, 1), (3, 1, 2)):
        resumed = build_loader(samples, 3, rank, ranks)
        start_after(resumed, step)
        images = next(resumed.create_tuple_iterator(num_epochs=3, output_numpy=True))[0]
        check_resumed_batch(samples, images, step, rank, ranks)
        with pytest.raises(ConfigError, match=f"not the one after step {step + 1};.*2.7 to 2.10"):
            check_resumed_batch(samples, images, step + 1, rank, ranks)
    with pytest.raises(ConfigError, match="cannot resume a data set"):
        start_after(object(), 5)


def test_ranks_see_the_same_samples_as_one_rank_does(folder: Path) -> None:
    samples = _samples(folder)
    for rank in range(2):
        (batches,) = _read(build_loader(_samples(folder), 3, rank, 2), 1)
        order = epoch_order(PICTURES, SETTINGS.seed, 0, rank, 2)
        assert len(batches) == 2
        expected = np.stack([samples.make(int(i), 0).image for i in order[:6]])
        assert (np.concatenate([batch[0] for batch in batches]) == expected).all()


def test_unshuffled_order(folder: Path) -> None:
    settings = sample_settings(insize=64, augment=False)
    samples = _samples(folder, settings)
    (batches,) = _read(build_loader(samples, 11, shuffle=False), 1)
    assert (batches[0][0] == np.stack([samples.make(i, 0).image for i in range(11)])).all()


def test_too_few_pictures_for_a_batch(folder: Path) -> None:
    with pytest.raises(DataError, match="batch_size"):
        build_loader(_samples(folder), 12)
    with pytest.raises(DataError, match="2 ranks"):
        build_loader(_samples(folder), 7, 0, 2)


@pytest.fixture
def no_watchdog() -> Iterator[None]:
    """MindSpore's watchdog ends this process when it sees that a worker process has ended, as after an error."""
    ds.config.set_enable_watchdog(False)
    yield
    ds.config.set_enable_watchdog(True)


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "worker_processes": True}])
def test_a_workers_error_comes_back_as_one_line(tmp_path: Path, options: dict[str, object], no_watchdog: None) -> None:
    draw_dataset(tmp_path, 4, seed=1, sizes=[(240, 180)])
    for path in (tmp_path / "images").iterdir():
        path.write_bytes(path.read_bytes()[:500])
    settings = sample_settings(insize=64, flip_probability=0)
    loader = build_loader(_samples(tmp_path, settings), 2, **options)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError) as caught:
        _read(loader, 1)
    error = first_worker_error(caught.value)
    assert error is not None
    assert "truncated JPEG" in str(error)
    assert "\n" not in str(error)
    assert first_worker_error(RuntimeError("something else")) is None
