"""Uploads small, changing files beside the checkpoints: loss record, plots, reports."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import obs_sync

logger = logging.getLogger(__name__)

#: Queues one upload of a local file to a URL; calls back when it has arrived.
Submit = Callable[[str, str, Callable[[], None]], None]


class SmallFiles:
    """Uploads a snapshot of each file; while an upload is pending, only the file's last version follows."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._changed: dict[str, bool] = {}  # uploads under way by file name; True: the file has changed since
        self._lock = threading.Lock()

    def publish(self, path: Path, url: str) -> None:
        """Upload the file as it is now; raises OSError when it cannot be copied."""
        with self._lock:
            if path.name in self._changed:
                self._changed[path.name] = True
                return
            self._changed[path.name] = False
        copy = path.with_name(f".{path.name}.sending")
        try:
            shutil.copyfile(path, copy)
        except OSError:
            with self._lock:
                del self._changed[path.name]
            raise
        self._submit(str(copy), url, lambda: self._arrived(path, copy, url))

    def make_and_publish(self, make: Callable[[], Path | None], url_of: Callable[[str], str]) -> None:
        """Create a file with `make` and upload it; a failure is only logged."""
        try:
            path = make()
            if path is not None:
                self.publish(path, url_of(path.name))
        except Exception as error:  # noqa: BLE001 - a plot must not end training
            logger.warning("could not create or publish a report file: %s", describe(error))

    def _arrived(self, path: Path, copy: Path, url: str) -> None:
        copy.unlink(missing_ok=True)
        with self._lock:
            has_changed = self._changed.pop(path.name, False)
        if has_changed:
            self.make_and_publish(lambda: path, lambda _name: url)


def describe(error: BaseException) -> str:
    """An error in one line; with its type unless it names a file or URL."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, (obs_sync.ObsSyncError, OSError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
