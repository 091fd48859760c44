"""How a job's log lines look: time, level and rank before each."""

from __future__ import annotations

import logging

from obs_sync.formatting import single_line_handler


def set_up_logging(rank: str) -> None:
    """Log to stderr from INFO on; does nothing where logging is set up already."""
    handler = single_line_handler(f"%(asctime)s %(levelname)s rank {rank}: %(message)s", "%Y-%m-%d %H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler])
