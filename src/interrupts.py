"""Ctrl-C while MindSpore runs a graph or is being imported, and how a process ends; standard library only."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

#: The exit code of a process that Ctrl-C has ended.
INTERRUPTED = 128 + signal.SIGINT
#: The exit code of a process that has obeyed SIGTERM.
TERMINATED = 128 + signal.SIGTERM


def keep_ctrl_c() -> None:
    """From now on Ctrl-C runs the handler that `signal.signal` has set for SIGINT, whatever MindSpore does meanwhile.

    While MindSpore runs a graph, its own handler takes SIGINT and sends SIGTERM to the process, which then cannot tell
    the two apart. So SIGINT is blocked in this thread and in all that it starts; one thread waits for it and sends
    SIGUSR2 to the main thread, where the handler runs. Call it in the main thread before anything starts a thread.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return
    signal.signal(signal.SIGUSR2, _run_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_forward, args=(threading.get_ident(),), name="ctrl-c", daemon=True).start()


def leave_half_imported(exit_code: int) -> None:
    """End the process at once where Ctrl-C came while MindSpore was being imported; else do nothing.

    At the interpreter's end MindSpore would go on with its import, and crash.
    """
    if "mindspore" not in sys.modules and any(name.startswith("mindspore.") for name in sys.modules):
        leave_now(exit_code)


def leave(exit_code: int) -> NoReturn:
    """End the process; one that was stopped by a signal ends at once.

    The interpreter's own end waits for threads, such as one that draws a plot, and for MindSpore: longer than the
    platform leaves a job that it stops.
    """
    if exit_code in (INTERRUPTED, TERMINATED):
        leave_now(exit_code)
    if exit_code == 0 and "mindspore" in sys.modules and os.environ.get("GLOG_v") == "3":  # noqa: SIM112
        atexit.register(_silence_stderr)
    sys.exit(exit_code)


def _silence_stderr() -> None:
    """MindSpore's communication writes INFO lines while the process ends, whatever its log level is."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def leave_now(exit_code: int) -> NoReturn:
    """End the process and those it has started, without waiting for threads."""
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _forward(main_thread: int) -> None:
    while True:
        signal.sigwait({signal.SIGINT})
        signal.pthread_kill(main_thread, signal.SIGUSR2)


def _run_handler(_number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    elif handler is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)
