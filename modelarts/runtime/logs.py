"""Format of a job's log lines: time, level and rank."""

from __future__ import annotations

import logging

from obs_sync.formatting import single_line_handler


def set_up_logging(rank: str) -> None:
    """Log to stderr from level INFO; does nothing when logging is already set up."""
    handler = single_line_handler(f"%(asctime)s %(levelname)s rank {rank}: %(message)s", "%Y-%m-%d %H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs that it builds its font cache
