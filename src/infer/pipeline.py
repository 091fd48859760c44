"""The pipeline: pictures are read ahead and finished behind while the network works, in a bounded space.

The network runs in the caller's thread. Reading, fitting, decoding, drawing and encoding happen in two small pools of
threads; OpenCV, NumPy and MindSpore leave Python's lock alone while they compute.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

#: What is read, what the network makes of it, what is finished.
Read = TypeVar("Read")
Made = TypeVar("Made")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Skip(Generic[Done]):
    """What `read` returns for an item that goes around the network: its result is `done` already."""

    done: Done


@dataclass(frozen=True)
class PipelineLimits:
    """How much happens at once: threads on either side of the network, and items that wait to enter or leave it.

    `batch_size` items of one kind go through the network together; while fewer have come, others may pass them, as long
    as not more than `held` wait.
    """

    readers: int = 2
    finishers: int = 2
    batch_size: int = 1

    @property
    def ahead(self) -> int:
        return self.readers + self.batch_size

    @property
    def behind(self) -> int:
        return self.finishers + self.batch_size

    @property
    def held(self) -> int:
        return 2 * self.batch_size if self.batch_size > 1 else 0


def limits_for(batch_size: int) -> PipelineLimits:
    """Threads by the number of processors this process may use: a few on either side keep the network fed."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, min(4, processors // 2))
    return PipelineLimits(readers=threads, finishers=threads, batch_size=batch_size)


def run_pipeline(
    items: Iterable[str],
    read: Callable[[str], Read | Skip[Done]],
    kind_of: Callable[[Read], object],
    forward: Callable[[Sequence[Read]], Sequence[Made]],
    finish: Callable[[Read, Made], Done],
    limits: PipelineLimits,
) -> Iterator[Done]:
    """`finish(x, forward([x, …]))` for every `x = read(item)`, as results come; equal `kind_of` share a batch.

    Results come in the order of the items but where batches of another kind were full earlier. The first exception of
    any stage is raised here; what has not been started then never is.
    """
    reading = ThreadPoolExecutor(limits.readers, thread_name_prefix="read")
    finishing = ThreadPoolExecutor(limits.finishers, thread_name_prefix="finish")
    leaving: deque[Future[Done]] = deque()
    try:
        arriving: Iterator[Read | Skip[Done]] = _ahead(reading, read, items, limits.ahead)
        for batch in _batches(arriving, kind_of, limits):
            if isinstance(batch, Skip):
                leaving.append(_finished(batch.done))
            else:
                made = forward(batch)
                leaving.extend(finishing.submit(finish, one, its) for one, its in zip(batch, made))
            while leaving and (leaving[0].done() or len(leaving) > limits.behind):
                yield leaving.popleft().result()
        while leaving:
            yield leaving.popleft().result()
    finally:
        for pool in (reading, finishing):
            pool.shutdown(wait=True, cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, read: Callable[[str], Read], items: Iterable[str], count: int) -> Iterator[Read]:
    """Results of `read` in order, of which at most `count` are in the making or wait."""
    waiting: deque[Future[Read]] = deque()
    for item in items:
        waiting.append(pool.submit(read, item))
        if len(waiting) >= count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(
    arriving: Iterable[Read | Skip[Done]], kind_of: Callable[[Read], object], limits: PipelineLimits
) -> Iterator[list[Read] | Skip[Done]]:
    """Full batches of one kind; short ones when too many items wait (the oldest goes first) and at the end."""
    groups: dict[object, list[Read]] = {}
    for item in arriving:
        if isinstance(item, Skip):
            yield item
            continue
        group = groups.setdefault(kind_of(item), [])
        group.append(item)
        if len(group) == limits.batch_size:
            yield groups.pop(kind_of(item))
        elif sum(map(len, groups.values())) > limits.held:
            yield groups.pop(next(iter(groups)))
    yield from groups.values()


def _finished(value: Done) -> Future[Done]:
    future: Future[Done] = Future()
    future.set_result(value)
    return future
