"""After each published checkpoint: checks that all ranks have the same weights, and removes old checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from modelarts.runtime.checkpoints.store import CheckpointStore, RankFile
from modelarts.runtime.storage import Stamp
from src.errors import CheckpointError
from src.train.checkpoints.manifest import CheckpointName, Manifest, Moment, Order, divergence, manifest_name, retired

logger = logging.getLogger(__name__)

AT_LEAST_KEPT = 2
#: Growth of the norm of all weights between two checkpoints that is a sign of divergence.
EXPLODED = 10.0


class Retention:
    """Keeps the newest `keep` complete checkpoints (0: all; never fewer than two) of a store, for one rank.

    Also keeps the one that best.json names, and files whose manifest cannot be read. A rank removes its own
    files, and those of ranks that the run no longer has: rank r of n takes r + n, r + 2n, ….
    """

    def __init__(self, store: CheckpointStore, keep: int) -> None:
        self._store = store
        self._keep = max(keep, AT_LEAST_KEPT) if keep else 0
        self._saved: set[str] = set()
        self._norm = 0.0

    def saved(self, file_name: str) -> None:
        """Record a checkpoint that this start has written; it may reach the store before its manifest."""
        self._saved.add(file_name)

    def after_publishing(self, name: CheckpointName) -> None:
        """Compare the ranks at this step, then remove what is old; raises what the store raises."""
        listing = self._store.listing()
        self._compare_ranks(name, listing)
        if not self._keep:
            return
        best = self._store.best(listing)
        own = {one: order for one, order in self._own(listing).items() if _moment(one) != best or best is None}
        complete = [first.order for first, _ in self._newest_complete(listing)]
        for rank in {rank for rank, _ in own}:
            files = {file: order for (of, file), order in own.items() if of == rank}
            for old in retired(files, complete, self._keep):
                if (rank, old) in listing:
                    self._store.remove(old, rank)
                    if CheckpointName.parse(old) is not None:  # its manifest goes with it
                        logger.info("removed %s: keeping the newest %d", self._store.url_of(old, rank), self._keep)

    def _newest_complete(self, listing: Mapping[RankFile, Stamp]) -> list[tuple[Manifest, Mapping[int, Manifest]]]:
        found = []
        for one in self._store.complete(listing):
            found.append(one)
            if len(found) == self._keep:
                break
        return found

    def _own(self, listing: Mapping[RankFile, Stamp]) -> dict[RankFile, Order]:
        """Order of each checkpoint that this rank may remove; abandoned ones without a manifest come first."""
        mine = [(rank, file) for rank, file in listing if self._is_mine(rank)]
        stated = [(rank, file) for rank, file in mine if CheckpointName.of_manifest(file)]
        found: dict[RankFile, Order] = {}
        for (rank, file), manifest in self._store.manifests(listing, stated).items():
            if isinstance(manifest, Manifest):
                found[rank, str(CheckpointName.of_manifest(file))] = manifest.order
        for rank, file in mine:
            is_abandoned = CheckpointName.parse(file) is not None and (rank, manifest_name(file)) not in listing
            if is_abandoned and file not in self._saved:
                found[rank, file] = Order(-1, 0)
        return found

    def _is_mine(self, rank: int) -> bool:
        return rank == self._store.rank or (
            rank >= self._store.rank_size and rank % self._store.rank_size == self._store.rank
        )

    def _compare_ranks(self, name: CheckpointName, listing: Mapping[RankFile, Stamp]) -> None:
        """Log an error if the ranks' weights differ; done by the rank whose manifest completes the step."""
        ranks = range(self._store.rank_size)
        wanted = [(rank, manifest_name(name._replace(rank=rank))) for rank in ranks]
        if any(one not in listing for one in wanted):
            return
        found = self._store.manifests(listing, wanted)
        errors = [one for one in found.values() if isinstance(one, CheckpointError)]
        manifests = [one for one in found.values() if isinstance(one, Manifest)]
        own = next((m for m in manifests if m.rank == self._store.rank), None)
        if own is not None:
            self._watch_norm(own)
        if errors:
            logger.error("%s", errors[0])
        elif all(m.belongs_with(manifests[0]) for m in manifests) and (wrong := divergence(manifests)):
            logger.error("%s", wrong)

    def _watch_norm(self, manifest: Manifest) -> None:
        before, self._norm = self._norm, manifest.weights_norm
        if before and self._norm > EXPLODED * before:
            logger.warning(
                "the norm of the weights rose from %.3g to %.3g by epoch %d, step %d: training may diverge; lower lr",
                *(before, self._norm, manifest.epoch, manifest.step),
            )


def _moment(one: RankFile) -> Moment | None:
    name = CheckpointName.parse(one[1])
    return name.moment if name is not None else None
