"""Periodic log lines while a long operation runs silently."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from src.progress import clock

logger = logging.getLogger(__name__)

EVERY_S = 15.0


@contextmanager
def heartbeat(what: str, announce: bool = True) -> Iterator[None]:
    """Log every EVERY_S seconds that `what` is still running; with `announce` also its start and duration."""
    if announce:
        logger.info("%s …", what)
    began, finished = time.monotonic(), threading.Event()

    def beat() -> None:
        while not finished.wait(EVERY_S):
            logger.info("still %s after %s", what, clock(time.monotonic() - began))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
    if announce:
        logger.info("%s took %.1f s", what, time.monotonic() - began)
