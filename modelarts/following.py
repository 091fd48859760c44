"""Showing a job's log as it grows."""

from __future__ import annotations

import codecs
import time
from pathlib import Path
from typing import Callable

from modelarts.cloud import ENDED_PHASES, Cloud
from modelarts.dryrun import State, find_dry_run
from src.errors import JobError

FILE_PERIOD_S, CLOUD_PERIOD_S = 0.5, 5.0
Echo = Callable[[str], None]


def follow_file(state: State, work: Path, follow: bool, echo: Echo) -> None:
    """Show the log of a dry-run so far; with `follow` until it ends."""
    position = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a letter
    while True:
        current = find_dry_run(state.id, work)
        if current is None:
            raise JobError(f"dry-run {state.id}: its state is gone from {work}")
        path = Path(current.log_file)
        if path.exists():
            with path.open("rb") as log:
                log.seek(position)
                new = log.read()
            position += len(new)
            echo(decoder.decode(new))
        if not follow or not current.is_running:
            return
        time.sleep(FILE_PERIOD_S)


def follow_cloud(cloud: Cloud, job_id: str, task: str, follow: bool, echo: Echo) -> None:
    """Show a task's log (by default the first task's) so far; with `follow` until the job ends.

    The platform shows the last 5 MB: what is new is what its whole size has grown by.
    """
    shown = 0
    while True:
        now = cloud.show(job_id).get("status") or {}
        content, size = cloud.log(job_id, task or next(iter(now.get("tasks") or ()), "worker-0"))
        if size > shown:
            new = content[-(size - shown) :]
            if size - shown > len(content):
                echo(f"… {size - shown - len(content):,} bytes of the log are not shown by the platform …\n")
            echo(new.decode(errors="replace"))
            shown = size
        if not follow or now.get("phase") in ENDED_PHASES:
            return
        time.sleep(CLOUD_PERIOD_S)
