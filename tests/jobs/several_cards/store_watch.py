"""Looks at a run's folder in the store all the time."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import obs_sync
from src.errors import CheckpointError
from src.train.checkpoints.manifest import Manifest


class StoreWatch(threading.Thread):
    """Looks at a run's folder in the store all the time: whatever can be seen there must be whole."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._folder = Path("obs_root") / url.split("://")[1]
        self._digests: dict[tuple[str, int, int], str] = {}
        self._sizes: dict[tuple[str, int], int] = {}
        self.halves: set[str] = set()
        self.looks = 0
        self.over = threading.Event()

    def run(self) -> None:
        fs = obs_sync.ObsFileSystem(storage_mode="local")
        while not self.over.wait(0.02):
            shown = [Path(path).name for path in fs.find(self._url)] if self._folder.is_dir() else []
            self.halves.update(file for file in shown if "part" in file or file.startswith("."))
            for path in self._folder.glob("ckpt_*/openpose*"):
                self._look(path)
            self.looks += 1

    def _look(self, path: Path) -> None:
        now = path.stat()
        if self._sizes.setdefault((str(path), now.st_ino), now.st_size) != now.st_size:
            self.halves.add(f"{path} has grown")
        if path.name.endswith(".json"):
            try:
                manifest = Manifest.from_json(path.read_bytes(), path.name)
                fits = self._sha256(path.with_name(manifest.file)) == manifest.sha256
            except (CheckpointError, FileNotFoundError):
                fits = False
            if not fits:
                self.halves.add(f"{path} does not fit its checkpoint")

    def _sha256(self, path: Path) -> str:
        now = path.stat()
        key = (str(path), now.st_ino, now.st_size)
        if key not in self._digests:
            self._digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[key]
