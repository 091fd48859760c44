"""Training while pictures are still being copied: one copying process per node, and waiting for the next picture.

Each rank writes the names it will need, in order, to its own file; the copying process serves the ranks in turn. A
picture that a rank waits for right now goes first. The copying process ends with the rank that started it; a rank that
waits while no such process runs starts another. It is a separate process because Python's global lock would make
copying and sample preparation share one CPU.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import obs_sync
from modelarts.runtime.node_lock import POLL_S, StallTimeout, WorkStatus, raise_failure
from src.files import write_atomically
from src.json_text import parse_json

ROOT = Path(__file__).resolve().parents[2]
QUEUE_POLL_S = 0.02
CHECK_S = 0.5
PARENT_CHECK_S = 1.0
EXIT_S = 5.0  # for copies in progress, and to record what is complete for the next start
ORPHAN_S = PARENT_CHECK_S + EXIT_S + 1


@dataclasses.dataclass(frozen=True)
class StageRequest:
    """The request to a node's copying process: `names` from `url` to `target`; `folder` holds its lock and queue."""

    url: str
    target: str
    folder: str
    name: str
    names: Sequence[str]
    storage: dict[str, obs_sync.Value]

    @property
    def status(self) -> WorkStatus:
        """Progress and outcome of the copying process."""
        return WorkStatus(Path(self.folder), f"{self.name}-copy")

    @property
    def queue(self) -> Path:
        """The folder of the ranks' request files."""
        return Path(self.folder) / f"{self.name}-queue"

    @property
    def file(self) -> Path:
        """The file that holds this request."""
        return Path(self.folder) / f"{self.name}-request.json"

    def write(self) -> None:
        """Write the request to its file and empty the queue of an earlier one."""
        self.queue.mkdir(parents=True, exist_ok=True)
        for old in self.queue.iterdir():
            old.unlink(missing_ok=True)
        write_atomically(self.file, json.dumps(dataclasses.asdict(self)))

    def is_under_way(self) -> bool:
        """Whether a copying process is running, other than one about to end with its parent."""
        lock, end = self.status.lock, time.monotonic() + ORPHAN_S
        while not lock.take():
            if time.monotonic() > end:
                return True
            time.sleep(POLL_S)
        lock.release()
        return False

    @classmethod
    def read(cls, file: Path) -> StageRequest:
        """Read a request from its file."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def storage_settings() -> dict[str, obs_sync.Value]:
    """The current storage settings for another process, which reads credentials from the environment like this one."""
    settings = dataclasses.asdict(obs_sync.filesystem().settings)
    return {**settings, "obs_local_root": os.path.abspath(str(settings["obs_local_root"]))}


class StreamedPictures:
    """A rank's view of pictures that are still being copied; usable from threads and forked workers."""

    def __init__(self, request: StageRequest, stalled_s: float) -> None:
        self._request, self._stalled_s = request, stalled_s
        self._target = request.target
        self._mark = request.status.outcome().get("mark")
        self._guard = threading.Lock()
        self._copier: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()

    def expect(self, names: Sequence[str]) -> None:
        """Tell the copying process which pictures this rank will need, in order."""
        if names:
            with self._guard, (self._request.queue / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
                file.write(json.dumps(list(names)) + "\n")

    def wait_for(self, name: str) -> None:
        """Return once the picture is there or known to be missing; NodeError when copying failed or stalls."""
        path = os.path.join(self._target, name)
        if os.path.exists(path):
            return
        self.expect([name])
        timeout = StallTimeout(self._request.status.progress, self._stalled_s)
        checked = 0.0
        while not os.path.exists(path) and not self._closed.is_set():
            now = time.monotonic()
            if now - checked > CHECK_S:
                checked = now
                if self._is_over():
                    return  # not in the store: the reader will report it
                self.start()
                timeout.check()
            time.sleep(QUEUE_POLL_S)

    def start(self) -> None:
        """Start the copying process unless one is running."""
        with self._guard:
            if self._copier is not None and self._copier.poll() is None:
                return
            lock = self._request.status.lock
            if self._closed.is_set() or not lock.take():
                return
            lock.release()
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            self._copier = subprocess.Popen(
                [sys.executable, "-m", "modelarts.runtime.copy_worker", str(self._request.file), str(os.getpid())],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """Stop waiting, and end the copying process if this rank started it."""
        self._closed.set()
        with self._guard:
            if self._copier is not None:
                self._copier.terminate()
                try:
                    self._copier.wait(EXIT_S)
                except subprocess.TimeoutExpired:
                    self._copier.kill()
                    self._copier.wait()

    def _is_over(self) -> bool:
        outcome = self._request.status.outcome()
        if outcome.get("mark") == self._mark:
            return False
        raise_failure(outcome, "copying the pictures failed")
        return True


class RequestQueue:
    """The lists of names that the ranks have requested since the last call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self._looked = 0.0

    def new(self) -> list[list[str]]:
        """Each list once; reads the files at most every `QUEUE_POLL_S` seconds."""
        now = time.monotonic()
        if now - self._looked < QUEUE_POLL_S:
            return []
        self._looked = now
        found: list[list[str]] = []
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(self._folder), key=lambda entry: entry.name):
                if entry.stat().st_size > self._read.get(entry.name, 0):
                    found += self._lines(entry)
        return found

    def _lines(self, entry: os.DirEntry[str]) -> list[list[str]]:
        with open(entry.path, "rb") as file:
            file.seek(self._read.get(entry.name, 0))
            whole, newline, _ = file.read().rpartition(b"\n")  # the rest is still being written
        self._read[entry.name] = self._read.get(entry.name, 0) + len(whole) + len(newline)
        return [names for line in whole.splitlines() if (names := _names_in(line))]


def _names_in(line: bytes) -> list[str]:
    """The names of one list; empty if it is damaged, since a waiting rank requests its picture again."""
    try:
        names = parse_json(line)
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def in_turn(queue: RequestQueue, plan: Sequence[str]) -> Iterator[str]:
    """Names to copy next: new requests first, then the ranks' lists in turn, then the plan."""
    lists: deque[Iterator[str]] = deque()
    rest = iter(plan)
    while True:
        lists.extendleft(iter(names) for names in queue.new())
        name = None
        while lists and (name := next(lists[0], None)) is None:
            lists.popleft()
        lists.rotate(-1)
        if name is None and (name := next(rest, None)) is None:
            return
        yield name
