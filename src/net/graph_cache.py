"""MindSpore's compile cache for inference: only what was written whole, by one process at a time, is reused."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from src.files import lock_file, write_atomically
from src.json_text import parse_json_object
from src.net.compile_cache import cache_folder, use_compile_cache

logger = logging.getLogger(__name__)

#: Code that decides what a graph of a network is.
NETWORKS = Path(__file__).resolve().parent
#: Lists the files of a whole cache with their sizes.
CONTENT_FILE = "content.json"


class GraphCache:
    """The cache of one network; no other process uses it until this one ends."""

    def __init__(self, folder: Path, lock: FileLock) -> None:
        self._folder, self._lock = folder, lock

    def keep(self) -> None:
        """Vouch for the cache: the graph has been compiled, or taken from it, and has computed something."""
        try:
            write_atomically(self._folder / CONTENT_FILE, json.dumps(_content(self._folder)))
        except OSError as error:
            logger.debug("%s: compiled graphs are not kept: %s", self._folder, error)


def open_graph_cache(folder: Path, facts: Mapping[str, object]) -> GraphCache | None:
    """Have MindSpore use the cache of a network, which `facts` tell from others, below `folder`.

    A cache that is not whole is emptied first. None, and no cache is used, where another process uses it or the folder
    cannot be written, and where no script was started (`python -c`, an interactive session), which MindSpore's cache
    wants to read: that costs time only.
    """
    if not hasattr(sys.modules["__main__"], "__file__"):
        logger.info("no script was started: compiled graphs are not kept")
        return None
    chosen = cache_folder(folder, facts, NETWORKS)
    try:
        lock = lock_file(chosen.with_suffix(".lock"))
        if lock is None:
            logger.info("%s is in use by another process; compiling without it", chosen)
            return None
        if not _is_whole(chosen):
            shutil.rmtree(chosen, ignore_errors=True)
        use_compile_cache(chosen)
    except OSError as error:
        logger.info("compiled graphs are not kept: %s", error)
        return None
    return GraphCache(chosen, lock)


def _is_whole(folder: Path) -> bool:
    try:
        said = parse_json_object((folder / CONTENT_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return said == _content(folder)


def _content(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != CONTENT_FILE)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
