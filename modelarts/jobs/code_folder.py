"""The files of this checkout that make up a job's code: listing, limits and upload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import obs_sync
from modelarts.jobs.definition import JobSpec
from src.errors import ConfigError

SIZE_LIMIT = 5 << 30
COUNT_LIMIT = 1000
DEPTH_LIMIT = 32
#: Files that tools and dry runs create in a checkout; hidden files and folders (.git, .venv) are not code either.
_GENERATED, _GENERATED_AT_TOP = {"__pycache__", "kernel_meta"}, {"obs_root", "work", "venv"}


def code_files(job: JobSpec) -> dict[str, int]:
    """Size in bytes of each code file by its name below the code dir; ConfigError if one is missing."""
    found: dict[str, int] = {}
    for name in job.code_files:
        path = job.code_folder / name
        if not path.exists():
            raise ConfigError(f"code: {path}: no such file or folder; correct code in the job's YAML file")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(job.code_folder)
            if file.is_file() and _is_code(relative):
                found[relative.as_posix()] = file.stat().st_size
    return found


def _is_code(name: Path) -> bool:
    is_generated = any(part in _GENERATED or part.startswith(".") for part in name.parts)
    is_generated = is_generated or name.parts[0] in _GENERATED_AT_TOP
    return not is_generated and name.suffix not in (".pyc", ".pyo")


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
    """Copy the code to its folder in OBS; files that are already there with the same content are skipped."""
    return obs_sync.copy(
        str(job.code_folder) + "/", job.code_dir, filesystem=filesystem, names=sorted(code_files(job)), dry_run=dry_run
    )
