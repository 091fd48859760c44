"""The ranks of a data-parallel job on this machine, as msrun would start them, without the job around them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelarts.dryrun.launcher import Start, rendezvous_variables, run_together, scheduler_variables, worker_variables


def launch_ranks(
    command: Sequence[str],
    ranks: int,
    env: Mapping[str, str],
    log_dir: str | Path,
    timeout_s: float,
    grace_s: float = 5.0,
) -> int:
    """Run a command as `ranks` data-parallel processes on this machine; returns the first bad exit code, else 0.

    `env` is added to this process's environment. Output goes to `log_dir`/worker_<rank>.log and scheduler.log. When a
    rank fails the others get SIGTERM and, `grace_s` later, SIGKILL; after `timeout_s` all do, and the code is 124.
    """
    base = {**os.environ, **env}
    folder = Path(log_dir)
    starts = [
        Start(
            "scheduler" if rank is None else f"rank {rank}",
            command,
            {**base, **variables},
            folder / ("scheduler.log" if rank is None else f"worker_{rank}.log"),
            awaited=rank is not None,
        )
        for rank, variables in cluster_variables(ranks)
    ]
    return run_together(starts, timeout_s, grace_s=grace_s).exit_code


def cluster_variables(ranks: int) -> list[tuple[int | None, dict[str, str]]]:
    """What msrun would set, for the scheduler (None) and for each rank of a new cluster on this machine."""
    rendezvous = rendezvous_variables(ranks)
    workers = [
        (rank, {**worker_variables(rendezvous, rank), "RANK_SIZE": str(ranks), "DEVICE_ID": str(rank)})
        for rank in range(ranks)
    ]
    return [(None, scheduler_variables(rendezvous)), *workers]
