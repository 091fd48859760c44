"""Lists the pictures of a folder by ending and content, with the reasons for skipping other files."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from src.data.formats import HEAD_BYTES, OTHER_SUFFIXES, PICTURE_SUFFIXES, format_of, why_not_read
from src.errors import DataError
from src.plural import plural

log = logging.getLogger(__name__)

_NAMED = 20  # files that a log line names


@dataclass(frozen=True)
class Listing:
    """`names`: pictures below a folder, sorted; `skipped`: the other files there, with the reason (English)."""

    names: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def log_skipped(self, folder: Path | str) -> None:
        """Name what is not read: pictures of other formats one by one, other files by their endings."""
        formats = {name: reason for name, reason in self.skipped.items() if reason != NOT_A_PICTURE}
        for name, reason in list(formats.items())[:_NAMED]:
            log.warning("not read: %s/%s: %s", str(folder).rstrip("/"), name, reason)
        if len(formats) > _NAMED:
            log.warning("not read: %s more", plural(len(formats) - _NAMED, "file"))
        others = Counter(PurePosixPath(name).suffix.lower() for name in self.skipped if name not in formats)
        if others:
            counts = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in others.most_common())
            log.info("%s: %s not pictures: %s", folder, plural(sum(others.values()), "file"), counts)


NOT_A_PICTURE = "not a picture"


def list_folder(folder: str | Path, recursive: bool = False, without: Path | None = None) -> Listing:
    """The pictures in a folder, and below it where `recursive`; `without` is a folder below it that is left out.

    Hidden files and folders are left out as well, without being named. Raises DataError when there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path of the pictures")
    listing = Listing()
    for name in sorted(_files(root, recursive, without.resolve() if without is not None else None)):
        reason = _problem(root / name)
        if reason:
            listing.skipped[name] = reason
        else:
            listing.names.append(name)
    return listing


def listing_by_ending(names: Iterable[str]) -> Listing:
    """The pictures among names in a store, whose files are not here to be looked into; hidden ones are left out."""
    listing = Listing()
    for name in sorted(names):
        path = PurePosixPath(name)
        if any(part.startswith(".") for part in path.parts):
            continue
        if path.suffix.lower() in PICTURE_SUFFIXES:
            listing.names.append(name)
        else:
            listing.skipped[name] = _other_ending(path.suffix) or NOT_A_PICTURE
    return listing


def pictures_to_judge(folder: Path, output_parent: Path | None = None) -> Listing:
    """The pictures in `folder` and its sub-folders as `sub/NAME.jpg`; what is not read is logged.

    What lies below `output_parent` is left out: results of earlier runs are not input, even where somebody keeps them
    inside the folder of pictures. Raises DataError when there is no such folder or it holds no pictures.
    """
    inside_results = output_parent is not None and output_parent.is_dir() and output_parent.samefile(folder)
    listing = list_folder(folder, recursive=True, without=None if inside_results else output_parent)
    listing.log_skipped(folder)
    if not listing.names:
        found = f"; {plural(len(listing.skipped), 'other file')}, such as {_first(listing)}" if listing.skipped else ""
        raise DataError(f"{folder}: holds no pictures that can be read{found}")
    return listing


def picture_names(folder: Path, output_parent: Path | None = None) -> list[str]:
    """The names of `pictures_to_judge`."""
    return pictures_to_judge(folder, output_parent).names


def inside(folder: Path, filename: str) -> Path:
    """The path of a picture below `folder`; DataError for a name that leads out of it.

    The same name is used below the output folder, where such a name would write over somebody else's file. A backslash
    is a letter here: the name is that of a file that was listed.
    """
    name = PurePosixPath(filename)
    if not filename or "\0" in filename or name.is_absolute() or Path(filename).is_absolute() or ".." in name.parts:
        raise DataError(
            f"{filename or 'empty file name'}: must be the name of a picture in {folder}, not a path elsewhere"
        )
    return folder / filename


def _first(listing: Listing) -> str:
    name, reason = next(iter(listing.skipped.items()))
    return f"{name} ({reason})"


def _files(root: Path, recursive: bool, without: Path | None) -> Iterator[str]:
    """Names below `root` of all files that are not hidden."""
    for parent, folders, names in os.walk(root):
        here = Path(parent)
        folders[:] = [
            name
            for name in folders
            if recursive and not name.startswith(".") and (without is None or (here / name).resolve() != without)
        ]
        for name in names:
            if not name.startswith("."):
                yield (here / name).relative_to(root).as_posix()


def _other_ending(suffix: str) -> str:
    """Why a file of this ending is not read whatever it holds; empty where its content decides."""
    is_other = suffix.lower() in OTHER_SUFFIXES
    return f"{suffix} pictures are not read; convert it to JPEG or PNG" if is_other else ""


def _problem(path: Path) -> str:
    """Why a file is not read; empty for a picture, and for one that only its ending says is one."""
    is_named_so = path.suffix.lower() in PICTURE_SUFFIXES
    if not path.is_file():
        return "" if is_named_so else "not a regular file"
    if is_named_so:
        return ""
    if other := _other_ending(path.suffix):
        return other
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    reason = why_not_read(head)
    return "" if reason is None else str(reason) if format_of(head) else NOT_A_PICTURE
