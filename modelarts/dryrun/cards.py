"""The processes of a job, one per card, with the variables that the platform's launcher sets: rank table or msrun.

On Ascend the ranks rendezvous through the rank table or through msrun's scheduler process. On a CPU MindSpore supports
only the scheduler, so a dry run with several cards always starts one; ranks started by rank table get its address in
addition to the platform's variables, and join through it (`src/train/distributed.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelarts.dryrun.container import Container, node_address
from modelarts.dryrun.launcher import Start, rendezvous_variables, scheduler_variables, worker_variables
from modelarts.jobs.definition import MSRUN, JobSpec

SCHEDULER = "scheduler"


@dataclass(frozen=True)
class NodeProgram:
    """The command that the processes of a node run, and the environment variables that they share."""

    container: Container
    command: Sequence[str]
    environment: Mapping[str, str]


def card_processes(programs: Sequence[NodeProgram], job: JobSpec) -> list[list[Start]]:
    """By node, one process per card, each in its own folder; with several cards the first node runs the scheduler."""
    ranks = job.cards * job.nodes
    rendezvous = rendezvous_variables(ranks) if ranks > 1 else {}
    starts = [_cards_of(program, job, rendezvous) for program in programs]
    return [[_scheduler(programs[0], rendezvous), *starts[0]], *starts[1:]] if rendezvous else starts


def _scheduler(program: NodeProgram, rendezvous: Mapping[str, str]) -> Start:
    variables = {**program.environment, **scheduler_variables(rendezvous)}
    folder, log = _workspace(program.container, SCHEDULER), program.container.scheduler_log
    return Start(SCHEDULER, program.command, variables, log, folder, awaited=False)


def _cards_of(program: NodeProgram, job: JobSpec, rendezvous: Mapping[str, str]) -> list[Start]:
    container, ranks = program.container, job.cards * job.nodes
    by_msrun = ranks > 1 and job.placement.start == MSRUN
    table = {} if by_msrun else _rank_table(container, job)
    starts = []
    for device in range(job.cards):
        rank = container.node * job.cards + device
        joins = worker_variables(rendezvous, rank) if by_msrun else {**rendezvous, **table}
        variables = {**program.environment, **_card_variables(container, rank, ranks, device), **joins}
        folder, log = _workspace(container, f"device{device}"), container.card_log(rank, device)
        starts.append(Start(f"rank {rank}", program.command, variables, log, folder))
    return starts


def _workspace(container: Container, name: str) -> Path:
    folder = container.mount / "workspace" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _card_variables(container: Container, rank: int, ranks: int, device: int) -> dict[str, str]:
    """The variables that the platform's launcher sets for each process; `device` counts the cards of the node."""
    plog = container.log / container.job_id / "ascend" / "process_log" / f"rank_{rank}"
    return {
        "RANK_ID": str(rank),
        "RANK_SIZE": str(ranks),
        "DEVICE_ID": str(device),
        "ASCEND_DEVICE_ID": str(device),
        "ASCEND_PROCESS_LOG_PATH": str(plog),
        "HCCL_CONNECT_TIMEOUT": "1800",
    }


def _rank_table(container: Container, job: JobSpec) -> dict[str, str]:
    """Write the rank table as the platform's launcher does; returns the variable that names it."""
    table = container.mount / "rank_table" / "jobstart_hccl.json"
    table.parent.mkdir(exist_ok=True)
    content = {
        "version": "1.0",
        "server_count": str(job.nodes),
        "server_list": [_server(node, job.cards) for node in range(job.nodes)],
        "status": "completed",
    }
    table.write_text(json.dumps(content), encoding="utf-8")
    return {"RANK_TABLE_FILE": str(table)}


def _server(node: int, cards: int) -> dict[str, object]:
    address = node_address(node)
    devices = [
        {"device_id": str(device), "device_ip": address, "rank_id": str(node * cards + device)}
        for device in range(cards)
    ]
    return {"server_id": address, "device": devices, "host_nic_ip": "reserve"}
