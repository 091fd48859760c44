"""The manifest beside each published checkpoint, and what a set of manifests implies: which steps are complete, which
are newest, and which may be removed.

A rank's checkpoint counts once its manifest is in the store; a step counts once the manifests of all ranks are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import NamedTuple

from src.errors import CheckpointError
from src.fill import fill
from src.json_text import parse_json_object

FORMAT_VERSION = 1
MANIFEST_ENDING = ".manifest.json"
FILE_NAME = re.compile(r"^openpose-train-rank(?P<rank>\d{1,9})-(?P<epoch>\d{1,18})_(?P<step>\d{1,18})\.ckpt$", re.ASCII)

#: Upper limit of a plausible number of cards; manifests that state more are rejected.
MAX_RANKS = 1 << 16
_MAX_COUNT = 10**18


class Moment(NamedTuple):
    """Epoch and step within it at which a checkpoint was taken, both counted from 1."""

    epoch: int
    step: int


class Order(NamedTuple):
    """The place of a checkpoint among all of a `train_url`; greater is newer.

    A start that goes on from anything but the newest checkpoint of its own `train_url` begins a new generation, so
    everything it publishes is newer than what was there before, whatever the epochs and steps.
    """

    generation: int
    global_step: int


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
        """The name's parts, or None when the file is not a training checkpoint."""
        match = FILE_NAME.match(file_name)
        return cls(int(match["rank"]), int(match["epoch"]), int(match["step"])) if match else None

    @classmethod
    def of_manifest(cls, file_name: str) -> CheckpointName | None:
        """The checkpoint that a manifest's file name belongs to, or None when it is not a manifest."""
        return cls.parse(file_name[: -len(MANIFEST_ENDING)]) if file_name.endswith(MANIFEST_ENDING) else None


@dataclass(frozen=True)
class Manifest:
    """What a rank states about its checkpoint of one step.

    `sha256` is of the file; `weights_sha256` of what all cards of a data-parallel run must share (all parameters but
    the batch statistics). `identity` is everything that decides how training runs (see identity.py). `run_id`,
    `generation` and `resumed_from` (the address of the other run that this generation started from) come from the
    storage; `weights_norm` is the Euclidean norm of all stored values, 0 when not known.
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
    identity: Mapping[str, object]
    versions: Mapping[str, str]
    run_id: str = ""
    generation: int = 0
    resumed_from: str = ""
    weights_norm: float = 0.0
    format: int = FORMAT_VERSION

    @property
    def name(self) -> CheckpointName:
        return CheckpointName(self.rank, self.epoch, self.step)

    @property
    def order(self) -> Order:
        return Order(self.generation, self.global_step)

    def belongs_with(self, other: Manifest) -> bool:
        """Whether both are of the same step of the same run."""
        mine, theirs = ((m.generation, m.global_step, m.name.moment, m.rank_size) for m in (self, other))
        return mine == theirs

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> Manifest:
        """Read a manifest and check every value; CheckpointError naming `source` when anything in it is wrong."""
        try:
            document = parse_json_object(text)
            if document.get("format") != FORMAT_VERSION:
                raise CheckpointError(f"{source}: unknown manifest format {document.get('format')!r}")
            manifest = fill(cls, {f.name: _valid(f.name, document) for f in fields(cls) if _is_given(f, document)})
            _check_together(manifest)
        except ValueError as error:
            raise CheckpointError(f"{source}: not a valid checkpoint manifest ({error})") from None
        return manifest


def _is_given(field: Field[object], document: Mapping[str, object]) -> bool:
    """Whether a field is in the document; ValueError when it must be and is not."""
    if field.name not in document and field.default is MISSING:
        raise ValueError(f"{field.name} is missing")
    return field.name in document


def _whole(low: int, high: int = _MAX_COUNT) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _text(pattern: str = r".*") -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _norm(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


_VALID: Mapping[str, Callable[[object], bool]] = {
    "rank": _whole(0, MAX_RANKS - 1),
    "rank_size": _whole(1, MAX_RANKS),
    "epoch": _whole(1),
    "step": _whole(1),
    "steps_per_epoch": _whole(1),
    "global_step": _whole(1),
    "file": _text(),
    "size": _whole(0),
    "sha256": _text(r"[0-9a-f]+"),
    "weights_sha256": _text(r"[0-9a-f]+"),
    "identity": _mapping,
    "versions": _mapping,
    "run_id": _text(),
    "generation": _whole(0),
    "resumed_from": _text(),
    "weights_norm": _norm,
    "format": _whole(1),
}


def _valid(name: str, document: Mapping[str, object]) -> object:
    if not _VALID[name](document[name]):
        raise ValueError(f"{name} is {str(document[name])[:80]!r}")
    return document[name]


def _check_together(manifest: Manifest) -> None:
    """ValueError when individually valid values contradict each other."""
    if manifest.rank >= manifest.rank_size:
        raise ValueError(f"rank {manifest.rank} of {manifest.rank_size}")
    if manifest.step > manifest.steps_per_epoch:
        raise ValueError(f"step {manifest.step} of {manifest.steps_per_epoch}")
    if manifest.file != str(manifest.name):
        raise ValueError(f"file is {manifest.file[:80]!r}, expected {manifest.name}")


def manifest_name(checkpoint: CheckpointName | str) -> str:
    """The manifest's file name beside a checkpoint's."""
    return f"{checkpoint}{MANIFEST_ENDING}"


def manifests_by_moment(file_names: Iterable[str]) -> dict[Moment, set[int]]:
    """For each moment the ranks whose manifest is among the file names."""
    found: dict[Moment, set[int]] = {}
    for file_name in file_names:
        name = CheckpointName.of_manifest(file_name)
        if name is not None:
            found.setdefault(name.moment, set()).add(name.rank)
    return found


def check_complete(manifests: Mapping[int, Manifest]) -> Manifest:
    """The manifest of the lowest rank, when all ranks' manifests of one step are among these (by rank).

    Raises CheckpointError saying which are missing or belong to another step or run.
    """
    first = manifests[min(manifests)]
    missing = [rank for rank in range(first.rank_size) if rank not in manifests]
    if missing:
        raise CheckpointError(f"no manifest of rank {', '.join(map(str, missing[:8]))}")
    others = [rank for rank in range(first.rank_size) if not manifests[rank].belongs_with(first)]
    if others:
        raise CheckpointError(f"the manifest of rank {', '.join(map(str, others[:8]))} is of another start of the run")
    return first


def retired(own: Mapping[str, Order], complete: Collection[Order], keep: int) -> list[str]:
    """Own files to delete: checkpoints (with manifests) older than the `keep` newest complete ones, oldest first.

    `own` maps checkpoint file names to their order. With fewer complete checkpoints nothing is deleted. A manifest
    precedes its checkpoint, so that none is ever without one.
    """
    if keep < 1 or len(complete) < keep:
        return []
    oldest_kept = sorted(complete, reverse=True)[keep - 1]
    old = sorted((order, name) for name, order in own.items() if order < oldest_kept)
    return [file for _, name in old for file in (manifest_name(name), name)]


def divergence(manifests: Collection[Manifest]) -> str:
    """Message naming the ranks whose weights differ although they must agree; empty when all agree."""
    by_digest: dict[str, list[int]] = {}
    for manifest in manifests:
        by_digest.setdefault(manifest.weights_sha256, []).append(manifest.rank)
    if len(by_digest) <= 1:
        return ""
    groups = " / ".join("ranks " + ", ".join(map(str, sorted(ranks))) for ranks in by_digest.values())
    first = next(iter(manifests))
    return f"the run has diverged: at epoch {first.epoch}, step {first.step} the weights differ between {groups}"
