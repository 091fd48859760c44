"""Try again what may pass: exponential pauses with jitter, a limit on tries and a deadline on everything together."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import Callable, TypeVar

from obs_sync.errors import ObsSyncError, Transient

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Deadline:
    """A point in time that a piece of work must not outlast."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; not positive when the time is over."""
        return self._end - time.monotonic()

    def wait_limit(self, timeout_s: float) -> float:
        """How long one wait may take; raises TimeoutError when the time is over."""
        left = self.remaining()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(timeout_s, left)


@dataclass(frozen=True)
class Policy:
    """How often and how long to try; seconds."""

    max_attempts: int
    backoff_s: float
    max_backoff_s: float
    deadline_s: float

    def pause(self, attempt: int) -> float:
        """The pause after the given try (from 1): a random share of a doubling limit."""
        limit = min(self.max_backoff_s, self.backoff_s * 2.0 ** (attempt - 1))
        return limit * random.uniform(0.5, 1.0)


def may_pass(error: ObsSyncError) -> bool:
    """Whether trying again makes sense: trouble of the moment, or bytes damaged on the way."""
    return isinstance(error, Transient) or bool(getattr(error, "may_pass", False))


def run(work: Callable[[Deadline, int], T], policy: Policy) -> T:
    """Call `work(deadline, attempt)` until it succeeds, fails for good, or tries or time are used up."""
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
                raise _giving_up(error, attempt, time.monotonic() - begin) from error
            logger.warning("%s; try %d of %d in %.1f s", error, attempt + 1, policy.max_attempts, pause)
            time.sleep(pause)
            attempt += 1


def _giving_up(error: ObsSyncError, attempts: int, seconds: float) -> ObsSyncError:
    if not isinstance(error, Transient):
        return error
    problem = f"{error.problem} (gave up after {attempts} tries in {seconds:.1f} s)"
    return Transient(problem, url=error.url, operation=error.operation, next_step=error.next_step)
