"""Stopping on request: SIGTERM and SIGINT are noted, and training stops after the current step."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

logger = logging.getLogger(__name__)

#: Platforms signal both a process and its group: repetitions within this many seconds are one request.
SAME_REQUEST_S = 2.0
#: A stop that takes longer is announced; a quick one is reported once, when it is done.
ANNOUNCED_AFTER_S = 4.0


class StopRequest:
    """As a context: notes the first SIGTERM or SIGINT; one that comes more than two seconds later ends the process.

    `doing` completes the log line about the first one, which is written if stopping takes longer than a few seconds.
    """

    def __init__(self, doing: str = "stopping after this step") -> None:
        self.signal_number = 0
        self._doing = doing
        self._noted = 0.0
        self._announcement: threading.Timer | None = None
        self._former: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._announcement is not None:
            self._announcement.cancel()
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.signal_number != 0

    @property
    def since_s(self) -> float:
        """Seconds since the request; 0 while there is none."""
        return time.monotonic() - self._noted if self.signal_number else 0.0

    @property
    def cause(self) -> str:
        """What requested the stop, for messages; of another rank's signal only that there was one."""
        names: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
        return names.get(self.signal_number, "a signal")

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if not self.signal_number:
            self.signal_number, self._noted = number, time.monotonic()
            said = ("%s: %s", signal.Signals(number).name, self._doing)
            self._announcement = threading.Timer(ANNOUNCED_AFTER_S, logger.warning, said)
            self._announcement.daemon = True
            self._announcement.start()
        elif self.since_s > SAME_REQUEST_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
