"""Copy folders of the container to OBS while a job runs and once at its end, as the platform does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import obs_sync

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """A folder, the URL that its content is copied to, and its name in messages."""

    folder: Path
    url: str
    name: str


class PeriodicSync:
    """Copies new and changed files every `period_s` seconds; nothing is ever deleted in OBS.

    A failed copy is retried with the next pass and reported only if that fails as well: files that grow while they are
    copied are normal. `finish` makes the last pass and raises its errors.
    """

    def __init__(self, routes: Sequence[Route], filesystem: obs_sync.ObsFileSystem, period_s: float) -> None:
        self._routes, self._filesystem, self._period_s = routes, filesystem, period_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Stop and copy what was written since; raises ObsSyncError when that fails."""
        self._stopped.set()
        self._thread.join()
        for route in self._routes:
            self._copy(route)

    def _repeat(self) -> None:
        failed: set[Route] = set()
        while not self._stopped.wait(self._period_s):
            for route in self._routes:
                try:
                    self._copy(route)
                    failed.discard(route)
                except obs_sync.ObsSyncError as error:
                    if route in failed:
                        logger.warning("%s: copying failed twice in a row: %s", route.name, error)
                    failed.add(route)

    def _copy(self, route: Route) -> None:
        if any(path.is_file() for path in route.folder.rglob("*")):
            obs_sync.copy(f"{route.folder}/", route.url, filesystem=self._filesystem)


def finish_all(syncs: Sequence[PeriodicSync]) -> None:
    """Finish each, even when others fail; raises the first error."""
    errors = []
    for sync in syncs:
        try:
            sync.finish()
        except obs_sync.ObsSyncError as error:
            errors.append(error)
    if errors:
        raise errors[0]
