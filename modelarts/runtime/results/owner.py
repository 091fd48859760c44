"""Ownership of output folders: one job at a time, all of whose ranks judge the same pictures."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence

from modelarts.runtime.checkpoints.owner import OwnerNote, RunOwner, this_machine
from src.errors import ConfigError, JobError
from src.infer.output.shard import Shard
from src.processes import is_running

logger = logging.getLogger(__name__)


def describe_inputs(names: Sequence[str]) -> str:
    """The number of pictures and a digest of their names in order: what all ranks of a job must agree on."""
    digest = hashlib.sha256(b"\0".join(os.fsencode(name) for name in names)).hexdigest()[:12]
    return f"{len(names)} pictures (names {digest})"


class FolderClaims:
    """Claims output folders for a job, or joins those that its rank 0 has claimed."""

    def __init__(self, shard: Shard, job: str = "", inputs: str = "") -> None:
        self._shard, self._job, self._inputs = shard, job, inputs
        self._first_seen: dict[str, tuple[str, int]] = {}

    def take(self, address: str) -> RunOwner | None:
        """This rank's ownership of a folder; None if another job uses it, or rank 0 has not claimed it yet.

        Raises JobError when rank 0 has listed other pictures.
        """
        owner = RunOwner(
            address, self._shard.rank, self._job, kind="output folder", address=address, inputs=self._inputs
        )
        if self._shard.rank > 0:
            return owner if self._is_of_rank_0(owner.read(), address) else None
        try:
            owner.claim(new_run=False)
        except ConfigError as error:
            logger.info("not continuing this output folder: %s", error)
            return None
        return owner

    def _is_of_rank_0(self, note: OwnerNote | None, address: str) -> bool:
        if note is None or note.ended or (self._job and note.job and note.job != self._job):
            return False
        if note.inputs == self._inputs:
            return True
        if self._is_alive(note, address):
            raise JobError(
                f"{address}: card {self._shard.rank} lists {self._inputs}, card 0 lists {note.inputs}; all cards must "
                "see the same pictures: make sure that none are being added or removed, then start the job again"
            )
        return False  # left by an earlier start, unless it is renewed

    def _is_alive(self, note: OwnerNote, address: str) -> bool:
        if note.machine == this_machine():
            return is_running(note.pid, note.pid_started)
        seen = note.start_id, note.renewed
        return self._first_seen.setdefault(address, seen) != seen
