"""Who may write to a `train_url`, or to an output folder of inference: a note in it, which one job at a time owns.

Rank 0 claims it, renews it while the job runs and marks it as ended; all ranks read it again before each upload. A
store has no locks, so a job that finds another one's note stops: whoever wrote last owns the run.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from filelock import FileLock

import obs_sync
from modelarts.runtime.storage import read_bytes, remove, write_bytes
from src.errors import ConfigError, OutputError
from src.files import lock_file
from src.json_text import parse_dataclass
from src.processes import is_running, started_at

logger = logging.getLogger(__name__)

NOTE_FILE = "owner.json"
RENEW_S = 15.0
#: An owner on another machine that does not renew its note for so long is taken to be dead.
DEAD_AFTER_S = 50.0
LOOK_S = 1.0


@dataclass(frozen=True)
class OwnerNote:
    """Which start of which run owns a folder; `job` is the platform's job id, `renewed` counts signs of life.

    `inputs` is what all ranks of the job must agree on (the pictures of inference), in few characters.
    """

    run_id: str
    start_id: str
    started: str
    machine: str
    pid: int
    pid_started: float
    job: str = ""
    renewed: int = 0
    ended: bool = False
    inputs: str = ""

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> OwnerNote:
        """Read a note; ValueError when it is not one."""
        return parse_dataclass(cls, text)

    @property
    def owner(self) -> str:
        return f"a job that started at {self.started} ({self.machine.partition('/')[0]}, process {self.pid})"


def new_note(run_id: str, job: str, inputs: str = "") -> OwnerNote:
    """The note of a start of this process."""
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    pid = os.getpid()
    return OwnerNote(run_id, uuid.uuid4().hex, started, this_machine(), pid, started_at(pid), job, inputs=inputs)


def this_machine() -> str:
    """Tells this machine or container from others: process numbers mean something only within it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        boot, namespace = "", 0
    return f"{socket.gethostname()}/{boot}/{namespace}"


class RunOwner:
    """This rank's part in owning the run in `folder`: rank 0's folder of a `train_url`, or an output folder.

    `kind` is the word for the owned folder in messages, `address` where it is.
    """

    def __init__(
        self, folder: str, rank: int, job: str = "", *, kind: str = "train_url", address: str = "", inputs: str = ""
    ) -> None:
        self._url = obs_sync.join(folder, NOTE_FILE)
        self._rank, self._job, self._inputs = rank, job, inputs
        self._kind, self._address = kind, address or folder.rpartition("/ckpt_")[0]
        self._note: OwnerNote | None = None
        self._lock: FileLock | None = None
        self._lost = self._former_run = ""
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_over, name="run-owner", daemon=True)

    @property
    def run_id(self) -> str:
        """The run's id; empty while it is not known."""
        return self._note.run_id if self._note is not None else self._former_run

    @property
    def lost(self) -> str:
        """Why this start no longer owns the run; empty while it does."""
        return self._lost

    def lock(self, local: Path) -> None:
        """Lock this rank's local folder for as long as this process lives; ConfigError when another one has it."""
        try:
            self._lock = lock_file(local / ".lock")
        except OSError as error:
            raise OutputError(f"{local}: cannot be written: {error.strerror or error}") from None
        if self._lock is None:
            note = self.read()
            owner = note.owner if note is not None and not note.ended else "another job on this machine"
            raise ConfigError(
                f"{self._kind}: {self._address} is in use by {owner}; stop it, or use another {self._kind}"
            )

    def is_restart(self) -> bool:
        """Whether the platform starts the job again that owns the run."""
        note = self.read()
        return note is not None and bool(self._job) and note.job == self._job

    def claim(self, new_run: bool) -> None:
        """Take over the run that is there, or begin a new one; ConfigError while another job is alive (rank 0).

        Other ranks only look which run there is: before all have met, they may find the note of an earlier start.
        """
        before = self.read()
        goes_on = before is not None and not new_run
        if self._rank > 0:
            self._former_run = before.run_id if before is not None and goes_on else ""
            return
        is_restart = before is not None and bool(self._job) and before.job == self._job
        if before is not None and not before.ended and not is_restart and self.is_alive(before):
            raise ConfigError(
                f"{self._kind}: {self._address} belongs to {before.owner}, which is still running; stop it, or use "
                f"another {self._kind}"
            )
        run_id = before.run_id if before is not None and goes_on else uuid.uuid4().hex
        self._note = new_note(run_id, self._job, self._inputs)
        write_bytes(self._url, self._note.to_json())
        self._renewer.start()

    def join(self) -> None:
        """Ranks other than 0, once all have met: belong to the start that rank 0 has claimed the run for."""
        if self._note is None:
            self._note = self.read()

    def confirm(self) -> None:
        """Read the note again; raises InvalidRequest when another job has taken over, and what the store raises."""
        if self._note is None:
            return
        note = self.read()
        if not self._lost and note is not None and note.start_id != self._note.start_id:
            self._lost = f"{note.owner} has taken over this {self._kind}"
            logger.error("%s: %s; this job publishes nothing more", self._url, self._lost)
        if self._lost:
            raise obs_sync.InvalidRequest(
                self._lost, url=self._url, next_step=f"give each job a {self._kind} of its own"
            )

    def release(self, remove_note: bool = False) -> None:
        """The work is over: the next job need not wait. The note says so, or goes."""
        self._over.set()
        if self._renewer.is_alive():
            self._renewer.join(LOOK_S)
        try:
            if self._rank == 0 and self._note is not None:
                self.confirm()
                if remove_note:
                    remove(self._url)
                else:
                    write_bytes(self._url, replace(self._note, ended=True).to_json())
        except (obs_sync.ObsSyncError, OSError) as error:
            logger.warning("%s: not marked as ended: %s", self._url, error)
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def read(self) -> OwnerNote | None:
        """The note as it is in the store; None when there is none, or only a damaged one."""
        try:
            content = read_bytes(self._url)
        except FileNotFoundError:
            return None
        try:
            return OwnerNote.from_json(content)
        except ValueError as error:
            logger.warning("%s: not an owner note (%s); ignoring it", self._url, error)
            return None

    def is_alive(self, note: OwnerNote) -> bool:
        """Whether the job of a note is running; of one on another machine, that takes up to DEAD_AFTER_S to tell."""
        if note.machine == this_machine():
            return note.pid != os.getpid() and is_running(note.pid, note.pid_started)
        logger.info("waiting up to %.0f s to see whether %s is still running", DEAD_AFTER_S, note.owner)
        end = time.monotonic() + DEAD_AFTER_S
        while time.monotonic() < end:
            time.sleep(LOOK_S)
            now = self.read()
            if now is None or now.ended:
                return False
            if (now.start_id, now.renewed) != (note.start_id, note.renewed):
                return True
        return False

    def _renew_until_over(self) -> None:
        while not self._over.wait(RENEW_S):
            try:
                self.confirm()
                assert self._note is not None
                self._note = replace(self._note, renewed=self._note.renewed + 1)
                write_bytes(self._url, self._note.to_json())
            except obs_sync.InvalidRequest:
                return
            except (obs_sync.ObsSyncError, OSError) as error:
                logger.debug("%s: not renewed: %s", self._url, error)
