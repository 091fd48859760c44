"""Which checkpoints a folder of published files holds."""

from __future__ import annotations

from collections.abc import Iterable

from src.train.checkpoints.manifest import Moment, manifests_by_moment


def complete_moments(file_names: Iterable[str], rank_size: int) -> list[Moment]:
    """The moments for which all ranks' manifests are there, latest first."""
    wanted = set(range(rank_size))
    return sorted((m for m, ranks in manifests_by_moment(file_names).items() if wanted <= ranks), reverse=True)
