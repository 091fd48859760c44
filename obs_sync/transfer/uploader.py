"""Background uploads: a bounded queue, retries, a final deadline, and a list of failed uploads.

    uploader = Uploader(filesystem)
    uploader.submit(("/cache/a.ckpt", "obs://b/run/a.ckpt"), ("/cache/a.json", "obs://b/run/a.json"))
    ...
    lost = uploader.drain(deadline_s=120)  # {} when everything has arrived

A failed upload never raises in the caller's loop: the next upload is sent first, and the failed one is retried until
`give_up_s` after its submission. `failures` lists it in the meantime; `drain` returns what is missing and where it is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

from obs_sync.errors import InvalidRequest, MissingDependency, NotFound, ObsSyncError
from obs_sync.retry import Policy
from obs_sync.stores.open import StorageAccess, default_access
from obs_sync.transfer.copy import copy

logger = logging.getLogger(__name__)

_PERMANENT = (InvalidRequest, MissingDependency)
_MAX_RETRY_S = 60.0


@dataclass(eq=False)
class Item:
    """One upload: (local path, URL) pairs sent in this order, so that a manifest can come last."""

    files: Sequence[tuple[str, str]]
    on_done: Callable[[], None] | None = None
    before: Callable[[], None] | None = None
    submitted: float = field(default_factory=time.monotonic)
    not_before: float = 0.0
    attempts: int = 0
    sending: bool = False
    error: str = ""
    given_up: bool = False

    @property
    def name(self) -> str:
        """The name in results: the URL of the last file."""
        return self.files[-1][1]


class Uploader:
    """Uploads in the order of submission, in its own thread; safe to call from any thread."""

    def __init__(
        self,
        filesystem: StorageAccess | None = None,
        max_waiting: int = 4,
        give_up_s: float = 3600.0,
        retry_s: float = 5.0,
    ) -> None:
        self._access = filesystem or default_access()
        self._max_waiting, self._give_up_s = max_waiting, give_up_s
        self._policy = Policy(max_attempts=1, backoff_s=retry_s, max_backoff_s=_MAX_RETRY_S, deadline_s=give_up_s)
        self._items: list[Item] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="obs_sync-uploader", daemon=True)
        self._thread.start()

    def submit(
        self,
        *files: tuple[str, str],
        on_done: Callable[[], None] | None = None,
        before: Callable[[], None] | None = None,
        wait_s: float | None = None,
    ) -> bool:
        """Queue one upload; waits up to `wait_s` seconds while the queue is full. False: not accepted.

        `before` is called ahead of each attempt and may raise to prevent it: InvalidRequest permanently, other errors
        for now. The local files must not change until `on_done` (called in the uploading thread once all are in the
        store) or until `drain`.
        """
        item = Item(list(files), on_done, before)
        with self._changed:
            if not self._changed.wait_for(self._has_room, wait_s):
                return False
            self._items.append(item)
            self._changed.notify_all()
        return True

    def _has_room(self) -> bool:
        return sum(not item.given_up for item in self._items) < self._max_waiting

    @property
    def failures(self) -> dict[str, str]:
        """URL -> latest error of uploads that have failed at least once and have not arrived."""
        with self._changed:
            return {item.name: item.error for item in self._items if item.error}

    @property
    def waiting(self) -> int:
        """How many uploads have not arrived yet, including those given up."""
        with self._changed:
            return len(self._items)

    def withdraw(self, url: str) -> bool:
        """Remove the upload whose last file goes to `url` from the queue; False if it is being sent or not queued."""
        with self._changed:
            item = next((item for item in self._items if item.name == url and not item.sending), None)
            if item is not None:
                self._items.remove(item)
                self._changed.notify_all()
            return item is not None

    def drain(self, deadline_s: float) -> dict[str, str]:
        """Wait until everything has arrived or been given up, at most this long; URL -> reason for what is missing."""
        with self._changed:
            for item in self._items:
                item.not_before = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: all(item.given_up for item in self._items), deadline_s)
            return {
                item.name: f"{item.error or 'not sent in time'}; still at {', '.join(path for path, _ in item.files)}"
                for item in self._items
            }

    def close(self, wait_s: float = 5.0) -> None:
        """Start no more uploads; wait briefly for the one in progress."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                item = self._next()
                while item is None and not self._stopped:
                    self._changed.wait(self._pause())
                    item = self._next()
                if self._stopped or item is None:
                    return
                item.sending = True
            self._try(item)

    def _next(self) -> Item | None:
        now = time.monotonic()
        return next((item for item in self._items if not item.given_up and item.not_before <= now), None)

    def _pause(self) -> float | None:
        moments = [item.not_before for item in self._items if not item.given_up]
        return max(min(moments) - time.monotonic(), 0.01) if moments else None

    def _try(self, item: Item) -> None:
        item.attempts += 1
        try:
            if item.before is not None:
                item.before()
            for path, url in item.files:
                copy(path, url, filesystem=self._access)
            if item.on_done is not None:
                item.on_done()
        except Exception as error:  # noqa: BLE001 - reported by `failures` and `drain`
            self._record_failure(item, error)
            return
        with self._changed:
            self._items.remove(item)
            self._changed.notify_all()

    def _record_failure(self, item: Item, error: Exception) -> None:
        pause = self._policy.pause(min(item.attempts, 16))
        with self._changed:
            item.sending = False
            item.error = str(error) if isinstance(error, ObsSyncError) else f"{type(error).__name__}: {error}"
            item.not_before = time.monotonic() + pause
            item.given_up = _is_permanent(item, error) or item.not_before - item.submitted > self._give_up_s
            self._changed.notify_all()
        if item.given_up:
            logger.error("giving up on upload of %s: %s", item.name, item.error)
        else:
            logger.warning("upload of %s failed: %s; retrying in %.1f s", item.name, item.error, pause)


def _is_permanent(item: Item, error: Exception) -> bool:
    """Whether no retry can help: the request itself is wrong, or a local file no longer exists."""
    if isinstance(error, _PERMANENT):
        return True
    return isinstance(error, NotFound) and any(not os.path.lexists(path) for path, _ in item.files)
