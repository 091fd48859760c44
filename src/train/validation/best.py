"""best.json: which checkpoint of a run had the best validation; `best` stands for its file name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from src.errors import CheckpointError
from src.files import write_atomically
from src.json_text import parse_json_object
from src.train.checkpoints.manifest import CheckpointName
from src.train.validation.result import Validation

BEST = "best"
BEST_FILE = "best.json"


def best_document(name: str, validated_on: str, epoch: int, step: int, found: Validation) -> dict[str, object]:
    """The content of best.json: the checkpoint's file name, its moment, its validation and on which pictures."""
    return {"checkpoint": name, "epoch": epoch, "step": step, "validated_on": validated_on, **found.record()}


def write_best(folder: Path, document: Mapping[str, object]) -> Path:
    """Write best.json into a folder; returns the file."""
    path = folder / BEST_FILE
    write_atomically(path, json.dumps(document, indent=2) + "\n")
    return path


def best_name(content: bytes, source: str) -> str:
    """The file name that best.json states; CheckpointError naming `source` where it states none of a checkpoint."""
    try:
        name = CheckpointName.parse(str(parse_json_object(content).get("checkpoint", "")))
        if name is None:
            raise ValueError("no checkpoint's file name")
    except ValueError as error:
        raise CheckpointError(f"{source}: does not name the best checkpoint ({error}); name a file instead") from None
    return str(name)
