"""Retries with exponential backoff and a total deadline; and `for_each`, which processes items in several threads."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Callable, TypeVar

from obs_sync.errors import ObsSyncError, Transient

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Deadline:
    """A point in time by which an operation must end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; zero or negative once the deadline has passed."""
        return self._end - time.monotonic()

    def wait_limit(self, timeout_s: float) -> float:
        """How long a single wait may take, in seconds; raises TimeoutError once the deadline has passed."""
        left = self.remaining()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(timeout_s, left)


@dataclass(frozen=True)
class Policy:
    """How often and how long to retry; times in seconds."""

    max_attempts: int
    backoff_s: float
    max_backoff_s: float
    deadline_s: float

    def pause(self, attempt: int) -> float:
        """The pause after the given attempt (from 1): half to all of a limit that doubles each time."""
        limit = min(self.max_backoff_s, self.backoff_s * 2.0 ** (attempt - 1))
        return limit * random.uniform(0.5, 1.0)


def may_pass(error: ObsSyncError) -> bool:
    """Whether a retry can help: a temporary failure, or data damaged in transit."""
    return isinstance(error, Transient) or bool(getattr(error, "may_pass", False))


def run(work: Callable[[Deadline, int], T], policy: Policy) -> T:
    """Call `work(deadline, attempt)` until it succeeds, fails permanently, or attempts or time run out."""
    deadline = Deadline(policy.deadline_s)
    begin = time.monotonic()
    attempt = 1
    while True:
        try:
            return work(deadline, attempt)
        except ObsSyncError as error:
            pause = policy.pause(attempt)
            if not may_pass(error):
                raise
            if attempt >= policy.max_attempts or deadline.remaining() <= pause:
                raise _exhausted(error, attempt, time.monotonic() - begin) from error
            logger.warning("%s; attempt %d of %d in %.1f s", error, attempt + 1, policy.max_attempts, pause)
            time.sleep(pause)
            attempt += 1


def _exhausted(error: ObsSyncError, attempts: int, seconds: float) -> ObsSyncError:
    if not isinstance(error, Transient):
        return error
    problem = f"{error.problem} (gave up after {attempts} attempts in {seconds:.1f} s)"
    return Transient(problem, url=error.url, operation=error.operation, next_step=error.next_step)


def for_each(items: Iterable[T], work: Callable[[T], None], threads: int) -> None:
    """Call `work` on every item in `threads` threads; the next item is drawn when a thread becomes free.

    The first exception of `work` or of the iterable stops the other threads after their current item and is raised.
    """
    source: Iterator[T] = iter(items)
    lock, stop = threading.Lock(), threading.Event()
    errors: list[BaseException] = []

    def drain() -> None:
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

    workers = [threading.Thread(target=drain, name=f"obs_sync-{number}", daemon=True) for number in range(threads - 1)]
    for worker in workers:
        worker.start()
    try:
        drain()
        for worker in workers:
            worker.join()
    except BaseException:
        stop.set()
        raise
    if errors:
        raise errors[0]
