"""Work that one process of a node does for all of them: the others wait, see its progress, share its result or failure.

The processes that share a folder on a disk are a node. A kernel lock (flock) on a file in it says who works: it ends
with its holder, however that dies, so a killed worker is followed by the next one. The outcome lies in a file beside it
with a mark that is new each time; a process takes an outcome only when the mark changed after it first looked. So
nothing that an earlier start of the job left there is ever taken for news, without clocks, process numbers or names.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from filelock import FileLock

from src.errors import JobError, exit_code_of
from src.files import lock_file, write_atomically
from src.json_text import parse_json_object

logger = logging.getLogger(__name__)

POLL_S = 0.2
OUTCOME_MAX_BYTES = 256 << 20  # it may list every missing picture of a large data set
TOLD_EVERY_S = 0.5
LOGGED_EVERY_S = 10.0

Report = Callable[[str], None]


class NodeError(JobError):
    """Another process of the node failed at the common work, or makes no progress with it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def once_per_node(folder: Path, name: str, work: Callable[[Report], Any], stalled_s: float) -> Any:
    """What `work` returns (JSON values), done by one process among those that call this with the same folder and name.

    `work` gets a function to call with one line about its progress; all processes log it. A process that comes when all
    is done works too: `work` must find for itself that nothing is left to do. Raises what `work` raises, and in the
    other processes NodeError with the same words; NodeError as well after `stalled_s` seconds without progress.
    """
    status = WorkStatus(folder, name)
    before = status.outcome()
    with status.lock.held(lambda: status.progress(), stalled_s):
        after = status.outcome()
        if after.get("mark") != before.get("mark"):
            return _shared(after)
        return _done_here(status, work)


def _shared(outcome: dict[str, Any]) -> Any:
    if "error" in outcome:
        text = f"process {outcome.get('pid')} of this node failed: {outcome['error']}"
        raise NodeError(text, int(outcome.get("exit_code", 1)))
    return outcome.get("value")


def _done_here(status: WorkStatus, work: Callable[[Report], Any]) -> Any:
    status.tell("begins")  # what an earlier start said last is over
    try:
        value = work(status.tell)
    except Exception as error:  # not what ends a process from outside: then another one takes over
        status.post_error(error)
        raise
    status.post({"value": value})
    return value


class NodeLock:
    """A lock that one process of the node holds; it is free again when that process ends, in whatever way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None

    def take(self) -> bool:
        """Whether this process has the lock now; never waits."""
        if self._lock is None:
            with _usable(self._path):
                self._lock = lock_file(self._path)
        return self._lock is not None

    def release(self) -> None:
        """Let the next one have it."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextlib.contextmanager
    def held(self, progress: Callable[[], str], stalled_s: float) -> Iterator[None]:
        """Hold the lock; while another process has it, wait as long as `progress` changes every `stalled_s` seconds."""
        timeout = StallTimeout(progress, stalled_s)
        while not self.take():
            timeout.check()
            time.sleep(POLL_S)
        try:
            yield
        finally:
            self.release()


class StallTimeout:
    """Waiting for another process: logs what it says of its progress, and gives up when that stands still."""

    def __init__(self, progress: Callable[[], str], stalled_s: float) -> None:
        self._progress, self._stalled_s = progress, stalled_s
        self._seen: str | None = None
        self._since = self._logged = time.monotonic()

    def check(self) -> None:
        """Call now and then; NodeError when there was no progress for too long."""
        now, text = time.monotonic(), self._progress()
        if text != self._seen:
            self._seen, self._since = text, now
        if now - self._since > self._stalled_s:
            raise NodeError(
                f"no progress for {self._stalled_s:g} s ({text or 'nothing was heard of it'}): look at that process's "
                "log; raise stage_timeout if the storage is that slow"
            )
        if now - self._logged > LOGGED_EVERY_S:
            self._logged = now
            logger.info("waiting: %s", text or "another process of this node is at work")


class WorkStatus:
    """What the worker of a node tells the others: how far it is, and how it ended."""

    def __init__(self, folder: Path, name: str) -> None:
        self.lock = NodeLock(folder / f"{name}.lock")
        self._outcome, self._progress = folder / f"{name}.json", folder / f"{name}.progress"
        self._told = self._logged = 0.0

    def outcome(self) -> dict[str, Any]:
        """The last outcome, of this start of the job or of an earlier one; empty when there is none."""
        try:
            found = parse_json_object(self._outcome.read_bytes(), OUTCOME_MAX_BYTES)
        except (OSError, ValueError):
            return {}
        is_valid = isinstance(found.get("mark"), str) and type(found.get("exit_code", 1)) is int
        return found if is_valid else {}

    def post(self, outcome: dict[str, Any]) -> None:
        """Make the outcome known, under a new mark."""
        with _usable(self._outcome):
            write_atomically(self._outcome, json.dumps({"mark": uuid.uuid4().hex, "pid": os.getpid(), **outcome}))

    def post_error(self, error: Exception) -> None:
        """Make a failure known; where even that cannot be written the others find out for themselves."""
        with contextlib.suppress(JobError):
            self.post({"error": str(error) or type(error).__name__, "exit_code": exit_code_of(error)})

    def progress(self) -> str:
        """The worker's last line about itself; empty when there is none."""
        try:
            return self._progress.read_text(encoding="utf-8")
        except OSError:
            return ""

    def tell(self, text: str) -> None:
        """Say how far this process is; cheap enough to be called for every file."""
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            with contextlib.suppress(OSError):  # news are a courtesy; what fails here fails the work itself
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
        text = f"{path}: {error.strerror or error}; name a folder that can be written with scratch_path"
        raise NodeError(text, exit_code=2) from None
