"""Format of a job's log lines, and which process of a node writes them."""

from __future__ import annotations

import logging

from obs_sync.formatting import single_line_handler

#: Modules whose lines are the same in every process of a node: one process writes them. Errors are always written.
SAME_IN_ALL_PROCESSES = frozenset(
    {
        "modelarts.runtime.entry",
        "obs_sync.stores.open",
        "src.infer.forward",
        "src.net.compile_cache",
        "src.net.precision",
        "src.net.weights",
        "src.train.loop",
        "src.train.loss_scale",
        "src.train.monitoring.heartbeat",
        "src.train.run",
        "src.train.starting",
        "src.train.step",
        "src.train.validation.build",
        "src.train.validation.history",
    }
)


def set_up_logging(rank: str, writes_for_all: bool = True) -> None:
    """Log to stderr from level INFO; does nothing when logging is already set up.

    One process of each node has `writes_for_all`.
    """
    handler = single_line_handler(f"%(asctime)s %(levelname)s rank {rank}: %(message)s", "%Y-%m-%d %H:%M:%S")
    if not writes_for_all:
        handler.addFilter(_is_of_this_process)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs that it builds its font cache


def _is_of_this_process(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or record.name not in SAME_IN_ALL_PROCESSES
