"""Uploads finished results to OBS: files first, then immutable segments of the lines that describe them.

Each line and file is sent once, and each segment is listed and read once by the first card, so that the work grows
linearly with the number of pictures.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import obs_sync
from modelarts.runtime.storage import filesystem_of, names_in
from obs_sync import under
from src.errors import OutputError
from src.infer.output.journal import SEGMENTS, Lines, OnLine, as_bytes, ignore_line
from src.infer.output.results import ResultLine, write_bytes

logger = logging.getLogger(__name__)


class ObsResultSink:
    """Copies finished files of the output folder to `url` every `every_s` seconds, then a segment of their lines.

    A failed upload is retried with the next one; only `flush` raises. Files that the store rejects are in `not_stored`.
    `confirm` raises InvalidRequest when another job has taken the folder over: then nothing more is sent, and `enqueue`
    raises it as well.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        name: str,
        every_s: float,
        look_every_s: float,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        obs_sync.create_local_buckets([url])
        self._confirm = confirm
        self.not_stored: dict[str, str] = {}
        self._taken_over: obs_sync.InvalidRequest | None = None
        self._folder, self._url, self._every_s = folder, url, every_s
        self.look_every_s = look_every_s
        started = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        self._segment_name = f"{started}-{name}-{os.getpid()}"
        self._collected = folder / f".{name}.collected"
        self._segments_sent = 0
        self._segments_read: set[str] = set()
        self._lines = Lines()
        self._pending: tuple[list[str], list[ResultLine]] = ([], [])
        self._lock = threading.Lock()
        self._delivering = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._deliver_periodically, name="sink", daemon=True)

    def __enter__(self) -> ObsResultSink:
        self._collected.unlink(missing_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._collected.unlink(missing_ok=True)

    def previous_lines(self) -> Lines:
        return self.collect()

    def enqueue(self, names: Sequence[str], line: ResultLine | None = None) -> None:
        if self._taken_over is not None:
            raise self._taken_over
        with self._lock:
            self._pending[0].extend(names)
            if line is not None:
                self._pending[1].append(line)

    def flush(self) -> None:
        with self._delivering:
            self._check_owner()
            with self._lock:
                (names, lines), self._pending = self._pending, ([], [])
            try:
                self._send_files(names)
                names = []
                self._send_segment(lines)
            except BaseException:
                with self._lock:
                    self._pending = (names + self._pending[0], lines + self._pending[1])
                raise

    def collect(self, on_line: OnLine = ignore_line) -> Lines:
        fs, folder = filesystem_of(self._url), under(self._url, SEGMENTS)
        others = (name for name in _segments_in(folder) if not name.startswith(f"{self._segment_name}-"))
        new = sorted(set(others) - self._segments_read)
        if new:
            with self._collected.open("ab") as file:
                for name in new:
                    file.write(fs.cat_file(under(folder, name)))
            self._segments_read.update(new)
            self._lines.look_at([self._collected], on_line)
        return self._lines

    def remove(self, names: Sequence[str]) -> None:
        with self._delivering:  # or a delivery in progress would put them back
            for name in names:
                (self._folder / name).unlink(missing_ok=True)
            fs, folder = filesystem_of(self._url), under(self._url, SEGMENTS)
            for name in _segments_in(folder):
                fs.rm_file(under(folder, name))
            with contextlib.suppress(OSError, NotImplementedError):  # where the store has folders, it is empty now
                fs.rmdir(folder)

    def _send_files(self, names: list[str]) -> None:
        if not names:
            return
        try:
            obs_sync.copy(f"{self._folder}/", self._url.rstrip("/") + "/", names=names, progress=False)
        except obs_sync.Incomplete as error:
            self._record_rejected(error)

    def _record_rejected(self, error: obs_sync.Incomplete) -> None:
        """Record files that no retry can store, such as names that the store rejects; raises `error` for others."""
        result = error.result
        if result is None or not result.failed or set(result.failed) - {*result.rejected, *result.missing}:
            raise error
        for name, reason in result.failed.items():
            logger.error("not stored in %s: %s: %s", self._url, name, reason)
        self.not_stored.update(result.failed)

    def _send_segment(self, lines: list[ResultLine]) -> None:
        """Send the lines as a new file, with a new name for each attempt, as each name is read only once."""
        if not lines:
            return
        name = f"{self._segment_name}-{self._segments_sent:06d}.jsonl"
        self._segments_sent += 1
        part = self._folder / f".{name}.part"
        try:
            write_bytes(part, b"".join(map(as_bytes, lines)))
            obs_sync.copy(str(part), under(self._url, f"{SEGMENTS}/{name}"), progress=False)
        finally:
            part.unlink(missing_ok=True)

    def _check_owner(self) -> None:
        try:
            self._confirm()
        except obs_sync.InvalidRequest as error:
            self._taken_over = error
            raise

    def _deliver_periodically(self) -> None:
        while not self._closed.wait(self._every_s):
            try:
                self.flush()
            except (obs_sync.ObsSyncError, OSError, OutputError) as error:
                logger.warning("could not upload results; retrying: %s", error)


def _segments_in(url: str) -> list[str]:
    return [name for name in names_in(url) if name.endswith(".jsonl")]
