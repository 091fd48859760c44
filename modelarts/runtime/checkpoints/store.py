"""The checkpoints below a `train_url`: listing, manifests, order, and verified download."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import obs_sync
from modelarts.runtime.storage import Stamp, absolute, list_with_stamps, read_bytes, remove
from src.errors import CheckpointError, ConfigError
from src.files import file_sha256
from src.train.checkpoints.manifest import (
    CheckpointName,
    Manifest,
    Moment,
    Order,
    check_complete,
    manifest_name,
    manifests_by_moment,
)
from src.train.checkpoints.storage import Candidate
from src.train.validation.best import BEST_FILE, best_name

logger = logging.getLogger(__name__)

RESUME_AUTO, RESUME_NEVER = "auto", "never"
READERS = 16

#: Rank and file name of a file in a rank's folder.
RankFile = tuple[int, str]


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one `train_url` as one rank sees them: `<url>/ckpt_<rank>/…`.

    `only` restricts it to the checkpoints of one moment. Manifests are read once, and again only when a listing shows
    that they were rewritten, so that the work at each checkpoint does not grow with their number.
    """

    url: str
    rank: int
    rank_size: int
    only: Moment | None = None
    _read: dict[RankFile, tuple[Stamp, Manifest | CheckpointError]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def address(self) -> str:
        """The name of this store in manifests: the `train_url`, or the one checkpoint in it."""
        return absolute(self.url) + (f", epoch {self.only.epoch} step {self.only.step}" if self.only else "")

    @property
    def folder(self) -> str:
        return self.folder_of(self.rank)

    def folder_of(self, rank: int) -> str:
        """The folder of a rank's files."""
        return obs_sync.join(self.url, f"ckpt_{rank}")

    def url_of(self, file_name: str, rank: int | None = None) -> str:
        """Full address of a file in a rank's folder (this rank's by default)."""
        return obs_sync.join(self.folder_of(self.rank if rank is None else rank), file_name)

    def listing(self) -> Mapping[RankFile, Stamp]:
        """All files in all ranks' folders, from one listing."""
        found: dict[RankFile, Stamp] = {}
        for relative, stamp in list_with_stamps(self.url).items():
            folder, _, file_name = relative.rpartition("/")
            rank = folder.removeprefix("ckpt_")
            if rank != folder and rank.isascii() and rank.isdigit() and len(rank) < 10 and str(int(rank)) == rank:
                found[int(rank), file_name] = stamp
        return found

    def read_manifest(self, rank: int, file_name: str) -> Manifest:
        """A rank's manifest; CheckpointError when it cannot be read or is not valid."""
        url = self.url_of(file_name, rank)
        try:
            manifest = Manifest.from_json(read_bytes(url), url)
        except (obs_sync.ObsSyncError, OSError) as error:
            raise CheckpointError(f"{url}: cannot be read: {error}") from None
        if manifest_name(manifest.name) != file_name:
            raise CheckpointError(f"{url}: holds the manifest of {manifest.name}")
        return manifest

    def manifests(
        self, listing: Mapping[RankFile, Stamp], wanted: list[RankFile]
    ) -> dict[RankFile, Manifest | CheckpointError]:
        """The wanted manifests, or why they cannot be used; unchanged ones are not read again."""
        due = [one for one in wanted if one not in self._read or self._read[one][0] != listing.get(one)]
        with ThreadPoolExecutor(READERS) as pool:
            for one, found in zip(due, pool.map(self._try_to_read, due)):
                self._read[one] = listing.get(one, ()), found
        return {one: self._read[one][1] for one in wanted}

    def complete(
        self, listing: Mapping[RankFile, Stamp], report: Callable[[str], None] = lambda _reason: None
    ) -> Iterator[tuple[Manifest, Mapping[int, Manifest]]]:
        """Complete checkpoints, newest first: the lowest rank's manifest, and all by rank.

        `report` is called with the reason for each skipped one. Older manifests are read on demand.
        """
        for first, ranks in self._by_order(listing, report):
            try:
                found = self._all_manifests(first, ranks, listing)
                yield check_complete(found), found
            except CheckpointError as error:
                report(f"{self.where(first.name.moment)}: {error}")

    def candidates(self, scratch: Path) -> list[Candidate]:
        """Complete checkpoints to resume from, newest first; incomplete ones are logged."""
        listing = self.listing()
        stated = {name.moment for _, n in listing if (name := CheckpointName.of_manifest(n))}
        unstated = {name.moment for _, n in listing if (name := CheckpointName.parse(n))} - stated
        for moment in sorted(unstated, reverse=True):
            _log_skipped(f"{self.where(moment)}: no manifest")
        return [self._candidate(manifest, listing, scratch) for manifest, _ in self.complete(listing, _log_skipped)]

    def newest_generation(self) -> int:
        """The highest generation among all valid manifests of this `train_url`; 0 for none."""
        listing = self.listing()
        found = self.manifests(listing, [one for one in listing if CheckpointName.of_manifest(one[1])])
        return max((each.generation for each in found.values() if isinstance(each, Manifest)), default=0)

    def best(self, listing: Mapping[RankFile, Stamp]) -> Moment | None:
        """The moment of the checkpoint that best.json names; None without one, or with a broken one."""
        if (0, BEST_FILE) not in listing:
            return None
        url = self.url_of(BEST_FILE, 0)
        try:
            name = CheckpointName.parse(best_name(read_bytes(url), url))
        except CheckpointError as error:
            logger.warning("%s", error)
            return None
        return name.moment if name is not None else None

    def remove(self, file_name: str, rank: int | None = None) -> None:
        """Delete a file in a rank's folder (this rank's by default)."""
        remove(self.url_of(file_name, rank))

    def where(self, moment: Moment) -> str:
        """The name of a moment's checkpoint in log lines."""
        return f"{self.url}, epoch {moment.epoch} step {moment.step}"

    def _by_order(
        self, listing: Mapping[RankFile, Stamp], report: Callable[[str], None]
    ) -> list[tuple[Manifest, set[int]]]:
        """The lowest rank's manifest of each moment, newest first, with the ranks that have one for it."""
        ranks_by_moment = {
            moment: ranks
            for moment, ranks in manifests_by_moment(n for _, n in listing).items()
            if self.only is None or moment == self.only
        }
        first = {m: (min(ranks), manifest_name(CheckpointName(min(ranks), *m))) for m, ranks in ranks_by_moment.items()}
        read = self.manifests(listing, [one for one in first.values() if one in listing])
        usable: list[tuple[Order, Moment, Manifest]] = []
        for moment, one in first.items():
            found = read.get(one)
            if isinstance(found, Manifest):
                usable.append((found.order, moment, found))
            elif found is not None:
                report(str(found))
        usable.sort(key=lambda each: each[:2], reverse=True)
        return [(manifest, ranks_by_moment[moment]) for _, moment, manifest in usable]

    def _all_manifests(
        self, first: Manifest, ranks: set[int], listing: Mapping[RankFile, Stamp]
    ) -> dict[int, Manifest]:
        """The existing manifests of all ranks at a step; CheckpointError when one of them is invalid."""
        wanted = [
            (rank, manifest_name(CheckpointName(rank, *first.name.moment))) for rank in ranks if rank < first.rank_size
        ]
        found = {}
        for (rank, _), manifest in self.manifests(listing, [one for one in wanted if one in listing]).items():
            if isinstance(manifest, CheckpointError):
                raise manifest
            found[rank] = manifest
        return found

    def _try_to_read(self, one: RankFile) -> Manifest | CheckpointError:
        try:
            return self.read_manifest(*one)
        except CheckpointError as error:
            return error

    def _candidate(self, manifest: Manifest, listing: Mapping[RankFile, Stamp], scratch: Path) -> Candidate:
        moment = manifest.name.moment
        own = self.rank if (self.rank, str(CheckpointName(self.rank, *moment))) in listing else 0
        return Candidate(
            manifest, self.where(moment), self.url, lambda: self._fetch(CheckpointName(own, *moment), scratch)
        )

    def _fetch(self, name: CheckpointName, scratch: Path) -> Path:
        """Copy a rank's checkpoint to this machine and verify it against its manifest."""
        manifest = self.read_manifest(name.rank, manifest_name(name))
        url = self.url_of(str(name), name.rank)
        local = scratch / f".resume-{name}"
        try:
            obs_sync.copy(url, str(local))
        except obs_sync.ObsSyncError as error:
            raise CheckpointError(f"{url}: cannot be fetched: {error}") from None
        if local.stat().st_size != manifest.size:
            problem = f"{local.stat().st_size} bytes instead of the {manifest.size} in its manifest"
        elif file_sha256(local) != manifest.sha256:
            problem = "its content does not match its manifest (SHA-256 differs)"
        else:
            return local
        local.unlink()
        raise CheckpointError(f"{url}: damaged: {problem}")


def _log_skipped(reason: str) -> None:
    logger.warning("skipping checkpoint: %s", reason)


def resume_source(resume: str, store: CheckpointStore) -> CheckpointStore | None:
    """The other run or checkpoint that `resume` (auto, never, a train_url or one checkpoint file) names; else None.

    Raises ConfigError for "never" where checkpoints of an earlier run are present.
    """
    if resume == RESUME_AUTO:
        return None
    if resume == RESUME_NEVER:
        if any(CheckpointName.parse(n) for _, n in store.listing()):
            raise ConfigError(
                f"train_url: {store.url} holds checkpoints of an earlier run, and resume=never does not mix runs; "
                "use another train_url, or resume=auto to continue that run"
            )
        return None
    name = CheckpointName.parse(resume.rstrip("/").rpartition("/")[2])
    if name is not None:
        run = resume.rstrip("/").rpartition("/")[0].rpartition("/")[0]
        return CheckpointStore(run, store.rank, store.rank_size, only=name.moment)
    if absolute(resume) == absolute(store.url):
        return None
    return CheckpointStore(resume, store.rank, store.rank_size)
