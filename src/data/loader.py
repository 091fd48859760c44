"""The training data as a MindSpore dataset; its order is a pure function of (seed, epoch, rank, number of ranks)."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator

import cv2
import mindspore as ms
import mindspore.dataset as ds
import numpy as np

from src.arrays import Array
from src.data.mixed import MixedSamples
from src.data.order import batches_per_epoch
from src.errors import ConfigError, DataError, JobError

log = logging.getLogger(__name__)

SHARED_MEMORY = "/dev/shm"
CARDS_A_NODE_MAX = 16  # that share it and the processors
WORKERS_MAX = 4  # unless set explicitly; more threads slow each other down

COLUMNS = ("image", "heatmaps", "pafs", "valid_mask")


def build_loader(
    samples: MixedSamples,
    batch_size: int,
    rank: int = 0,
    rank_size: int = 1,
    start_epoch: int = 0,
    shuffle: bool = True,
    workers: int = 1,
    worker_processes: bool = False,
) -> ds.Dataset:
    """Batches of COLUMNS, epoch after epoch; the incomplete last batch of an epoch is dropped.

    To resume, leave `start_epoch` at 0 and call `start_after(loader, global_step)`: skipped samples are not made.
    (`start_epoch` is for a run that begins at an epoch by other means.) `workers` is limited to the number of
    processors. Threads are the default: OpenCV releases the GIL. `worker_processes` pass samples through shared memory
    and prefetch less where it is small. With several workers, OpenCV's own threads are disabled.
    Raises DataError when a rank's share of the pictures is smaller than one batch.
    """
    share = -(-len(samples) // rank_size)
    if batches_per_epoch(len(samples), batch_size, rank_size) == 0:
        raise DataError(
            f"{share} pictures for each of {rank_size} ranks are fewer than a batch of {batch_size}; lower batch_size"
        )
    count = max(1, min(workers, os.cpu_count() or 1))
    if count < workers:
        log.info("workers=%d exceeds the %d processors; using %d", workers, count, count)
    if count > 1:
        cv2.setNumThreads(1)  # workers provide the parallelism; a forked process cannot use an inherited thread pool
    processes = worker_processes and count > 1
    if processes:
        ready = _rows_that_fit(samples.settings.sample_bytes * count * min(rank_size, CARDS_A_NODE_MAX))
        processes = ready > 0
        ds.config.set_prefetch_size(max(1, min(ready, ds.config.get_prefetch_size())))
    dataset = ds.GeneratorDataset(
        _Source(samples),
        list(COLUMNS),
        sampler=_EpochSampler(samples, start_epoch, rank, rank_size, shuffle),
        num_parallel_workers=count,
        python_multiprocessing=processes,
    )
    return dataset.batch(batch_size, drop_remainder=True)


def start_after(loader: ds.Dataset, step: int) -> None:
    """Have a loader begin with the batch after `step` steps; ConfigError where MindSpore cannot."""
    if not hasattr(loader, "set_init_step"):
        raise ConfigError(f"MindSpore {ms.__version__} cannot resume a data set; {_VERSIONS}")
    loader.set_init_step(step)


def check_resumed_batch(samples: MixedSamples, images: Array, step: int, rank: int = 0, rank_size: int = 1) -> None:
    """Verify that `images` (N, 3, H, W) is the batch after `step` steps by recomputing its first sample.

    `set_init_step` is undocumented: a version that ignored it would train on other pictures than an uninterrupted run
    without a word. Raises ConfigError.
    """
    epoch, within = divmod(step, batches_per_epoch(len(samples), len(images), rank_size))
    slot = int(samples.order(epoch, rank, rank_size)[within * len(images)])
    if not np.array_equal(images[0], samples.make(slot, epoch).image):
        raise ConfigError(
            f"MindSpore {ms.__version__} does not resume the data set where it was: the first batch is not the one "
            f"after step {step}; {_VERSIONS}"
        )


_VERSIONS = "use MindSpore 2.7 to 2.10, or start a new run in another train_url"


def _rows_that_fit(row_bytes: int) -> int:
    """How many samples each worker process may prefetch; 0 when shared memory is too small for any.

    `row_bytes` is the size of one sample of each worker on the node. A process that writes beyond the end of shared
    memory is killed, so half of it is left free.
    """
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return sys.maxsize  # not Linux: memory is shared in another way
    rows = free // 2 // row_bytes
    if rows == 0:
        log.warning(
            "worker_processes: %s has %d MB free, %d MB are needed; using threads instead",
            *(SHARED_MEMORY, free >> 20, -(-2 * row_bytes >> 20)),
        )
    return int(rows)


def choose_workers(workers: int, device: str, rank_size: int) -> int:
    """The number of workers of one card: as set, or for 0 one on CPU, where the network needs the processors itself."""
    if workers or device == "CPU":
        return workers or 1
    return max(1, min(WORKERS_MAX, (os.cpu_count() or 1) // min(rank_size, CARDS_A_NODE_MAX) - 1))


def first_worker_error(error: BaseException) -> DataError | None:
    """The DataError behind the RuntimeError that MindSpore raises for an error in a data worker, if there is one."""
    if isinstance(error, DataError):
        return error
    found = re.search(re.escape(_MARK) + r"(.*?)" + re.escape(_MARK), str(error), re.DOTALL)
    return DataError(found.group(1)) if found else None


_MARK = "\u2063data error\u2063"  # invisible separators: survive MindSpore's formatting, disturb no reader


class _WorkerError(Exception):
    """Carries a data error's message through MindSpore, which passes on the traceback's text only."""


class _Source:
    """Random access by `epoch` << 32 | `slot`."""

    def __init__(self, samples: MixedSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> tuple[Array, ...]:
        epoch, slot = divmod(int(key), 1 << 32)
        try:
            return tuple(self.samples.make(slot, epoch))
        except JobError as error:
            raise _WorkerError(f"{_MARK}{error}{_MARK}") from error


class _EpochSampler(ds.Sampler):
    """Yields `epoch` << 32 | `slot`, so that a sample's random numbers know their epoch."""

    def __init__(self, samples: MixedSamples, start_epoch: int, rank: int, rank_size: int, shuffle: bool) -> None:
        self.samples, self.epoch = samples, start_epoch
        self.rank, self.rank_size, self.shuffle = rank, rank_size, shuffle
        super().__init__(len(self))  # asks for len(self): last

    def __len__(self) -> int:
        return -(-len(self.samples) // self.rank_size)

    def __iter__(self) -> Iterator[int]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        slots = self.samples.order(epoch, self.rank, self.rank_size, self.shuffle)
        return iter((slots + (epoch << 32)).tolist())
