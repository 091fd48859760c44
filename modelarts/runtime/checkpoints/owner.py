"""Ownership of a `train_url`, or of an output folder of inference, by one job at a time: a note in the folder.

Rank 0 writes the note, renews it while the job runs and marks it as ended; all ranks read it again before each upload.
A store has no locks, so a job that finds another job's note stops: the last writer owns the run.
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
from src.errors import ConfigError
from src.files import lock_file, writing
from src.json_text import parse_dataclass
from src.processes import is_running, started_at

logger = logging.getLogger(__name__)

NOTE_FILE = "owner.json"
RENEW_S = 15.0
#: An owner on another machine that has not renewed its note for this long counts as dead.
DEAD_AFTER_S = 50.0
POLL_S = 1.0


@dataclass(frozen=True)
class OwnerNote:
    """Which start of which run owns a folder; `job` is the platform's job id, `renewed` counts heartbeats.

    `inputs` identifies what all ranks of the job must agree on: the pictures of inference.
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
    """A note for this process."""
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    pid = os.getpid()
    return OwnerNote(run_id, uuid.uuid4().hex, started, this_machine(), pid, started_at(pid), job, inputs=inputs)


def this_machine() -> str:
    """Identifies this machine or container, within which process numbers are unique."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        boot, namespace = "", 0
    return f"{socket.gethostname()}/{boot}/{namespace}"


class RunOwner:
    """Ownership of the run in `folder`, for one rank: rank 0's folder of a `train_url`, or an output folder.

    `kind` and `address` name the owned folder in messages.
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
        self._stopped = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_stopped, name="run-owner", daemon=True)

    @property
    def run_id(self) -> str:
        """The run's id; empty while unknown."""
        return self._note.run_id if self._note is not None else self._former_run

    @property
    def lost(self) -> str:
        """Why this start no longer owns the run; empty while it does."""
        return self._lost

    def lock(self, local: Path) -> None:
        """Lock this rank's local folder until release or the end of this process; ConfigError if it is locked."""
        with writing(local):
            self._lock = lock_file(local / ".lock")
        if self._lock is None:
            note = self.read()
            owner = note.owner if note is not None and not note.ended else "another job on this machine"
            raise ConfigError(
                f"{self._kind}: {self._address} is in use by {owner}; stop it, or use another {self._kind}"
            )

    def is_restart(self) -> bool:
        """Whether this is a restart, by the platform, of the job that owns the run."""
        return self._is_own(self.read())

    def _is_own(self, note: OwnerNote | None) -> bool:
        return note is not None and bool(self._job) and note.job == self._job

    def claim(self, new_run: bool) -> None:
        """Take over the existing run, or begin a new one; ConfigError while another job is running (rank 0).

        Other ranks only read which run it is: before the rendezvous they may find the note of an earlier start.
        """
        before = self.read()
        former_run = before.run_id if before is not None and not new_run else ""
        if self._rank > 0:
            self._former_run = former_run
            return
        if before is not None and not before.ended and not self._is_own(before) and self.is_alive(before):
            raise ConfigError(
                f"{self._kind}: {self._address} belongs to {before.owner}, which is still running; stop it, or use "
                f"another {self._kind}"
            )
        self._note = new_note(former_run or uuid.uuid4().hex, self._job, self._inputs)
        write_bytes(self._url, self._note.to_json())
        self._renewer.start()

    def join(self) -> None:
        """In ranks other than 0, after the rendezvous: adopt the note that rank 0 has written."""
        if self._note is None:
            self._note = self.read()

    def confirm(self) -> None:
        """Read the note again; InvalidRequest if another job has taken over. Raises what the store raises."""
        if self._note is None:
            return
        note = self.read()
        if not self._lost and note is not None and note.start_id != self._note.start_id:
            self._lost = f"{note.owner} has taken over this {self._kind}"
            logger.error("%s: %s; this job publishes nothing more", self._url, self._lost)
        if self._lost:
            raise obs_sync.InvalidRequest(self._lost, url=self._url, next_step=f"give each job its own {self._kind}")

    def release(self, remove_note: bool = False) -> None:
        """Mark the note as ended, or remove it, so that the next job need not wait; release the local lock."""
        self._stopped.set()
        if self._renewer.is_alive():
            self._renewer.join(POLL_S)
        try:
            if self._rank == 0 and self._note is not None:
                self.confirm()
                if remove_note:
                    remove(self._url)
                else:
                    write_bytes(self._url, replace(self._note, ended=True).to_json())
        except (obs_sync.ObsSyncError, OSError) as error:
            logger.warning("%s: could not be marked as ended: %s", self._url, error)
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def read(self) -> OwnerNote | None:
        """The note in the store; None if it is missing or damaged."""
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
        """Whether the job of a note is running; waits up to DEAD_AFTER_S for a heartbeat from another machine."""
        if note.machine == this_machine():
            return note.pid != os.getpid() and is_running(note.pid, note.pid_started)
        logger.info("waiting up to %.0f s to see whether %s is still running", DEAD_AFTER_S, note.owner)
        end = time.monotonic() + DEAD_AFTER_S
        while time.monotonic() < end:
            time.sleep(POLL_S)
            now = self.read()
            if now is None or now.ended:
                return False
            if (now.start_id, now.renewed) != (note.start_id, note.renewed):
                return True
        return False

    def _renew_until_stopped(self) -> None:
        while not self._stopped.wait(RENEW_S):
            try:
                self.confirm()
                assert self._note is not None
                self._note = replace(self._note, renewed=self._note.renewed + 1)
                write_bytes(self._url, self._note.to_json())
            except obs_sync.InvalidRequest:
                return
            except (obs_sync.ObsSyncError, OSError) as error:
                logger.debug("%s: could not be renewed: %s", self._url, error)
