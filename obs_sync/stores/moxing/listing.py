"""Lists one folder through `scan_dir`, whichever fields its entries have."""

from __future__ import annotations

from typing import NamedTuple

from obs_sync.errors import NotFound
from obs_sync.retry import for_each
from obs_sync.stores.base import ObjectInfo
from obs_sync.stores.moxing import answers
from obs_sync.stores.moxing.answers import Entry
from obs_sync.stores.moxing.calls import Calls, size_from

_BYTES_PER_ENTRY = 8 << 10  # time allowed for an entry's status, which may need a further request


class ListedEntry(NamedTuple):
    """An entry of a listing; for a folder the status is None."""

    name: str
    status: object
    size: int


def list_folder(calls: Calls, url: str, base: str, prefix: str, threads: int) -> tuple[list[ObjectInfo], list[str]]:
    """Objects and folders (ending with `/`) directly below `base` whose key starts with, or leads to, the prefix.

    A missing folder has neither. A folder whose name no key can address is listed as an object of size -1, so that a
    copy fails on that name instead of silently omitting it.
    """
    try:
        entries = calls.run(url, "list", lambda: list(calls.file.scan_dir(url)))
    except NotFound:
        return [], []
    entries = [entry for entry in entries if f"{base}{_name(entry)}/".startswith(prefix) and not _is_self(entry, url)]
    found = calls.run(url, "list", lambda: _statuses(calls, url, entries, threads), _BYTES_PER_ENTRY * len(entries))
    objects, folders = [], []
    for name, status, size in found:
        if status is not None:
            objects.append(answers.info_of(base + name, status, size, "list"))
        elif name not in ("", ".", ".."):
            folders.append(f"{base}{name}/")
        elif name or _has_nameless_folder(calls, url):
            objects.append(ObjectInfo(f"{base}{name}/", -1))
    return objects, folders


def _name(entry: Entry) -> str:
    return str(entry.name).rstrip("/")


def _is_self(entry: Entry, url: str) -> bool:
    """Whether an entry is the folder's own marker: it has the folder's URL, and a name."""
    return bool(_name(entry)) and str(getattr(entry, "path", "")).rstrip("/") == url.rstrip("/")


def _statuses(calls: Calls, url: str, entries: list[Entry], threads: int) -> list[ListedEntry]:
    """The status of each entry; the folder's own marker and vanished objects are left out."""
    found: dict[int, ListedEntry] = {}

    def fetch(number: int) -> None:
        entry, name = entries[number], _name(entries[number])
        if str(entry.name).endswith("/") or entry.is_dir():
            found[number] = ListedEntry(name, None, 0)
        elif name:
            try:
                found[number] = ListedEntry(name, *_status(calls, f"{url.rstrip('/')}/{name}", entry))
            except Exception as error:
                if not answers.means_missing(error):
                    raise

    for_each(range(len(entries)), fetch, max(min(threads, len(entries)), 1))
    return [found[number] for number in sorted(found)]


def _status(calls: Calls, url: str, entry: Entry) -> tuple[object, int]:
    """Status and size of an object; further requests only if the listing does not give the size."""
    status = entry.stat()
    size = answers.size_of(status)
    if size < 0:
        status = calls.file.stat(url)
        size = size_from(calls.file, url, status)
    return status, size


def _has_nameless_folder(calls: Calls, url: str) -> bool:
    """Whether there are keys with `//` here; an entry without a name may also be the folder's own marker."""
    try:
        below = calls.run(url, "list", lambda: list(calls.file.list_directory(url, recursive=True)))
    except NotFound:
        return False
    return any(str(name).startswith("/") for name in below)
