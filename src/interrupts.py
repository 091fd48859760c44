"""Ctrl-C while MindSpore runs a graph, or is being imported. Imports the standard library only."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

#: The exit code of a process that Ctrl-C has ended.
INTERRUPTED = 128 + signal.SIGINT


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
