"""Publishes checkpoints while training runs: write, upload, verify, describe in a manifest, remove old ones.

Training stops only if another job has taken over the `train_url`. Files that could not be published are logged at once
and listed by `drain` at the end.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from functools import partial
from pathlib import Path

import obs_sync
from modelarts.runtime.checkpoints.local_folder import check_writable, complete_leftovers, open_folder, write_run_id
from modelarts.runtime.checkpoints.owner import RunOwner
from modelarts.runtime.checkpoints.record import PublishedRecord
from modelarts.runtime.checkpoints.retention import Retention
from modelarts.runtime.checkpoints.small_files import SmallFiles, describe
from modelarts.runtime.checkpoints.store import CheckpointStore
from src.errors import ConfigError, JobError, OutputError
from src.files import write_atomically
from src.train.checkpoints.manifest import CheckpointName, Manifest, manifest_name
from src.train.checkpoints.storage import Candidate
from src.train.monitoring.loss_record import record_name
from src.train.page.page import PAGE_FILE
from src.train.page.pictures import POSES_FILE

logger = logging.getLogger(__name__)

MAX_WAITING = 8  # checkpoints on the local disk that wait for upload
NO_LIMIT = 1_000_000
MONTH_S = 30 * 86400.0
SETTLE_S = 600.0  # limit for writing one checkpoint to the local disk
LEFTOVERS_S = 600.0
POLL_S = 0.1

PUBLISH_ALL, PUBLISH_VERIFY = "all", "verify"

Stopping = Callable[[], bool]


class Publisher:
    """This rank's side of the store: implements `src.train.checkpoints.storage.CheckpointStorage` for one `train_url`.

    `keep` complete checkpoints stay in the store (0 keeps all, never fewer than two). With `publish` = "verify" only
    rank 0 uploads its files; the other ranks upload their digests. `source` is another run to resume from.
    """

    def __init__(
        self,
        store: CheckpointStore,
        local_folder: Path,
        keep: int,
        publish: str,
        source: CheckpointStore | None = None,
        owner: RunOwner | None = None,
    ) -> None:
        self._store = store
        self._local = local_folder
        self._whole_file = publish == PUBLISH_ALL or store.rank == 0
        self._source = source
        self._owner = owner
        self._retention = Retention(store, keep)
        self._generation, self._resumed_from = 1, ""
        self._writing: Future[None] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint-writer")
        self._uploader = obs_sync.Uploader(max_waiting=NO_LIMIT, give_up_s=MONTH_S)  # this class has its own limit
        self._small = SmallFiles(lambda path, url, arrived: self._submit((path, url), on_done=arrived))
        self._record = PublishedRecord(self._local / record_name(store.rank), store.url_of)
        self._waiting: list[str] = []
        self._missing: list[str] = []
        self._quietly = False
        self._lock = threading.Lock()

    def start(self, settings: Mapping[str, object], run_id: str = "") -> None:
        """Write settings.json to the local folder and the store, so that an unwritable location is detected now.

        Then fetch the records of earlier starts, and publish what an earlier start of this run in this container had
        written but not published.
        """
        obs_sync.create_local_buckets([self._store.folder])
        open_folder(self._local, run_id)
        written = check_writable(self._local, json.dumps(settings, indent=2) + "\n")
        obs_sync.copy(str(written), self._store.url_of(written.name))
        self._fetch_published(POSES_FILE)
        self._record.fetch()
        self._publish_leftovers()

    def candidates(self) -> Sequence[Candidate]:
        """Complete checkpoints to resume from, in order of preference.

        Those of this `train_url`, newest first, preceded by those of `source` unless the newest one here was itself
        resumed from `source`.
        """
        if self._owner is not None:
            self._owner.join()
            if self._owner.run_id:
                write_run_id(self._local, self._owner.run_id)
        own = self._store.candidates(self._local)
        newest = own[0].manifest.order if own else None
        next_generation = self._store.newest_generation() + 1
        self._generation, self._resumed_from = next_generation, ""

        def chosen(candidate: Candidate, exactly: bool) -> None:
            """Continuing from anything but this `train_url`'s newest checkpoint begins a new generation."""
            manifest = candidate.manifest
            is_own = candidate.url == self._store.url
            self._resumed_from = manifest.resumed_from if is_own or self._source is None else self._source.address
            continues = is_own and exactly and manifest.order == newest
            self._generation = manifest.generation if continues else next_generation

        return [replace(each, chosen=partial(chosen, each)) for each in self._preferred(own)]

    def _preferred(self, own: Sequence[Candidate]) -> Sequence[Candidate]:
        if self._source is None:
            return own
        named = self._source.candidates(self._local)
        if own and own[0].manifest.resumed_from == self._source.address:
            return [*own, *named]
        if not named:
            step = "name a run or checkpoint that is complete, or use resume=auto"
            raise ConfigError(f"resume: {self._source.address}: no complete checkpoint there; {step}")
        return [*named, *own]

    def save(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        """Write and publish in the background; waits only while the previous checkpoint is still being written.

        Raises OutputError when that takes too long, or another job has taken over.
        """
        if self._owner is not None and self._owner.lost:
            raise OutputError(f"train_url: {self._store.url}: {self._owner.lost}; this job stops")
        if self._writing is not None and not _is_done(self._writing, SETTLE_S):
            raise OutputError(f"{self._local}: writing a checkpoint takes longer than {SETTLE_S:.0f} s; check the disk")
        self._writing = self._writer.submit(self._write, write, file_name)

    def publish_file(self, path: Path) -> None:
        """Publish a small file as it is now, after a pending upload of an earlier version."""
        self._small.publish(path, self._store.url_of(path.name))

    def publish_made(self, make: Callable[[], Path | None]) -> None:
        """Create a small file with `make` and publish it, in the background; a failure is only logged."""
        self._writer.submit(self._small.make_and_publish, make, self._store.url_of)

    def publish_record(self, record: Path) -> None:
        """Publish the changed parts of the loss record, in the background."""
        self._writer.submit(self._record.publish_changes, record, self._small)

    def publish_page(self, make: Callable[[], Path | None]) -> None:
        """Like `publish_made`, for the run's page, which is published above the folders of the ranks."""
        self._writer.submit(self._small.make_and_publish, make, partial(obs_sync.join, self._store.url))

    def drain(self, deadline_s: float, stopping: Stopping = lambda: False, *, quietly: bool = False) -> Sequence[str]:
        """Wait for writing and uploads until the deadline or until `stopping()`; one line for each missing file.

        `quietly`: files published from now on are not logged.
        """
        self._quietly = quietly
        end = time.monotonic() + deadline_s
        written = self._writer.submit(lambda: None)  # runs after all earlier tasks of the writer
        while not _is_done(written, min(POLL_S, deadline_s)):
            if time.monotonic() >= end or stopping():
                break
        late = [] if written.done() else self._late()
        missing = self._drain_uploads(end, stopping)
        with self._lock:
            lost = list(self._missing)
        return [*lost, *late, *(f"{url}: {reason}" for url, reason in missing.items())]

    def _late(self) -> list[str]:
        """One line if a checkpoint is still being written; plot and page, created after it, are not waited for."""
        if self._writing is not None and not self._writing.done():
            return [f"{self._local}: the last checkpoint is still being written"]
        if not self._quietly:
            logger.warning("%s: training page and plot show an earlier step", self._store.url)
        return []

    def url_of(self, file_name: str) -> str:
        """Address of one of this rank's published files."""
        return self._store.url_of(file_name)

    @property
    def page_url(self) -> str:
        """Address of the run's training page."""
        return obs_sync.join(self._store.url, PAGE_FILE)

    def close(self) -> None:
        """Accept nothing new; a checkpoint that is being written is finished."""
        self._uploader.close()
        if self._writing is None or self._writing.done():
            self._writer.shutdown(wait=False, cancel_futures=True)

    def _drain_uploads(self, end: float, stopping: Stopping) -> Mapping[str, str]:
        found: list[Mapping[str, str]] = []
        waiting = threading.Thread(
            target=lambda: found.append(self._uploader.drain(max(end - time.monotonic(), 0.0))), daemon=True
        )
        waiting.start()
        while waiting.is_alive() and not stopping():
            waiting.join(POLL_S)
        return found[0] if found else self._uploader.drain(0.0)

    def _write(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        """In the writing thread. After any error training continues, and the checkpoint is listed as missing."""
        try:
            manifest = replace(
                write(self._local / file_name),
                run_id=self._owner.run_id if self._owner is not None else "",
                generation=self._generation,
                resumed_from=self._resumed_from,
            )
            write_atomically(self._local / manifest_name(file_name), manifest.to_json())  # now it is complete
            self._send(file_name)
        except BaseException as error:  # noqa: BLE001 - nobody reads this thread's Future
            reason = str(error) if isinstance(error, JobError) else describe(error)
            logger.error("not saved: %s: %s", file_name, reason)
            self._note_missing(f"{self._store.url_of(file_name)}: not written: {reason}")

    def _send(self, file_name: str) -> None:
        """Queue a checkpoint and then its manifest; if too many are waiting, the oldest one is given up."""
        with self._lock:
            too_many = self._waiting[: max(0, len(self._waiting) + 1 - MAX_WAITING)]
            self._waiting.append(file_name)
        for old in too_many:
            self._give_up(old)
        self._retention.saved(file_name)
        names = [file_name] if self._whole_file else []
        pairs = [(str(self._local / n), self._store.url_of(n)) for n in (*names, manifest_name(file_name))]
        self._submit(*pairs, on_done=lambda: self._published(file_name))

    def _submit(self, *pairs: tuple[str, str], on_done: Callable[[], None]) -> None:
        confirm = self._owner.confirm if self._owner is not None else None
        self._uploader.submit(*pairs, on_done=on_done, before=confirm)

    def _give_up(self, file_name: str) -> None:
        url = self._store.url_of(manifest_name(file_name))
        if self._uploader.withdraw(url):
            self._no_longer_waiting(file_name)
            logger.error("%s: given up: %d newer checkpoints are waiting for upload", url, MAX_WAITING)
            self._note_missing(f"{url}: given up for newer ones; still at {self._local / file_name}")

    def _note_missing(self, line: str) -> None:
        with self._lock:
            self._missing.append(line)

    def _no_longer_waiting(self, file_name: str) -> None:
        with self._lock:
            if file_name in self._waiting:
                self._waiting.remove(file_name)

    def _published(self, file_name: str) -> None:
        """In the uploading thread, once checkpoint and manifest are verified in the store; never raises."""
        try:
            self._no_longer_waiting(file_name)
            for local in (manifest_name(file_name), file_name):  # a manifest states that its checkpoint is there
                (self._local / local).unlink(missing_ok=True)
            level = logging.DEBUG if self._quietly else logging.INFO
            logger.log(level, "published %s", self._store.url_of(file_name))
            name = CheckpointName.parse(file_name)
            if name is not None:
                self._retention.after_publishing(name)
        except Exception as error:  # noqa: BLE001 - the checkpoint has arrived
            logger.warning("old checkpoints are kept until the next one is published: %s", describe(error))

    def _fetch_published(self, name: str) -> None:
        """Fetch a published small file, unless this container has one, which is newer."""
        local, published = self._local / name, self._store.url_of(name)
        if not local.exists() and obs_sync.exists(published):
            obs_sync.copy(published, str(local))

    def _publish_leftovers(self) -> None:
        """Publish what an earlier start had written, before the ranks look for checkpoints to resume from."""
        for file_name in complete_leftovers(self._local):
            logger.info("publishing %s, left by an earlier start", file_name)
            self._send(file_name)
        end = time.monotonic() + LEFTOVERS_S
        while self._uploader.drain(1.0) and not self._uploader.failures and time.monotonic() < end:
            pass  # if the store fails, the other ranks must not wait for it


def _is_done(task: Future[None], within_s: float) -> bool:
    """Whether background work ends in time; raises what it raised."""
    try:
        task.result(within_s)
    except FutureTimeout:
        return False
    return True
