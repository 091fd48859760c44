"""Publishing checkpoints while training runs: written, uploaded, verified, stated in a manifest, and old ones retired.

Nothing here stops training. What could not be published is told in the log at once and by `drain` at the end.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

import obs_sync
from modelarts.runtime.checkpoint_store import CheckpointStore
from src.errors import CheckpointError, ConfigError, JobError, OutputError
from src.files import LEFTOVERS, write_atomically
from src.train.checkpoints.manifest import MANIFEST_ENDING, CheckpointName, Manifest, divergence, manifest_name, retired
from src.train.checkpoints.storage import Candidate
from src.train.monitoring.loss_record import record_name
from src.train.page.pictures import POSES_FILE

logger = logging.getLogger(__name__)

AT_LEAST_KEPT = 2
MAX_WAITING = 8  # checkpoints on the local disk that wait for the store
NO_LIMIT = 1_000_000
MONTH_S = 30 * 86400.0
SETTLE_S = 600.0  # the longest that writing one checkpoint to the local disk may take

PUBLISH_ALL, PUBLISH_VERIFY = "all", "verify"


class Publisher:
    """This rank's side of the store: implements `src.train.checkpoints.storage.CheckpointStorage` for one `train_url`.

    `keep` complete steps stay in the store (0 keeps all, never fewer than two). With `publish` = "verify" only rank 0's
    files are uploaded, and the other ranks' digests.
    """

    def __init__(
        self, store: CheckpointStore, local_folder: Path, keep: int, publish: str, sources: Sequence[CheckpointStore]
    ) -> None:
        self._store = store
        self._local = local_folder
        self._keep = max(keep, AT_LEAST_KEPT) if keep else 0
        self._whole_file = publish == PUBLISH_ALL or store.rank == 0
        self._sources = sources
        self._writing: Future[None] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint-writer")
        self._uploader = obs_sync.Uploader(max_waiting=NO_LIMIT, give_up_s=MONTH_S)  # this class keeps its own limit
        self._waiting: list[str] = []
        self._lost: list[str] = []
        self._small: dict[str, bool] = {}  # on their way; True: there is a newer state
        self._lock = threading.Lock()

    def start(self, settings: Mapping[str, Any]) -> None:
        """Write settings.json beside the checkpoints to come, so that a place that cannot be written is found out now.

        Then fetch the loss record, which goes on where an earlier start left it, and publish what an earlier start in
        this container had written but not published.
        """
        obs_sync.create_local_buckets([self._store.folder])
        local = self._local / "settings.json"
        try:
            self._local.mkdir(parents=True, exist_ok=True)
            local.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self._local}: checkpoints cannot be written there: {error.strerror}") from None
        obs_sync.copy(str(local), self._store.url_of(local.name))
        for name in (record_name(self._store.rank), POSES_FILE):
            self._bring_back(name)
        self._publish_leftovers()

    def candidates(self) -> Sequence[Candidate]:
        """Complete checkpoints, newest first, of this train_url and then of the one named by `resume`."""
        found = [candidate for source in self._sources for candidate in source.candidates(self._local)]
        if not found and len(self._sources) > 1:
            raise ConfigError(f"resume: {self._sources[-1].url}: no complete checkpoint there")
        return sorted(found, key=lambda candidate: -candidate.manifest.global_step)

    def save(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        """Write and publish in the background; waits only while the checkpoint before is still being written."""
        self._settle()
        self._writing = self._writer.submit(self._write, write, file_name)

    def publish_file(self, path: Path, url_of: Callable[[str], str] | None = None) -> None:
        """Publish a small file as it is now; while an earlier state of it is on its way, when that has arrived."""
        url = (url_of or self._store.url_of)(path.name)
        with self._lock:
            if path.name in self._small:
                self._small[path.name] = True
                return
            self._small[path.name] = False
        copy = path.with_name(f".{path.name}.sending")
        try:
            shutil.copyfile(path, copy)
        except OSError:
            with self._lock:
                del self._small[path.name]
            raise
        self._uploader.submit((str(copy), url), on_done=lambda: self._small_done(path, copy, url_of))

    def publish_made(self, make: Callable[[], Path | None]) -> None:
        """Have `make` make a small file and publish it, both in the background; what goes wrong is only told."""
        self._writer.submit(self._make, make)

    def publish_page(self, make: Callable[[], Path | None]) -> None:
        """The same for the page of the run, which is put above the folders of the ranks."""
        self._writer.submit(self._make, make, self._store.url_above)

    def drain(self, deadline_s: float) -> Sequence[str]:
        """Wait for writing and uploads to end; one line for each file that did not arrive."""
        end = time.monotonic() + deadline_s
        written = self._writer.submit(lambda: None)  # the writer takes one after the other
        late = [] if _is_done(written, deadline_s) else [f"{self._local}: still being written after {deadline_s:.0f} s"]
        missing = self._uploader.drain(max(end - time.monotonic(), 0.0))
        return [*self._lost, *late, *(f"{url}: {reason}" for url, reason in missing.items())]

    def close(self) -> None:
        """Begin nothing more."""
        self._uploader.close()

    def _settle(self) -> None:
        if self._writing is not None and not _is_done(self._writing, SETTLE_S):
            raise OutputError(f"{self._local}: writing a checkpoint takes longer than {SETTLE_S:.0f} s")

    def _make(self, make: Callable[[], Path | None], url_of: Callable[[str], str] | None = None) -> None:
        try:
            path = make()
            if path is not None:
                self.publish_file(path, url_of)
        except Exception as error:  # noqa: BLE001 - a picture is not worth the training
            logger.warning("%s: a small file is not made or not published: %s", self._local, error)

    def _write(self, write: Callable[[Path], Manifest], file_name: str) -> None:
        path = self._local / file_name
        try:
            manifest = write(path)
            write_atomically(self._local / manifest_name(file_name), manifest.to_json())  # now it is complete
        except (JobError, OSError) as error:
            logger.error("not saved: %s", error)
            self._lost.append(f"{self._store.url_of(file_name)}: not written: {error}")
            return
        self._send(file_name)

    def _send(self, file_name: str) -> None:
        """Queue a checkpoint and, after it, its manifest; with too many waiting, the oldest one is given up."""
        with self._lock:
            too_many = self._waiting[: max(0, len(self._waiting) + 1 - MAX_WAITING)]
            self._waiting.append(file_name)
        for old in too_many:
            self._give_up(old)
        names = [file_name] if self._whole_file else []
        pairs = [(str(self._local / n), self._store.url_of(n)) for n in (*names, manifest_name(file_name))]
        self._uploader.submit(*pairs, on_done=lambda: self._published(file_name))

    def _give_up(self, file_name: str) -> None:
        url = self._store.url_of(manifest_name(file_name))
        if self._uploader.withdraw(url):
            self._no_longer_waiting(file_name)
            logger.error("%s: given up, %d newer checkpoints are waiting for the store", url, MAX_WAITING)
            self._lost.append(f"{url}: given up for newer ones; still at {self._local / file_name}")

    def _no_longer_waiting(self, file_name: str) -> None:
        with self._lock:
            self._waiting.remove(file_name)

    def _published(self, file_name: str) -> None:
        """In the uploading thread, once checkpoint and manifest are verified in the store."""
        self._no_longer_waiting(file_name)
        for local in (manifest_name(file_name), file_name):  # a manifest says that its checkpoint is there
            (self._local / local).unlink(missing_ok=True)
        logger.info("published %s", self._store.url_of(file_name))
        try:
            self._compare_and_retire(file_name)
        except obs_sync.ObsSyncError as error:
            logger.warning("old checkpoints stay until the next is published: %s", error)

    def _compare_and_retire(self, file_name: str) -> None:
        names = self._store.file_names()
        name = CheckpointName.parse(file_name)
        if name is not None:
            self._compare_ranks(name, names)
        own = [n for rank, n in names if rank == self._store.rank]
        for old in retired(own, [n for _, n in names], self._store.rank_size, self._keep):
            self._store.remove(old)
            logger.info("removed %s: the newest %d are kept", self._store.url_of(old), self._keep)

    def _compare_ranks(self, name: CheckpointName, names: Sequence[tuple[int, str]]) -> None:
        """The rank that completes a step looks whether all ranks hold the same weights."""
        stated = [(rank, n) for rank, n in names if n == manifest_name(name._replace(rank=rank))]
        if self._store.rank_size > 1 and len(stated) == self._store.rank_size:
            try:
                wrong = divergence([self._store.read_manifest(rank, n) for rank, n in stated])
            except (CheckpointError, obs_sync.ObsSyncError) as error:
                wrong = str(error)
            if wrong:
                logger.error("%s", wrong)

    def _small_done(self, path: Path, copy: Path, url_of: Callable[[str], str] | None) -> None:
        copy.unlink(missing_ok=True)
        with self._lock:
            has_changed = self._small.pop(path.name)
        if has_changed:
            self._make(lambda: path, url_of)

    def _bring_back(self, name: str) -> None:
        """Fetch a small file that is published already, unless this container has it, which then is the newer one."""
        local, published = self._local / name, self._store.url_of(name)
        if not local.exists() and obs_sync.exists(published):
            obs_sync.copy(published, str(local))

    def _publish_leftovers(self) -> None:
        """A checkpoint whose manifest is on the local disk is whole: an earlier start was stopped before it arrived."""
        for part in self._local.glob(LEFTOVERS):
            part.unlink(missing_ok=True)
        stated = sorted(self._local.glob(f"*{MANIFEST_ENDING}"))
        whole = [p.name[: -len(MANIFEST_ENDING)] for p in stated]
        for file_name in whole:
            logger.info("publishing %s, left by an earlier start", file_name)
            self._send(file_name)
        end = time.monotonic() + SETTLE_S
        while self._uploader.drain(1.0) and not self._uploader.failures and time.monotonic() < end:
            pass  # they count for going on; but where the store fails, the other ranks must not wait for it
        for stray in self._local.glob("openpose-train-rank*.ckpt"):
            if stray.name not in whole:
                stray.unlink(missing_ok=True)


def _is_done(task: Future[None], within_s: float) -> bool:
    """Whether background work ends in time; raises what it raised."""
    try:
        task.result(within_s)
    except FutureTimeout:
        return False
    return True
