"""Printing a job's log as it grows, and finding the last error in it."""

from __future__ import annotations

import codecs
import re
import time
from pathlib import Path

from modelarts.cli.answer import Echo
from modelarts.cloud.client import ENDED_PHASES, WAITING_PHASES, Cloud
from modelarts.cloud.errors import JobNotFound
from modelarts.cloud.request import Body
from modelarts.dryrun.state import DryRunState, find_dry_run
from src.errors import JobError

FILE_PERIOD_S, CLOUD_PERIOD_S = 0.5, 5.0
_ERROR_LINE = re.compile(r"\bERROR\b")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)\b(?::|$)")


def follow_file(state: DryRunState, work: Path, task: str, follow: bool, echo: Echo) -> str:
    """Show a node's log of a dry run so far (by default the first node's); with `follow` until the run ends.

    Returns the phase of the run at that moment; JobError when it has no node of that name.
    """
    task = task or next(iter(state.logs()))
    if task not in state.logs():
        raise JobError(f"dry run {state.id} has no {task}; its nodes are {', '.join(state.logs())}")
    position = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character
    while True:
        current = find_dry_run(state.id, work)
        if current is None:
            raise JobError(f"dry run {state.id}: its state file is missing in {work}")
        path = current.logs()[task]
        if path.exists():
            with path.open("rb") as log:
                log.seek(position)
                new = log.read()
            position += len(new)
            echo(decoder.decode(new))
        if not follow or not current.is_running:
            return current.phase
        time.sleep(FILE_PERIOD_S)


def follow_cloud(cloud: Cloud, job_id: str, task: str, follow: bool, echo: Echo) -> str:
    """Show a task's log (by default the first task's) so far; with `follow` until the job ends. Returns its phase.

    The platform returns the last 5 MB; what is new is found by the growth of the log's full size. A job that waits for
    its cards has no log yet.
    """
    shown = 0
    while True:
        now = cloud.show(job_id).get("status") or {}
        phase = str(now.get("phase") or "")
        if phase not in WAITING_PHASES:
            try:
                shown = _show_new(cloud, job_id, task or _first_task(now), shown, echo)
            except JobNotFound:
                if task:
                    raise  # the job exists, so the task does not
        if not follow or phase in ENDED_PHASES:
            return phase
        time.sleep(CLOUD_PERIOD_S)


def last_error(log: str) -> str:
    """The last line of level ERROR in a log, else the last line of a traceback; empty without either."""
    lines = [line.strip() for line in log.splitlines()]
    reported = [line for line in lines if _ERROR_LINE.search(line)]
    raised = [line for line in lines if _EXCEPTION.match(line)]
    return (reported or raised or [""])[-1]


def last_error_of_cloud(cloud: Cloud, details: Body) -> str:
    """The last error in the log of a job's first task; empty unless the job has failed."""
    status = details.get("status") or {}
    if status.get("phase") not in ("Failed", "Abnormal"):
        return ""
    try:
        content, _ = cloud.log(str(details["metadata"]["id"]), _first_task(status))
    except JobNotFound:
        return ""
    return last_error(content.decode(errors="replace"))


def _first_task(status: Body) -> str:
    return str(next(iter(status.get("tasks") or ()), "worker-0"))


def _show_new(cloud: Cloud, job_id: str, task: str, shown: int, echo: Echo) -> int:
    """Show what follows the first `shown` bytes of a log; returns its size."""
    content, size = cloud.log(job_id, task)
    if size <= shown:
        return shown
    if size - shown > len(content):
        echo(f"… {size - shown - len(content):,} bytes of the log are not returned by the platform …\n")
    echo(content[-(size - shown) :].decode(errors="replace"))
    return size
