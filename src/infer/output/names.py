"""Names in a folder of results: rendered pictures and thumbnails, and names that no picture may have."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import PurePosixPath

#: Endings under which a rendered picture is written; any other picture is rendered as JPEG.
WRITABLE = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

#: Bytes that a file's name may have on the file systems in use.
LONGEST_NAME = 255


#: Files and folders that a run writes beside the pictures.
_RESULTS = re.compile(r"(results[^/]*\.jsonl|results\.csv|summary\.json|run\.json|index\.html)(/|$)", re.IGNORECASE)
_IN_FOLDERS = re.compile(r"(thumbnails/[0-9a-f]{20}\.jpg|journal/[^/]*\.jsonl)(/|$)", re.IGNORECASE)


def is_results_name(filename: str) -> bool:
    """Whether a picture of this name, kept beside the results, would take the place of one of their files."""
    return bool(_RESULTS.match(filename) or _IN_FOLDERS.match(filename))


def rendered_names(filenames: Sequence[str]) -> dict[str, str]:
    """For each picture the name of its rendered one; no name is given twice, and none is that of a picture.

    Depends on the names alone, so all processes of a job and all its restarts agree.
    """
    taken = set(filenames)
    names = {}
    for filename in filenames:
        names[filename] = rendered_name(filename, taken.__contains__)
        taken.add(names[filename])
    return names


def rendered_name(filename: str, is_taken: Callable[[str], bool] = frozenset().__contains__) -> str:
    """`a/NAME.jpg` to `a/NAME_rendered.jpg`, or `a/NAME_rendered_2.jpg` and so on where that is taken.

    Endings that cannot be written become .jpg; a stem that would become too long ends in a digest.
    """
    path = PurePosixPath(filename)
    ending = path.suffix if path.suffix.lower() in WRITABLE else ".jpg"
    marks = chain(["_rendered"], (f"_rendered_{number}" for number in count(2)))
    candidates = (str(path.with_name(_shortened(path.stem, f"{mark}{ending}"))) for mark in marks)
    return next(name for name in candidates if not is_taken(name))


def thumbnail_name(filename: str) -> str:
    """Where the small picture of `filename` is, below the output folder; of one length, however long the name."""
    return f"thumbnails/{hashlib.sha256(os.fsencode(filename)).hexdigest()[:20]}.jpg"


def _shortened(stem: str, end: str) -> str:
    if len(os.fsencode(stem + end)) <= LONGEST_NAME:
        return stem + end
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    while len(os.fsencode(f"{stem}~{digest}{end}")) > LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}~{digest}{end}"
