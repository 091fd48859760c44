"""A thread that makes table and page while pictures are judged, so that little is left to do after the last one."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable

from src.actions import Action
from src.infer.output.journal import Lines, OnLine, Place
from src.infer.output.results import ResultLine
from src.infer.report.pieces import Pieces

logger = logging.getLogger(__name__)

#: Lines that wait to be worked on; whoever judges faster than that has to wait.
_WAITING = 64
#: How often results of other processes are looked for meanwhile, in seconds.
LOOK_EVERY_S = 10.0


class ReportBuilder:
    """Makes the pieces of table, page and summary of the lines it is told of; use as a context manager.

    `before`: lines of an interrupted run, worked on while no new ones come. `collect`: looks for the lines of other
    processes and tells them to its argument; not called after `finish`.
    """

    def __init__(
        self, folder: Path, action: Action, before: Lines, collect: Callable[[OnLine], object] | None = None
    ) -> None:
        self._pieces = Pieces(folder, action)
        self._before, self._collect = before, collect
        self._lines: queue.Queue[tuple[ResultLine, Place]] = queue.Queue(_WAITING)
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="report", daemon=True)

    def __enter__(self) -> ReportBuilder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        self._pieces.close()

    def add(self, line: ResultLine, place: Place) -> None:
        """Take note of a new line, which is at `place`; may wait for earlier ones."""
        self._lines.put((line, place))

    def add_now(self, line: ResultLine, place: Place) -> None:
        """The same after `finish`: the piece is made at once."""
        self._pieces.add(line, place)

    def finish(self) -> None:
        """Return when all lines that were added are worked on."""
        self._finishing.set()
        self._thread.join()

    def complete(self, lines: Lines) -> dict[str, int]:
        """After `finish`: make what is missing for these lines; returns what they count, as `count_results` does."""
        self._pieces.add_missing(lines, lines)
        return self._pieces.counts(lines)

    def write(self, folder: Path, lines: Lines, summary: Mapping[str, object]) -> None:
        """After `complete`: write table and page, in the order of `lines`."""
        self._pieces.write(folder, lines, summary)

    def _work(self) -> None:
        before, looked = iter(self._before), time.monotonic()
        while not (self._finishing.is_set() and self._lines.empty()):
            try:
                self._step(before)
                if self._collect and not self._finishing.is_set() and time.monotonic() - looked > LOOK_EVERY_S:
                    looked = time.monotonic()
                    self._collect(self._pieces.add)
            except Exception as error:  # noqa: BLE001 - what is missing is made at the end, where errors count
                logger.debug("the report is not made ahead: %s", error)

    def _step(self, before: Iterator[str]) -> None:
        """Make one piece: of a new line, else of an earlier one; else wait a little."""
        name = None if self._finishing.is_set() or not self._lines.empty() else next(before, None)
        if name is not None:
            self._pieces.add(self._before[name], self._before.place_of(name))
            return
        try:
            line, place = self._lines.get(timeout=0.1)
        except queue.Empty:
            return
        self._pieces.add(line, place)
