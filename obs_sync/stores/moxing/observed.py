"""Records how the installed moxing behaves where its documentation is silent: names, types and kinds, no values.

The record contains nothing that identifies a user; the tests' fake moxing can replay it (tests/fakes/replay.py).
"""

from __future__ import annotations

import time
import uuid
from typing import Callable

from obs_sync.stores.moxing.answers import Entry, FileModule, size_of, time_of

_ENTRIES, _CONTENT = 3, b"0123456789"


def observe_folder(file: FileModule, url: str) -> dict[str, object]:
    """Write small objects to a new folder below `url` (obs://bucket/…), query them, and remove them.

    `file` is moxing's file module. An exception is recorded as {"raises": its classes, "status": …}.
    """
    bucket = "/".join(url.split("/")[:3])
    folder = f"{url.rstrip('/')}/probe-{uuid.uuid4().hex}"
    names = [f"{folder}/{number}" for number in range(_ENTRIES)]
    try:
        for name in names:
            file.write(name, _CONTENT, binary=True)
        marker = _answer(lambda: type(file.make_dirs(folder)).__name__)
        return {
            "stat": _answer(lambda: _fields(file.stat(names[0]))),
            "stat_folder": _answer(lambda: _fields(file.stat(folder))),
            "stat_missing": _answer(lambda: _fields(file.stat(f"{folder}/missing"))),
            "make_dirs": marker,
            "listing": _answer(lambda: _listing(file, folder)),
            "missing_folder": _answer(lambda: len(list(file.scan_dir(f"{folder}/missing/")))),
            "exists_bucket": _answer(lambda: bool(file.exists(bucket))),
            "exists_bucket_root": _answer(lambda: bool(file.exists(f"{bucket}/"))),
            "seek": _answer(lambda: _can_seek(file, names[0])),
        }
    finally:
        _answer(lambda: file.remove(folder, recursive=True))


def _listing(file: FileModule, folder: str) -> dict[str, object]:
    """The entries of the folder: their fields, how their time compares with `stat`, and the folder's own marker."""
    entries = list(file.scan_dir(f"{folder}/"))
    own = [entry for entry in entries if _is_marker(entry, folder)]
    entry = next(entry for entry in entries if entry not in own)
    status = entry.stat()
    return {
        "entries": len(entries),
        "fields": _fields(status),
        "size_is_right": size_of(status) == len(_CONTENT),
        "time": _compared(time_of(status), time_of(file.stat(f"{folder}/{entry.name}"))),
        "own_marker": [{"named": bool(one.name), "is_dir": bool(one.is_dir())} for one in own],
        "entry_stat_ms": _milliseconds(entry.stat),
        "stat_ms": _milliseconds(lambda: file.stat(f"{folder}/0")),
    }


def _is_marker(entry: Entry, folder: str) -> bool:
    name = str(entry.name).strip("/")
    return name in ("", folder.rsplit("/", 1)[-1])


def _compared(listed: int, stated: int) -> str:
    """How two times compare; both in nanoseconds since 1970, 0: unknown."""
    if not listed or not stated:
        return "missing"
    return "same" if listed == stated else f"differs by {round((listed - stated) / 1e9)} s"


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return round((time.perf_counter() - started) * 1000, 3)


def _can_seek(file: FileModule, url: str) -> bool:
    with file.File(url, "rb") as handle:
        handle.seek(1)
        return bool(handle.read(1) == b"1")


def _fields(status: object) -> dict[str, str]:
    """The public attributes that are data, and their types."""
    names = [name for name in dir(status) if not name.startswith("_")]
    return {name: type(getattr(status, name)).__name__ for name in names if not callable(getattr(status, name))}


def _answer(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - the exception is the answer
        status = getattr(getattr(error, "resp", None), "status", None)
        raised: dict[str, object] = {"raises": [kind.__name__ for kind in type(error).__mro__[:-1]]}
        return {**raised, "status": status} if isinstance(status, int) else raised
