"""Selects the files that a transfer copies: list, filter, validate, and compare with the target."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Callable, TypeVar

from obs_sync import urls
from obs_sync.errors import InvalidRequest, NotFound
from obs_sync.retry import for_each
from obs_sync.stores.local import LocalStore
from obs_sync.transfer.endpoints import Endpoint, File, LocalEndpoint, StoreEndpoint

T = TypeVar("T")

_MAX_HEADS = 32
_FEW = 4  # up to this many files are looked up one by one in the target, which may hold many more
_KEYS_PER_PAGE = 1000
_LOOK_UPS_PER_PAGE = 16  # one page of a listing takes about as long as this many look-ups in several threads


def files_of(
    source: Endpoint, names: Sequence[str] | None, include: Sequence[str], exclude: Sequence[str]
) -> list[File]:
    """The requested files of the source; with `names` only those, each missing one with its problem.

    Raises NotFound if there is no file at all: an empty or mistyped source must not look like success.
    """
    found = list(source.below() if names is None else _named(source, names))
    if not found and names is None:
        raise NotFound("nothing to copy", url=source.label, operation="copy", next_step="check the source's name")
    return [file for file in found if wanted(file.name, include, exclude)]


def wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether the patterns select a name: `*` also matches `/`; a pattern matches the whole name or its last part."""

    def matches(patterns: Iterable[str]) -> bool:
        last = name.rsplit("/", 1)[-1]
        return any(fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in patterns)

    return (not include or matches(include)) and not matches(exclude)


def _named(source: Endpoint, names: Sequence[str]) -> Iterator[File]:
    unique = list(dict.fromkeys(names))
    if isinstance(source, LocalEndpoint) or len(unique) <= _MAX_HEADS:
        yield from (source.named(name) for name in unique)
        return
    listed = {file.name: file for file in source.below()}
    yield from (listed.get(name, File(name, 0, problem="no such object", missing=True)) for name in unique)


def in_order(files: Sequence[File], order: Iterable[str]) -> Iterator[File]:
    """The files in the order of `order`, which is drawn from only when the next file is due; then all others."""
    left = {file.name: file for file in files}
    for name in order:
        if name in left:
            yield left.pop(name)
        if not left:
            return
    yield from left.values()


def validated(files: Sequence[File], target: Endpoint) -> Iterator[File]:
    """The files, each with what prevents its copy: an unsafe name, a long key, a folder of the same name."""
    folders = {parent for file in files if not file.skip for parent in _parents(file.name)}
    inside = lru_cache(None)(_inside)  # few folders, many files
    for file in files:
        if not (file.problem or file.skip) and (problem := _problem(file, target, folders, inside)):
            yield file._replace(problem=problem, rejected=True)
        else:
            yield file


def _problem(file: File, target: Endpoint, folders: set[str], inside: Callable[[str, str], bool]) -> str:
    if isinstance(target, StoreEndpoint):
        if file.info is None and (problem := urls.name_problem(file.name)):
            return problem
        return urls.key_problem(target.key_of(file.name)) or target.store.key_problem(target.key_of(file.name))
    if problem := urls.name_problem(file.name):
        return problem
    if file.name in folders:
        return "the name is both a file and a folder, which no disk can hold"
    if not inside(target.path, os.path.dirname(target.path_of(file.name))):
        return "a symbolic link leads out of the target folder"
    return ""


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rsplit("/", 1)[0]
        yield name


def _inside(folder: str, other: str) -> bool:
    real = os.path.realpath(folder)
    return os.path.commonpath([real, os.path.realpath(other)]) == real


def existing(target: Endpoint, files: Sequence[File], threads: int = 1) -> dict[str, File]:
    """What the target already has under the files' names."""
    names = {file.name for file in files if not file.problem and not file.skip}
    found = None if isinstance(target, LocalEndpoint) else listed(target, names)
    if found is None:
        found = look_up(names, target.named, 1 if isinstance(target, LocalEndpoint) else threads)
    return {name: file for name, file in found.items() if not file.problem}


def listed(target: StoreEndpoint, names: Collection[str]) -> dict[str, File] | None:
    """The files of these names, from one listing; None when looking up each name costs less than listing the folder.

    The number of requests for a few files therefore does not grow with the size of the folder.
    """
    if len(names) <= _FEW:
        return None
    most = _KEYS_PER_PAGE * max(1, len(names) // _LOOK_UPS_PER_PAGE)
    found: dict[str, File] = {}
    for count, file in enumerate(target.below()):
        if count == most:
            return None
        if file.name in names:
            found[file.name] = file
    return found


def look_up(names: Collection[str], ask: Callable[[str], T], threads: int) -> dict[str, T]:
    """The result of `ask` for each name; raises the first error."""
    found: dict[str, T] = {}

    def one(name: str) -> None:
        found[name] = ask(name)

    for_each(names, one, min(threads, max(len(names), 1)))
    return found


def check_disjoint(source: Endpoint, target: Endpoint, folders: bool, names: Sequence[str] | None = None) -> None:
    """Raise InvalidRequest if source and target are the same or, for folders, one contains the other.

    With an explicit list of names one may contain the other, as long as no copy would replace a file of the list.
    """
    first, second = _absolute(source), _absolute(target)
    inside = folders and (first.startswith(f"{second}/") or second.startswith(f"{first}/"))
    if inside and names is not None:
        inside = not {f"{first}/{name}" for name in names}.isdisjoint(f"{second}/{name}" for name in names)
    if first == second or inside:
        raise InvalidRequest(
            "source and target are the same or one contains the other",
            url=f"{source.label} -> {target.label}",
            operation="copy",
            next_step="choose another target",
        )


def _absolute(endpoint: Endpoint) -> str:
    """A text that is equal, or starts equally, for the same location."""
    if isinstance(endpoint, LocalEndpoint):
        return os.path.realpath(endpoint.path).rstrip("/")
    if isinstance(endpoint.store, LocalStore):
        return os.path.realpath(os.path.join(endpoint.store.root, endpoint.bucket, endpoint.key)).rstrip("/")
    return f"{endpoint.bucket}/{endpoint.key}".rstrip("/")
