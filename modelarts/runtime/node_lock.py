"""Work done once per node: one process does it, the others wait, log its progress and share its result or failure.

Processes that share a folder form a node. A kernel lock (flock) on a file in it decides who works; it is released when
its holder ends, however it ends, so another process takes over from a killed worker. The outcome is a file next to the
lock, with a new random mark each time; a process accepts an outcome only if the mark has changed since it first read
it. Files of an earlier start of the job are therefore ignored, without relying on clocks or process numbers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable, TypeVar, cast

from filelock import FileLock

from src.errors import JobError, exit_code_of
from src.files import lock_file, write_atomically
from src.json_text import parse_json_object

logger = logging.getLogger(__name__)

POLL_S = 0.2
OUTCOME_MAX_BYTES = 256 << 20  # it may list every missing picture of a large data set
REPORTED_EVERY_S = 0.5
LOGGED_EVERY_S = 10.0

T = TypeVar("T")
Report = Callable[[str], None]


class NodeError(JobError):
    """Another process of the node failed at the shared work, or makes no progress with it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def once_per_node(folder: Path, name: str, work: Callable[[Report], T], stalled_s: float) -> T:
    """Return what `work` returns (JSON values), run by one of the processes that call this with this folder and name.

    `work` is given a function that reports one line of progress; all processes log it. A process that arrives after the
    work is done runs it again: `work` must detect that nothing is left to do. Raises what `work` raises; in the other
    processes NodeError with the same message, and also after `stalled_s` seconds without progress.
    """
    status = WorkStatus(folder, name)
    before = status.outcome()
    with status.lock.held(lambda: status.progress(), stalled_s):
        after = status.outcome()
        if after.get("mark") != before.get("mark"):
            return cast(T, _shared(after))
        return _run_here(status, work)


def _shared(outcome: Mapping[str, object]) -> object:
    raise_failure(outcome, f"process {outcome.get('pid')} of this node failed")
    return outcome.get("value")


def raise_failure(outcome: Mapping[str, object], what: str) -> None:
    """Raise NodeError with `what` and the error if the outcome is a failure."""
    if "error" in outcome:
        code = outcome.get("exit_code")
        raise NodeError(f"{what}: {outcome['error']}", code if isinstance(code, int) else 1)


def _run_here(status: WorkStatus, work: Callable[[Report], T]) -> T:
    status.report("started")  # replaces the last line of an earlier start
    try:
        value = work(status.report)
    except Exception as error:  # not a signal: then another process takes over
        status.post_error(error)
        raise
    status.post({"value": value})
    return value


class NodeLock:
    """A lock that one process of the node holds until it releases it or ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None

    def take(self) -> bool:
        """Try to take the lock; returns whether this process holds it now. Never waits."""
        if self._lock is None:
            with _usable(self._path):
                self._lock = lock_file(self._path)
        return self._lock is not None

    def release(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextlib.contextmanager
    def held(self, progress: Callable[[], str], stalled_s: float) -> Iterator[None]:
        """Hold the lock; wait for its holder as long as `progress` changes at least every `stalled_s` seconds."""
        timeout = StallTimeout(progress, stalled_s)
        while not self.take():
            timeout.check()
            time.sleep(POLL_S)
        try:
            yield
        finally:
            self.release()


class StallTimeout:
    """Limits the wait for another process: logs its progress, and gives up when there is none."""

    def __init__(self, progress: Callable[[], str], stalled_s: float) -> None:
        self._progress, self._stalled_s = progress, stalled_s
        self._seen: str | None = None
        self._since = self._logged = time.monotonic()

    def check(self) -> None:
        """Call regularly; raises NodeError after too long without progress."""
        now, text = time.monotonic(), self._progress()
        if text != self._seen:
            self._seen, self._since = text, now
        if now - self._since > self._stalled_s:
            raise NodeError(
                f"no progress for {self._stalled_s:g} s ({text or 'no progress reported'}): see that process's log; "
                "raise stage_timeout if the storage is slow"
            )
        if now - self._logged > LOGGED_EVERY_S:
            self._logged = now
            logger.info("waiting: %s", text or "another process of this node is at work")


class WorkStatus:
    """Progress and outcome of the node's shared work, as files next to its lock."""

    def __init__(self, folder: Path, name: str) -> None:
        self.lock = NodeLock(folder / f"{name}.lock")
        self._outcome, self._progress = folder / f"{name}.json", folder / f"{name}.progress"
        self._reported = self._logged = 0.0

    def outcome(self) -> Mapping[str, object]:
        """The last outcome, of this start of the job or an earlier one; empty when there is none."""
        try:
            found = parse_json_object(self._outcome.read_bytes(), OUTCOME_MAX_BYTES)
        except (OSError, ValueError):
            return {}
        is_valid = isinstance(found.get("mark"), str) and type(found.get("exit_code", 1)) is int
        return found if is_valid else {}

    def post(self, outcome: Mapping[str, object]) -> None:
        """Publish the outcome under a new mark."""
        with _usable(self._outcome):
            write_atomically(self._outcome, json.dumps({"mark": uuid.uuid4().hex, "pid": os.getpid(), **outcome}))

    def post_error(self, error: Exception) -> None:
        """Publish a failure; if it cannot be written, the other processes will fail on their own."""
        with contextlib.suppress(JobError):
            self.post({"error": str(error) or type(error).__name__, "exit_code": exit_code_of(error)})

    def progress(self) -> str:
        """The worker's last line of progress; empty when there is none."""
        try:
            return self._progress.read_text(encoding="utf-8")
        except OSError:
            return ""

    def report(self, text: str) -> None:
        """Report progress; cheap enough to be called for every file."""
        now = time.monotonic()
        if now - self._reported >= REPORTED_EVERY_S:
            self._reported = now
            with contextlib.suppress(OSError):  # progress is optional; a real problem will make the work fail
                write_atomically(self._progress, f"process {os.getpid()}: {text}")
        if now - self._logged >= LOGGED_EVERY_S:
            if self._logged:
                logger.info("%s", text)
            self._logged = now


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"{path}: {error.strerror or error}; set scratch_path to a writable folder"
        raise NodeError(text, exit_code=2) from None
