"""The manifest beside each published checkpoint, and what a set of manifests says: which steps are whole, which can go.

A rank's checkpoint counts once its manifest is in the store; a step counts once the manifests of all ranks are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from src.errors import CheckpointError

FORMAT_VERSION = 1
MANIFEST_ENDING = ".manifest.json"
FILE_NAME = re.compile(r"^openpose-train-rank(?P<rank>\d+)-(?P<epoch>\d+)_(?P<step>\d+)\.ckpt$")


class Moment(NamedTuple):
    """When a checkpoint was taken: epoch and step in it, both from 1. Moments compare as they follow each other."""

    epoch: int
    step: int


class CheckpointName(NamedTuple):
    """Rank, epoch (from 1) and step within the epoch (from 1) of a checkpoint file."""

    rank: int
    epoch: int
    step: int

    def __str__(self) -> str:
        return f"openpose-train-rank{self.rank}-{self.epoch}_{self.step}.ckpt"

    @property
    def moment(self) -> Moment:
        return Moment(self.epoch, self.step)

    @classmethod
    def parse(cls, file_name: str) -> CheckpointName | None:
        """The name's parts, or None when the file is no training checkpoint."""
        match = FILE_NAME.match(file_name)
        return cls(int(match["rank"]), int(match["epoch"]), int(match["step"])) if match else None


@dataclass(frozen=True)
class Manifest:
    """What a rank states about its checkpoint of one step.

    `sha256` is of the file, `weights_sha256` of what all cards of a data-parallel run must share (all parameters but
    the batch statistics). `identity` is everything that decides how training runs (see identity.py).
    """

    rank: int
    rank_size: int
    epoch: int
    step: int
    steps_per_epoch: int
    global_step: int
    file: str
    size: int
    sha256: str
    weights_sha256: str
    identity: Mapping[str, Any]
    versions: Mapping[str, str]
    format: int = FORMAT_VERSION

    @property
    def name(self) -> CheckpointName:
        return CheckpointName(self.rank, self.epoch, self.step)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> Manifest:
        """Read a manifest; CheckpointError naming `source` when it is not one."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT_VERSION:
                raise CheckpointError(f"{source}: manifest format {document['format']} is not known here")
            return cls(**{field.name: document[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{source}: not a checkpoint manifest ({error})") from None


def manifest_name(checkpoint: CheckpointName | str) -> str:
    """The manifest's file name beside a checkpoint's."""
    return f"{checkpoint}{MANIFEST_ENDING}"


def manifests_by_moment(file_names: Iterable[str]) -> dict[Moment, set[int]]:
    """For each moment the ranks whose manifest is among the file names."""
    found: dict[Moment, set[int]] = {}
    for file_name in file_names:
        if file_name.endswith(MANIFEST_ENDING):
            name = CheckpointName.parse(file_name[: -len(MANIFEST_ENDING)])
            if name is not None:
                found.setdefault(name.moment, set()).add(name.rank)
    return found


def complete_moments(file_names: Iterable[str], rank_size: int) -> list[Moment]:
    """The moments for which all ranks' manifests are there, newest first."""
    wanted = set(range(rank_size))
    return sorted((m for m, ranks in manifests_by_moment(file_names).items() if wanted <= ranks), reverse=True)


def retired(own_names: Collection[str], all_names: Iterable[str], rank_size: int, keep: int) -> list[str]:
    """Own files (checkpoints and manifests) to delete: those older than the `keep` newest complete moments.

    With fewer complete moments nothing goes. A manifest comes before its checkpoint, so that none is ever without one.
    """
    complete = complete_moments(all_names, rank_size)
    if keep < 1 or len(complete) < keep:
        return []
    oldest_kept = complete[keep - 1]
    gone = []
    for file_name in own_names:
        name = CheckpointName.parse(file_name.removesuffix(MANIFEST_ENDING))
        if name is not None and name.moment < oldest_kept:
            gone.append((name, not file_name.endswith(MANIFEST_ENDING), file_name))
    return [file_name for _, _, file_name in sorted(gone)]


def divergence(manifests: Collection[Manifest]) -> str:
    """What is wrong when ranks that must hold the same weights do not; empty when all is well."""
    by_digest: dict[str, list[int]] = {}
    for manifest in manifests:
        by_digest.setdefault(manifest.weights_sha256, []).append(manifest.rank)
    if len(by_digest) <= 1:
        return ""
    groups = " / ".join("ranks " + ", ".join(map(str, sorted(ranks))) for ranks in by_digest.values())
    first = next(iter(manifests))
    return f"the run has diverged: at epoch {first.epoch}, step {first.step} the weights differ between {groups}"
