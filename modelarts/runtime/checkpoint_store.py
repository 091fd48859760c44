"""The checkpoints below a `train_url`: listing, manifests, and fetching one that is complete and verified."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import obs_sync
from src.errors import CheckpointError, ConfigError
from src.files import file_sha256
from src.train.checkpoints.manifest import (
    CheckpointName,
    Manifest,
    Moment,
    manifest_name,
    manifests_by_moment,
)
from src.train.checkpoints.storage import Candidate

logger = logging.getLogger(__name__)

RESUME_AUTO, RESUME_NEVER = "auto", "never"


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one `train_url` as one rank sees them: `<url>/ckpt_<rank>/…`.

    `only` restricts it to the checkpoints of one moment.
    """

    url: str
    rank: int
    rank_size: int
    only: Moment | None = None

    @property
    def folder(self) -> str:
        return self._folder(self.rank)

    def url_of(self, file_name: str, rank: int | None = None) -> str:
        """Full address of a file in a rank's folder (this rank's by default)."""
        folder = self._folder(self.rank if rank is None else rank)
        return obs_sync.join(folder, file_name) if obs_sync.is_url(folder) else str(Path(folder) / file_name)

    def url_above(self, file_name: str) -> str:
        """Full address of a file beside the folders of the ranks."""
        return obs_sync.join(self.url, file_name) if obs_sync.is_url(self.url) else str(Path(self.url) / file_name)

    def file_names(self) -> list[tuple[int, str]]:
        """(rank, file name) of everything in all ranks' folders, from one listing."""
        if not obs_sync.exists(self.url):
            return []
        found = []
        for relative in obs_sync.list_files(self.url):
            folder, _, file_name = relative.rpartition("/")
            if folder.startswith("ckpt_") and folder[5:].isdigit():
                found.append((int(folder[5:]), file_name))
        return found

    def read_manifest(self, rank: int, file_name: str) -> Manifest:
        """A rank's manifest; CheckpointError when it is not one."""
        url = self.url_of(file_name, rank)
        if obs_sync.is_url(url):
            return Manifest.from_json(obs_sync.filesystem().cat_file(url), url)
        return Manifest.from_json(Path(url).read_bytes(), url)

    def remove(self, file_name: str) -> None:
        """Delete one of this rank's own files."""
        url = self.url_of(file_name)
        if obs_sync.is_url(url):
            obs_sync.filesystem().rm_file(url)
        else:
            Path(url).unlink(missing_ok=True)

    def candidates(self, scratch: Path) -> list[Candidate]:
        """Complete checkpoints, newest first; incomplete ones are passed over with the reason in the log."""
        names = self.file_names()
        ranks_by_moment = manifests_by_moment(n for _, n in names)
        files = {n for _, n in names}
        found = []
        for moment in sorted(ranks_by_moment, reverse=True):
            if self.only is not None and moment != self.only:
                continue
            try:
                found.append(self._candidate(moment, ranks_by_moment[moment], files, scratch))
            except (CheckpointError, obs_sync.ObsSyncError) as error:
                logger.warning("passed over: %s", error)
        unstated = {c.moment for n in files if (c := CheckpointName.parse(n))} - set(ranks_by_moment)
        for moment in sorted(unstated, reverse=True):
            logger.warning("passed over: %s, epoch %d step %d: no manifest", self.url, *moment)
        return found

    def _candidate(self, moment: Moment, ranks: set[int], files: set[str], scratch: Path) -> Candidate:
        first = CheckpointName(min(ranks), *moment)
        manifest = self.read_manifest(first.rank, manifest_name(first))
        missing = sorted(set(range(manifest.rank_size)) - ranks)
        where = f"{self.url}, epoch {moment.epoch} step {moment.step}"
        if missing:
            raise CheckpointError(f"{where}: no manifest of rank {', '.join(map(str, missing))}")
        own = self.rank if str(CheckpointName(self.rank, *moment)) in files else 0
        return Candidate(manifest, where, lambda: self._fetch(CheckpointName(own, *moment), scratch))

    def _fetch(self, name: CheckpointName, scratch: Path) -> Path:
        """Bring a rank's checkpoint to this machine and hold it against its manifest."""
        manifest = self.read_manifest(name.rank, manifest_name(name))
        url = self.url_of(str(name), name.rank)
        local = scratch / f".resume-{name}"
        try:
            obs_sync.copy(url, str(local))
        except obs_sync.ObsSyncError as error:
            raise CheckpointError(f"{url}: cannot be fetched: {error}") from None
        if local.stat().st_size != manifest.size:
            problem = f"{local.stat().st_size} bytes where the manifest says {manifest.size}"
        elif file_sha256(local) != manifest.sha256:
            problem = "its bytes are not those that the manifest states (SHA-256 differs)"
        else:
            return local
        local.unlink()
        raise CheckpointError(f"{url}: damaged: {problem}")

    def _folder(self, rank: int) -> str:
        name = f"ckpt_{rank}"
        return obs_sync.join(self.url, name) if obs_sync.is_url(self.url) else str(Path(self.url) / name)


def sources_of(resume: str, store: CheckpointStore) -> Sequence[CheckpointStore]:
    """Where to look for a checkpoint to go on from: `resume` is auto, never, a train_url or one checkpoint file.

    Raises ConfigError for "never" where checkpoints of an earlier run are in the way.
    """
    if resume == RESUME_AUTO:
        return [store]
    if resume == RESUME_NEVER:
        if any(CheckpointName.parse(n) for _, n in store.file_names()):
            raise ConfigError(
                f"train_url: {store.url} holds checkpoints of an earlier run, which resume=never must not mix with; "
                "name another train_url, or leave resume=auto to go on"
            )
        return []
    name = CheckpointName.parse(resume.rstrip("/").rpartition("/")[2])
    if name is None:
        return [store, CheckpointStore(resume, store.rank, store.rank_size)]
    run = resume.rpartition("/")[0].rpartition("/")[0]
    return [store, CheckpointStore(run, store.rank, store.rank_size, only=name.moment)]
