"""Which pictures of a folder are to be judged, by their names below it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from src.data.images import list_pictures
from src.errors import DataError


def picture_names(folder: Path, output_parent: Path | None = None) -> list[str]:
    """The pictures in `folder` and its sub-folders as `sub/NAME.jpg`, sorted.

    What lies below `output_parent` is left out: results of earlier runs are no input, even where somebody keeps them
    inside the folder of pictures. Raises DataError when there is no such folder or it holds no pictures.
    """
    paths = list_pictures(folder, recursive=True)
    if output_parent is not None and output_parent.is_dir() and not output_parent.samefile(folder):
        results = output_parent.resolve()
        paths = [path for path in paths if results not in path.resolve().parents]
    if not paths:
        raise DataError(f"{folder}: holds no pictures")
    return [path.relative_to(folder).as_posix() for path in paths]


def inside(folder: Path, filename: str) -> Path:
    """The path of a picture below `folder`; DataError for a name that leads out of it.

    The same name is used below the output folder, where such a name would write over somebody else's file.
    """
    name = PurePosixPath(filename)
    if not filename or name.is_absolute() or Path(filename).is_absolute() or ".." in name.parts:
        raise DataError(
            f"{filename or 'empty file name'}: must be the name of a picture in {folder}, not a path elsewhere"
        )
    return folder / filename
