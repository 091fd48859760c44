"""What the options of `python -m modelarts` select: a job with its changes, OBS, the platform, running jobs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import obs_sync
from modelarts.cloud.client import RUNNING_PHASES, Cloud
from modelarts.cloud.profile import read_profile
from modelarts.cloud.request import outputs_of
from modelarts.dryrun.container import Storage
from modelarts.dryrun.state import dry_runs
from modelarts.jobs.definition import Changes, JobSpec
from modelarts.jobs.loading import declared_workspaces, load_job
from src.errors import ConfigError


def job_of(options: argparse.Namespace) -> JobSpec:
    """The declared job with the changes of the command line."""
    return load_job(options.job, changes_of(options))


def changes_of(options: argparse.Namespace) -> Changes:
    """The changes that the command line makes to a definition."""
    return Changes(
        values_of(options),
        name=getattr(options, "name", ""),
        bucket=options.bucket,
        prefix=options.prefix,
        pass_as=getattr(options, "pass_as", ""),
        cards=getattr(options, "cards", 0),
        flavour=getattr(options, "flavour", ""),
        pool=getattr(options, "pool", ""),
        nodes=getattr(options, "nodes", 0),
        workspace=getattr(options, "workspace", ""),
    )


def values_of(options: argparse.Namespace) -> dict[str, str]:
    """`--set a=1 b=2 --set c=3` as a mapping."""
    found = {}
    for pair in (pair for group in getattr(options, "set", None) or () for pair in group):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {pair}: write it as key=value")
        found[name.strip().lstrip("-")] = value
    return found


def storage_of(options: argparse.Namespace) -> Storage:
    """The storage with `auto` resolved and an absolute local folder, so that the container uses the same one."""
    store = filesystem_of(options).storage_mode
    return Storage(store, str(Path(options.obs_local_root).resolve()))


def filesystem_of(options: argparse.Namespace) -> obs_sync.ObsFileSystem:
    """OBS, or the folder that stands in for it."""
    return obs_sync.ObsFileSystem(storage_mode=options.storage_mode, obs_local_root=str(options.obs_local_root))


def cloud_of(options: argparse.Namespace, before: str = "", own: str = "") -> Cloud:
    """The platform. `before` says why it is needed, for the error when access is not set up.

    Jobs are looked up in the workspace of --workspace, else in those of the declared jobs and in `own`.
    """
    workspaces = (options.workspace,) if options.workspace else (*declared_workspaces(), own)
    try:
        return Cloud(lambda: read_profile(os.environ, options.profile), workspaces=workspaces)
    except ConfigError as error:
        raise ConfigError(f"{before}; cannot query the platform: {error}" if before else str(error)) from None


def cloud_for(job: JobSpec, options: argparse.Namespace) -> Cloud:
    """The platform, for a declared job."""
    return cloud_of(options, own=job.placement.workspace)


def cloud_of_id(options: argparse.Namespace) -> Cloud:
    """The platform, for an id that no dry run has."""
    return cloud_of(options, f"{options.id}: no dry run in {options.work} has this id")


def outputs_of_running(options: argparse.Namespace, cloud: Cloud | None) -> dict[str, list[str]]:
    """The outputs of running jobs, on this machine and on the platform, by id."""
    running = outputs_here(options)
    for one in cloud.jobs(200, RUNNING_PHASES) if cloud is not None else ():
        running[one["metadata"]["id"]] = outputs_of(one)
    return running


def notes_on_stand_in(options: argparse.Namespace) -> tuple[str, ...]:
    """Notes that a folder stands in for OBS, unless the user chose it."""
    if options.storage_mode == "auto" and filesystem_of(options).storage_mode == "local":
        where = "the folder {} stands in for OBS here; --storage_mode obs uses the real one (docs/console.md, step 8)"
        return (where.format(options.obs_local_root),)
    return ()


def has_bucket(filesystem: obs_sync.ObsFileSystem, job: JobSpec) -> bool:
    """Whether the job's bucket exists; always True for a real store, which reports a missing bucket itself."""
    if filesystem.storage_mode != "local":
        return True
    return obs_sync.exists("obs://" + job.code_dir.split("/")[2], filesystem=filesystem)


def outputs_here(options: argparse.Namespace) -> dict[str, list[str]]:
    """The outputs of running dry runs, by id."""
    return {state.id: list(state.outputs) for state in dry_runs(options.work) if state.is_running}
