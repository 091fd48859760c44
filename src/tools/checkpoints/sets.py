"""Finds the checkpoints that belong together: one of every rank, saved at the same step of the same run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fsspec import AbstractFileSystem

from src.errors import CheckpointError
from src.train.checkpoints.manifest import MANIFEST_ENDING, CheckpointName, Moment

RANK_FOLDER = re.compile(r"^ckpt_\d+$")
PLACEHOLDER = "{}"


@dataclass(frozen=True)
class CheckpointSet:
    """Checkpoints of one step by rank; `name` is their file name without the rank."""

    name: str
    files: dict[int, str] = field(default_factory=dict)


def list_checkpoints(filesystem: AbstractFileSystem, root: str) -> list[str]:
    """Paths of the checkpoints and their manifests in a folder and in its folders `ckpt_<rank>`."""
    if not filesystem.isdir(root):
        raise CheckpointError(f"{root}: no such folder of checkpoints")
    found = []
    for entry in filesystem.ls(root, detail=True):
        if entry["type"] != "directory":
            found.append(entry["name"])
        elif RANK_FOLDER.match(_base(entry["name"])):
            found += [below["name"] for below in filesystem.ls(entry["name"], detail=True) if below["type"] == "file"]
    return sorted(path for path in found if path.endswith((".ckpt", MANIFEST_ENDING)))


def set_by_template(paths: list[str], template: str, rank_size: int | None) -> CheckpointSet:
    """The set that a file name with `{}` in the rank's place describes.

    Raises CheckpointError naming the ranks that are missing, or that are there beyond `rank_size`. Without `rank_size`
    the highest rank found is taken for the last.
    """
    if template.count(PLACEHOLDER) != 1:
        raise CheckpointError(
            f"checkpoint_filename_template: '{template}' must hold {PLACEHOLDER} once, where the rank stands"
        )
    before, after = template.split(PLACEHOLDER)
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    files: dict[int, str] = {}
    for path in paths:
        match = pattern.fullmatch(_base(path))
        if match:
            _add(files, int(match[1]), path)
    if not files:
        raise CheckpointError(f"{template}: no such checkpoint of any rank; there are {_some(paths)}")
    problem = rank_problem(files, rank_size)
    if problem:
        raise CheckpointError(f"{template}: {problem}")
    return CheckpointSet(before + after, dict(sorted(files.items())))


def complete_sets(paths: list[str], rank_size: int | None) -> list[CheckpointSet]:
    """The training checkpoints' sets that have every rank, newest step first.

    Where manifests are published, a rank counts once its manifest is there. Without `rank_size` the highest rank in any
    file is taken for the last. Raises CheckpointError when no step is complete, saying what the newest one lacks.
    """
    steps: dict[Moment, dict[int, str]] = {}
    for path in paths:
        name = CheckpointName.parse(_base(path))
        if name:
            _add(steps.setdefault(name.moment, {}), name.rank, path)
    if not steps:
        raise CheckpointError(
            f"no training checkpoints openpose-train-rank<rank>-<epoch>_<step>.ckpt there, only {_some(paths)}"
        )
    size = rank_size or 1 + max(rank for files in steps.values() for rank in files)
    stated = {path[: -len(MANIFEST_ENDING)] for path in paths if path.endswith(MANIFEST_ENDING)}
    newest_first = sorted(steps, reverse=True)
    sets = []
    for moment in newest_first:
        files = steps[moment]
        has_all = not stated.intersection(files.values()) or stated.issuperset(files.values())
        if has_all and not rank_problem(files, size):
            sets.append(
                CheckpointSet(f"openpose-train-rank-{moment.epoch}_{moment.step}.ckpt", dict(sorted(files.items())))
            )
    if not sets:
        newest = newest_first[0]
        problem = rank_problem(steps[newest], size) or "a rank has not stated by a manifest that it is whole"
        raise CheckpointError(f"no step is complete; the newest, {newest.epoch}_{newest.step}: {problem}")
    return sets


def rank_problem(files: Mapping[int, str], rank_size: int | None) -> str:
    """What is wrong with the ranks of a set; empty when it is complete."""
    size = rank_size or 1 + max(files)
    missing = sorted(set(range(size)) - set(files))
    extra = sorted(set(files) - set(range(size)))
    problems = []
    if missing:
        problems.append(f"rank {_numbers(missing)} of {size} missing")
    if extra:
        problems.append(f"rank {_numbers(extra)} there although rank_size is {size}")
    return ", ".join(problems)


def _add(files: dict[int, str], rank: int, path: str) -> None:
    if rank in files:
        raise CheckpointError(f"rank {rank} is there twice: {files[rank]} and {path}; remove one of them")
    files[rank] = path


def _base(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _numbers(ranks: list[int]) -> str:
    return ", ".join(map(str, ranks))


def _some(paths: list[str], shown: int = 4) -> str:
    if not paths:
        return "no .ckpt files"
    more = f", … {len(paths) - shown} more" if len(paths) > shown else ""
    return ", ".join(_base(path) for path in paths[:shown]) + more
