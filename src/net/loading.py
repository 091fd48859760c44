"""Loading a checkpoint as a network; its metadata says which one, unless the caller does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from src.net.build import PictureNet, build_network
from src.net.formats import INPUT_FORMATS
from src.net.weights import LoadReport, load_all_weights, read_checkpoint

#: What a checkpoint without such metadata (of another program, or of the first versions) is taken for.
USUAL_NETWORK, USUAL_STAGES = "vgg19", 6
_STAGES_MAX = 6


class LoadedNetwork(NamedTuple):
    """A network with a checkpoint's weights, its name and stages, and what was loaded."""

    cell: PictureNet
    name: str
    stages: int
    report: LoadReport


def load_network(checkpoint: Path, network: str | None = None, stages: int | None = None) -> LoadedNetwork:
    """The network of a checkpoint with all its weights.

    `network` and `stages` are the expected ones; None takes what the checkpoint states.
    Raises CheckpointError when the file is missing, damaged, or made for a network other than the expected one.
    """
    read = read_checkpoint(checkpoint)
    name, count = network_of(read[1], network, stages)
    cell = build_network(name, count)
    return LoadedNetwork(cell, name, count, load_all_weights(cell, checkpoint, name, count, read))


def network_of(meta: Mapping[str, object], network: str | None = None, stages: int | None = None) -> tuple[str, int]:
    """Name and stages: as given, else as in the checkpoint's metadata, else the defaults."""
    own_name, own_stages = meta.get("network"), meta.get("stages")
    known_name = own_name if isinstance(own_name, str) and own_name in INPUT_FORMATS else None
    count = own_stages if isinstance(own_stages, int) and not isinstance(own_stages, bool) else 0
    known_stages = count if 1 <= count <= _STAGES_MAX else None
    return network or known_name or USUAL_NETWORK, stages or known_stages or USUAL_STAGES
