"""The files of this checkout that are a job's code: uploaded, copied into a dry-run, held against the limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import obs_sync
from modelarts.jobs.definition import JobSpec
from src.errors import ConfigError

SIZE_LIMIT = 5 << 30
COUNT_LIMIT = 1000
DEPTH_LIMIT = 32
#: What tools and dry-runs leave in a checkout; hidden files and folders (.git, .venv) are not code either.
_LITTER, _LITTER_AT_THE_TOP = {"__pycache__", "kernel_meta"}, {"obs_root", "work", "venv"}


def code_files(job: JobSpec) -> dict[str, int]:
    """Size in bytes of each file of the code by its name below the code dir; ConfigError for one that is not there."""
    found: dict[str, int] = {}
    for name in job.code_files:
        path = job.code_folder / name
        if not path.exists():
            raise ConfigError(f"code: {path}: no such file or folder")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(job.code_folder)
            if file.is_file() and _is_code(relative):
                found[relative.as_posix()] = file.stat().st_size
    return found


def _is_code(name: Path) -> bool:
    left_there = any(part in _LITTER or part.startswith(".") for part in name.parts)
    left_there = left_there or name.parts[0] in _LITTER_AT_THE_TOP
    return not left_there and name.suffix not in (".pyc", ".pyo")


def limits_exceeded(files: Mapping[str, int], where: str) -> list[str]:
    """One line for each limit of the platform that the files of a code dir exceed."""
    folders = {"/".join(parts[:depth]) for parts in _parts(files) for depth in range(1, len(parts))}
    size, count = sum(files.values()), len(files) + len(folders)
    depth = max((len(parts) for parts in _parts(files)), default=0)
    problems = []
    if size > SIZE_LIMIT:
        problems.append(f"code dir {where}: {size / (1 << 30):.1f} GB, the platform allows {SIZE_LIMIT >> 30}")
    if count > COUNT_LIMIT:
        problems.append(f"code dir {where}: {count:,} files and folders, the platform allows {COUNT_LIMIT:,}")
    if depth > DEPTH_LIMIT:
        problems.append(f"code dir {where}: {depth} levels deep, the platform allows {DEPTH_LIMIT}")
    return problems


def _parts(files: Mapping[str, int]) -> list[list[str]]:
    return [name.split("/") for name in files]


def upload_code(job: JobSpec, filesystem: obs_sync.ObsFileSystem, dry_run: bool = False) -> obs_sync.TransferResult:
    """Copy the code to its folder in OBS; what is there already with the same content is skipped."""
    return obs_sync.copy(
        str(job.code_folder) + "/", job.code_dir, filesystem=filesystem, names=sorted(code_files(job)), dry_run=dry_run
    )
