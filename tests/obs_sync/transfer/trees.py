"""Folders and objects as mappings from names to contents."""

from __future__ import annotations

from pathlib import Path

from obs_sync import ObsFileSystem

TREE = {"a.txt": b"alpha", "b/c.jpg": b"\xff\xd8" * 700, "b/d/e.txt": b"", "ünï 文件.txt": b"text", "b/.hidden": b"h"}


def make_tree(folder: Path, files: dict[str, bytes] = TREE) -> Path:
    """Write the files below the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tree_of(folder: Path) -> dict[str, bytes]:
    """All files below the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects_of(fs: ObsFileSystem, url: str) -> dict[str, bytes]:
    """All objects below the url."""
    base = url[len("obs://") :].rstrip("/") + "/"
    return {name[len(base) :]: fs.cat_file(name) for name in fs.find(url)}
