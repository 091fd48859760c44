"""Which files a transfer copies: listed, filtered, judged, compared with what is there - nothing is moved yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Callable

from obs_sync import urls
from obs_sync.errors import NotFound, Refused
from obs_sync.stores.local import LocalStore
from obs_sync.transfer.endpoints import File, LocalPlace, Place, RemotePlace

_HEADS_INSTEAD_OF_LISTING = 32
FEW = 4  # so many files are looked at one by one in the target, which may hold many more


def files_of(source: Place, names: Sequence[str] | None, include: Sequence[str], exclude: Sequence[str]) -> list[File]:
    """The source's files that are wanted; those of `names` only, if given, a missing one with its problem.

    Raises NotFound when there is no file at all: an empty or mistyped source must not look like success.
    """
    found = list(source.below() if names is None else _named(source, names))
    if not found and names is None:
        raise NotFound("nothing there to copy", url=source.label, operation="copy", next_step="check the source's name")
    return [file for file in found if wanted(file.name, include, exclude)]


def wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether patterns let a name pass: `*` also matches `/`; a pattern may match the whole name or its last part."""

    def matches(patterns: Iterable[str]) -> bool:
        last = name.rsplit("/", 1)[-1]
        return any(fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in patterns)

    return (not include or matches(include)) and not matches(exclude)


def _named(source: Place, names: Sequence[str]) -> Iterator[File]:
    unique = list(dict.fromkeys(names))
    if isinstance(source, LocalPlace) or len(unique) <= _HEADS_INSTEAD_OF_LISTING:
        yield from (source.named(name) for name in unique)
        return
    listed = {file.name: file for file in source.below()}
    yield from (listed.get(name, File(name, 0, problem="no such object", missing=True)) for name in unique)


def in_order(files: Sequence[File], order: Iterable[str]) -> Iterator[File]:
    """The files as `order`, drawn from only when the next one is due, names them; then those it did not name."""
    left = {file.name: file for file in files}
    for name in order:
        if name in left:
            yield left.pop(name)
        if not left:
            return
    yield from left.values()


def judged(files: Sequence[File], target: Place) -> Iterator[File]:
    """The files, each with what keeps it from the target: an unsafe name, a long key, being a folder as well."""
    folders = {parent for file in files if not file.skip for parent in _parents(file.name)}
    inside = lru_cache(None)(_inside)  # few folders, many files
    for file in files:
        if not (file.problem or file.skip) and (problem := _problem(file, target, folders, inside)):
            yield replace(file, problem=problem)
        else:
            yield file


def _problem(file: File, target: Place, folders: set[str], inside: Callable[[str, str], bool]) -> str:
    if isinstance(target, RemotePlace):
        if file.info is None and (problem := urls.name_problem(file.name)):
            return problem
        return urls.key_problem(target.key_of(file.name))
    if problem := urls.name_problem(file.name):
        return problem
    if file.name in folders:
        return "the name is a file and a folder at once, which no disk can hold"
    return (
        ""
        if inside(target.path, os.path.dirname(target.path_of(file.name)))
        else "a symbolic link leads out of the target folder"
    )


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rsplit("/", 1)[0]
        yield name


def _inside(folder: str, other: str) -> bool:
    real = os.path.realpath(folder)
    return os.path.commonpath([real, os.path.realpath(other)]) == real


def present(target: Place, files: Sequence[File]) -> dict[str, File]:
    """What the target has already under the files' names: one listing, or for a few files one request each."""
    todo = [file for file in files if not file.problem and not file.skip]
    if isinstance(target, LocalPlace) or len(todo) <= FEW:
        found = (target.named(file.name) for file in todo)
    else:
        names = {file.name for file in todo}
        found = (file for file in target.below() if file.name in names)
    return {file.name: file for file in found if not file.problem}


def check_apart(source: Place, target: Place, folders: bool, names: Sequence[str] | None = None) -> None:
    """Raise Refused when source and target are the same or, for folders, one lies in the other.

    With an explicit list of names the one may lie in the other, as long as no copy would replace a file of the list.
    """
    first, second = _where(source), _where(target)
    inside = folders and (first.startswith(f"{second}/") or second.startswith(f"{first}/"))
    if inside and names is not None:
        inside = not {f"{first}/{name}" for name in names}.isdisjoint(f"{second}/{name}" for name in names)
    if first == second or inside:
        raise Refused(
            "source and target are the same or lie in each other",
            url=f"{source.label} -> {target.label}",
            operation="copy",
            next_step="name a target elsewhere",
        )


def _where(place: Place) -> str:
    """A text that is the same, or starts the same, for the same place."""
    if isinstance(place, LocalPlace):
        return os.path.realpath(place.path).rstrip("/")
    if isinstance(place.store, LocalStore):
        return os.path.realpath(os.path.join(place.store.root, place.bucket, place.key)).rstrip("/")
    return f"{place.bucket}/{place.key}".rstrip("/")
