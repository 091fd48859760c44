"""The loss record in the store: parts of bounded size, uploaded as they change, joined again in a fresh container."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import obs_sync
from modelarts.runtime.checkpoints.small_files import SmallFiles, describe
from modelarts.runtime.storage import remove
from src.train.monitoring.record_parts import RecordParts, join_parts, part_name

logger = logging.getLogger(__name__)


class PublishedRecord:
    """The parts of the record `local`, each at `url_of(name)`."""

    def __init__(self, local: Path, url_of: Callable[[str], str]) -> None:
        self._local, self._url_of = local, url_of
        self._parts: RecordParts | None = None

    def fetch(self) -> None:
        """Fetch the record, unless this container has one, which is newer."""
        if self._local.exists() or not obs_sync.exists(self._url_of(self._local.name)):
            return
        with tempfile.TemporaryDirectory(dir=self._local.parent, prefix=".record_") as folder:
            join_parts(self._fetched(Path(folder)), self._local)

    def publish_changes(self, record: Path, files: SmallFiles) -> None:
        """Upload the parts that have changed; a failure is only logged, and the next checkpoint tries again."""
        try:
            parts = self._parts or RecordParts(record)
            for part in parts.changed():
                files.publish(part, self._url_of(part.name))
            if self._parts is None:
                self._remove_parts_after(parts.number)
            self._parts = parts
        except Exception as error:  # noqa: BLE001 - a record that is not published must not end training
            logger.warning("could not publish the loss record; the next checkpoint tries again: %s", describe(error))

    def _fetched(self, folder: Path) -> Iterator[Path]:
        for number in count():
            name = part_name(self._local.name, number)
            if not obs_sync.exists(self._url_of(name)):
                return
            obs_sync.copy(self._url_of(name), str(folder / name))
            yield folder / name

    def _remove_parts_after(self, last: int) -> None:
        """Remove the parts of an interrupted run that had progressed further."""
        for number in count(last + 1):
            url = self._url_of(part_name(self._local.name, number))
            if not obs_sync.exists(url):
                return
            remove(url)
