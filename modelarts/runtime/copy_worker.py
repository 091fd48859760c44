"""The copying process of a node, started by `modelarts.runtime.streaming` as `… copy_worker REQUEST PARENT`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import obs_sync
from modelarts.runtime.node_lock import Report
from modelarts.runtime.streaming import EXIT_S, PARENT_CHECK_S, RequestQueue, StageRequest, in_turn
from obs_sync.formatting import single_line_handler

logger = logging.getLogger(__name__)

LOCK_TRIES, LOCK_PAUSE_S = 20, 0.1


def main(argv: Sequence[str]) -> int:
    """Carry out the request unless another process already does; the outcome goes to its status files."""
    handler = single_line_handler("%(asctime)s %(levelname)s copying: %(message)s")
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    request = StageRequest.read(Path(argv[0]))
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # the copy then records what it has finished
    threading.Thread(target=_end_with, args=(int(argv[1]),), daemon=True).start()
    obs_sync.configure(None, **request.storage)
    status = request.status
    for _ in range(LOCK_TRIES):  # others take it briefly to test whether it is free
        if status.lock.take():
            break
        time.sleep(LOCK_PAUSE_S)
    else:
        return 0
    try:
        status.post({"value": run(request, status.report)})
    except Exception as error:  # noqa: BLE001 - reported to the ranks that wait
        status.post_error(error)
        logger.error("%s", error)
        return 1
    return 0


def run(request: StageRequest, report: Report) -> dict[str, int]:
    """Copy the requested files in the order the ranks ask for them; objects deleted meanwhile are skipped."""
    report(f"copying {len(request.names)} pictures from {request.url}")
    result = copy_names(
        request.url, request.target, request.names, report, in_turn(RequestQueue(request.queue), request.names)
    )
    return {"files": len(result.copied), "bytes": result.copied_bytes}


def copy_names(
    url: str, target: str, names: Sequence[str], report: Report, order: Iterable[str] = (), dry_run: bool = False
) -> obs_sync.TransferResult:
    """`obs_sync.copy` of a list of names that reports progress and tolerates missing ones (`result.missing`)."""

    def on_progress(now: obs_sync.Progress) -> None:
        megabytes = f"{now.bytes_done / 1e6:,.1f} of {now.bytes_total / 1e6:,.1f} MB"
        report(f"{now.files_done:,} of {now.files_total:,} files, {megabytes} from {url}")

    try:
        return obs_sync.copy(url, target, names=names, order=order, dry_run=dry_run, progress=on_progress)
    except obs_sync.Incomplete as error:
        if error.result is None or set(error.result.failed) != set(error.result.missing):
            raise
        return error.result


def _end_with(parent: int) -> None:
    """End this process after its parent has ended."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
