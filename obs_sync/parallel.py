"""Run one function over many items in a few threads: bounded memory, the first crash stops all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Callable, TypeVar

T = TypeVar("T")


def for_each(items: Iterable[T], work: Callable[[T], None], threads: int) -> None:
    """Call `work` on every item; the iterable is drawn from as threads become free.

    The first exception of `work` (or of the iterable) ends the others after their current item and is raised here.
    """
    source: Iterator[T] = iter(items)
    lock, stop = threading.Lock(), threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.is_set():
                with lock:
                    item = next(source)
                work(item)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            errors.append(error)
            stop.set()

    workers = [threading.Thread(target=run, name=f"obs_sync-{number}", daemon=True) for number in range(threads - 1)]
    for worker in workers:
        worker.start()
    try:
        run()
        for worker in workers:
            worker.join()
    except BaseException:
        stop.set()
        raise
    if errors:
        raise errors[0]
