"""How a job's log lines look: time, level and rank before each."""

from __future__ import annotations

import logging
import sys


def set_up_logging(rank: str) -> None:
    """Log to stderr from INFO on; does nothing where logging is set up already."""
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s rank {rank}: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        stream=sys.stderr,
    )
