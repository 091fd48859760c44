"""Identity of a process: a process number alone is not enough, because numbers are used again."""

from __future__ import annotations

import psutil

#: Two starts closer together than this, in seconds, are taken for the same one: clocks may be adjusted meanwhile.
SAME_START_S = 1.0


def started_at(pid: int) -> float:
    """When a process started, in seconds since the machine did; 0 when there is no such process or it cannot be known.

    Counted from the start of the machine, so that adjusting its clock does not change it.
    """
    try:
        return float(psutil.Process(pid).create_time() - psutil.boot_time())
    except psutil.Error:
        return 0.0


def is_running(pid: int, started: float = 0.0) -> bool:
    """Whether a process is alive (a zombie is not) and, where `started` is given, is the one that started then."""
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return not started or abs(started_at(pid) - started) < SAME_START_S
