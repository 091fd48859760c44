"""Reports how the installed moxing behaves where its documentation is silent; changes nothing in the store."""

from __future__ import annotations

import inspect
import uuid
from functools import partial
from typing import Callable

from obs_sync.stores.moxing import answers
from obs_sync.stores.moxing.answers import Entry, FileModule

_FIELDS = ("length", "mtime_nsec", "is_directory", "size", "st_size", "st_mtime", "st_mtime_ns", "st_mode")
_CALLS = ("copy", "copy_parallel", "scan_dir", "stat", "read", "File", "list_directory", "exists", "get_size", "remove")


def observe(bucket_url: str) -> dict[str, str]:
    """Question -> answer, about the module and a bucket such as `obs://bucket`: types, fields and exceptions."""
    moxing = answers.real_moxing()
    if moxing is None:
        return {"module": "the platform's moxing is not installed"}
    file, missing = moxing.file, f"{bucket_url}/no-such-folder-{uuid.uuid4().hex}"
    found = {"version": str(getattr(moxing, "__version__", "unknown")), "module": str(getattr(moxing, "__file__", ""))}
    found.update({f"signature of {name}": _signature(file, name) for name in _CALLS})
    questions: dict[str, Callable[[], object]] = {
        "exists of the bucket": lambda: file.exists(bucket_url),
        "exists of the bucket's root": lambda: file.exists(f"{bucket_url}/"),
        "exists of a missing object": lambda: file.exists(missing),
        "stat of a missing object": lambda: _stat_fields(file, missing),
        "scan_dir of a missing folder": lambda: [entry.name for entry in file.scan_dir(f"{missing}/")],
        "list_directory of a missing folder": lambda: list(file.list_directory(f"{missing}/")),
        "read of a missing object": lambda: len(file.read(missing, binary=True)),
    }
    found.update({question: _answer(ask) for question, ask in questions.items()})
    return {**found, **_entries(file, bucket_url)}


def _entries(file: FileModule, bucket_url: str) -> dict[str, str]:
    """The fields of the bucket's first file and first folder, in a listing and in `stat`."""
    try:
        entries = list(file.scan_dir(f"{bucket_url}/"))
    except Exception as error:  # noqa: BLE001 - the exception is the answer
        return {"scan_dir of the bucket": _described(error)}
    found = {"scan_dir of the bucket": f"{len(entries)} entries"}
    for is_folder, kind in ((False, "file"), (True, "folder")):
        entry = next((entry for entry in entries if bool(entry.is_dir()) == is_folder), None)
        if entry is None:
            continue
        url = f"{bucket_url}/{str(entry.name).strip('/')}"
        found[f"{kind} in a listing"] = _answer(partial(_listed_fields, entry))
        found[f"stat of the same {kind}"] = _answer(partial(_stat_fields, file, url))
        if not is_folder:
            found["file can seek"] = _answer(partial(_can_seek, file, url))
    return found


def _listed_fields(entry: Entry) -> str:
    return _fields(entry.stat())


def _stat_fields(file: FileModule, url: str) -> str:
    return _fields(file.stat(url))


def _can_seek(file: FileModule, url: str) -> bool:
    with file.File(url, "rb") as handle:
        handle.seek(1)
        return True


def _signature(file: FileModule, name: str) -> str:
    try:
        return str(inspect.signature(getattr(file, name)))
    except (AttributeError, TypeError, ValueError) as error:
        return type(error).__name__


def _answer(ask: Callable[[], object]) -> str:
    try:
        return repr(ask())
    except Exception as error:  # noqa: BLE001 - the exception is the answer
        return _described(error)


def _described(error: Exception) -> str:
    parents = " < ".join(kind.__name__ for kind in type(error).__mro__[:-1])
    return f"raises {parents}"


def _fields(status: object) -> str:
    present = {name: getattr(status, name) for name in _FIELDS if hasattr(status, name)}
    shown = [f"{name}={value!r} ({type(value).__name__})" for name, value in present.items()]
    return f"{type(status).__name__}: {', '.join(shown) or 'none of the known fields'}"
