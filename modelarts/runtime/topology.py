"""Rank, node, paths and restart count, derived from the container's environment and the job's arguments.

The platform starts the boot file once per card with a rank table, once per card under msrun, or once. The variables are
those of the ModelArts documentation (container environment, start on Ascend cards) and of MindSpore's msrun.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from src.errors import ConfigError
from src.json_text import parse_json_object

PLATFORM_SCRATCH = Path("/cache")
LOCAL_SCRATCH = Path("work")

#: Variables in which launchers pass the job's id, the current one first; none is documented.
JOB_ID_VARIABLES = ("JOB_ID", "BATCH_JOB_ID")
#: The documented variable with the name of a node's container, `modelarts-job-<id>-worker-<node>`.
_INSTANCE = "MA_CURRENT_INSTANCE_NAME"
_INSTANCE_OF_JOB = re.compile(r"(modelarts-job-.+)-[a-z]+-\d+")

DATA_URL = "data_url"

SINGLE, RANK_TABLE, MSRUN = "single process", "rank table", "msrun"
WORKER, SCHEDULER = "worker", "scheduler"
_ROLES = {"MS_WORKER": WORKER, "MS_SCHED": SCHEDULER}
_REMOTE = {"obs://": "obs://", "s3://": "obs://"}


@dataclass(frozen=True)
class Location:
    """Where an input or output is: an `obs://` URL (`remote`) or a folder of this container.

    `data_url` may hold several, separated by commas.
    """

    path: str
    remote: bool


@dataclass(frozen=True)
class JobTopology:
    """This process within the job: `rank` of `rank_size` processes, card `device_id`, fast local folder `scratch`.

    `local_rank` counts the processes of this node from 0; `node` of `nodes` is this machine. `role` is "scheduler" for
    msrun's own process, which uses no card. `restarts` counts automatic restarts before this start; `job_id` is the
    platform's id of the job, empty elsewhere. `locations` holds each requested input and output.
    """

    rank: int
    rank_size: int
    device_id: int
    scratch: Path
    local_rank: int = 0
    node: int = 0
    nodes: int = 1
    launch: str = SINGLE
    role: str = WORKER
    restarts: int = 0
    job_id: str = ""
    locations: Mapping[str, Location] = field(default_factory=dict)


def locate(
    environment: Mapping[str, str], scratch_path: str = "", arguments: Mapping[str, str] | None = None
) -> JobTopology:
    """Read the topology from the environment; without its variables, one process on card 0 of one node.

    `arguments` are inputs and outputs by name (`data_url`, `train_url`); an empty one is looked up in the environment
    variable of that name, which the platform sets for channels "obtained from: environment variable".
    Raises ConfigError naming the variable or argument when a value is missing or invalid.
    """
    launch, role = _launch(environment)
    table = _read_table(environment) if launch == RANK_TABLE else {}
    rank, rank_size = _rank(environment, launch, role, table)
    node, nodes, local_rank = _node(environment, rank, rank_size, table)
    device_id = _number(environment, ("ASCEND_DEVICE_ID", "DEVICE_ID"), 0 if launch == SINGLE else local_rank)
    return JobTopology(
        rank,
        rank_size,
        device_id,
        scratch_folder(scratch_path),
        local_rank=local_rank,
        node=node,
        nodes=nodes,
        launch=launch,
        role=role,
        restarts=_restarts(environment),
        job_id=job_id_of(environment),
        locations=_locations(environment, arguments or {}),
    )


def _launch(environment: Mapping[str, str]) -> tuple[str, str]:
    word = environment.get("MS_ROLE", "").strip()
    if word:
        if word not in _ROLES:
            raise ConfigError(f"environment: MS_ROLE={word} is not one of {', '.join(_ROLES)}")
        return MSRUN, _ROLES[word]
    by_card = any(environment.get(name, "").strip() for name in ("RANK_TABLE_FILE", "RANK_ID", "RANK_SIZE"))
    return (RANK_TABLE if by_card else SINGLE), WORKER


def _rank(environment: Mapping[str, str], launch: str, role: str, table: Mapping[int, _Card]) -> tuple[int, int]:
    """Rank and number of processes, checked for consistency."""
    rank_size = _optional(environment, ("RANK_SIZE",))
    if launch == MSRUN:
        workers = _optional(environment, ("MS_WORKER_NUM",))
        if workers is None:
            raise ConfigError("environment: MS_ROLE is set but MS_WORKER_NUM is not; start the job with msrun")
        if rank_size not in (None, workers) and role == WORKER:
            raise ConfigError(f"environment: RANK_SIZE={rank_size} contradicts MS_WORKER_NUM={workers}")
        rank_size = workers
    elif rank_size is None:
        rank_size = len(table) or 1
    rank = 0 if role == SCHEDULER else _optional(environment, ("RANK_ID", "MS_NODE_ID"))
    if rank is None:
        if rank_size > 1:
            problem = "neither RANK_ID nor MS_NODE_ID is set" if launch == MSRUN else "RANK_ID is not set"
            raise ConfigError(f"environment: {rank_size} processes, but {problem}; start the job with its launcher")
        rank = 0
    if rank_size < 1 or rank >= rank_size:
        raise ConfigError(f"environment: RANK_ID={rank} does not fit RANK_SIZE={rank_size}")
    if table and rank not in table:
        raise ConfigError(f"environment: RANK_TABLE_FILE={environment['RANK_TABLE_FILE']} has no rank {rank}")
    return rank, rank_size


def _node(
    environment: Mapping[str, str], rank: int, rank_size: int, table: Mapping[int, _Card]
) -> tuple[int, int, int]:
    """This node, the number of nodes, and this process's number within the node."""
    from_table = 1 + max((card.node for card in table.values()), default=0)
    nodes = _number(environment, ("MA_NUM_HOSTS", "VC_WORKER_NUM"), from_table)
    if nodes < 1 or rank_size % nodes:
        raise ConfigError(
            f"environment: {rank_size} processes (RANK_SIZE) cannot be spread evenly over {nodes} nodes (MA_NUM_HOSTS)"
        )
    per_node = rank_size // nodes
    card = table.get(rank) or _Card(rank // per_node, rank % per_node)
    node = _number(environment, ("VC_TASK_INDEX", "MA_TASK_INDEX", "DLS_TASK_INDEX"), card.node)
    if node >= nodes:
        raise ConfigError(f"environment: VC_TASK_INDEX={node} does not fit {nodes} nodes (MA_NUM_HOSTS)")
    return node, nodes, card.local_rank


@dataclass(frozen=True)
class _Card:
    """A line of the rank table: the node, and the card within it."""

    node: int
    local_rank: int


def _read_table(environment: Mapping[str, str]) -> dict[int, _Card]:
    """The cards by rank; empty without a table or for one without servers."""
    name = environment.get("RANK_TABLE_FILE", "").strip()
    if not name:
        return {}
    try:
        return _cards(parse_json_object(Path(name).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a rank table"
        raise ConfigError(f"environment: RANK_TABLE_FILE={name}: {reason}") from None


def _cards(document: Mapping[str, object]) -> dict[int, _Card]:
    cards: dict[int, _Card] = {}
    servers = document.get("server_list", [])
    if not isinstance(servers, list):
        raise TypeError("server_list is not a list")
    for node, server in enumerate(servers):
        ranks = sorted(int(device["rank_id"]) for device in server["device"])
        cards.update({rank: _Card(node, local) for local, rank in enumerate(ranks)})
    return cards


def _restarts(environment: Mapping[str, str]) -> int:
    """Number of restarts, in fresh containers and in this one; both counters are 1 at the first start."""
    return sum(max(_number(environment, (name,), 1) - 1, 0) for name in ("MA_SCHEDULE_CNT", "MA_PROC_START_CNT"))


def job_id_of(environment: Mapping[str, str]) -> str:
    """The platform's id of the job, equal for all its ranks and restarts; empty elsewhere."""
    values = (environment.get(name, "").strip() for name in JOB_ID_VARIABLES)
    instance = _INSTANCE_OF_JOB.fullmatch(environment.get(_INSTANCE, "").strip())
    return next(filter(None, values), "") or (instance[1] if instance else "")


def _locations(environment: Mapping[str, str], arguments: Mapping[str, str]) -> dict[str, Location]:
    found = {}
    for name, value in arguments.items():
        path = str(value or environment.get(name, "")).strip()
        if path:
            parts = path.split(",") if name == DATA_URL else [path]  # several data sets
            each = [location(name, part.strip()) for part in parts]
            found[name] = Location(",".join(part.path for part in each), any(part.remote for part in each))
    return found


def location(name: str, path: str) -> Location:
    """The location that an argument names: `obs://` (or its synonym `s3://`) is remote, anything else local."""
    for scheme, written in _REMOTE.items():
        if path.startswith(scheme):
            if not path[len(scheme) :].strip("/"):
                raise ConfigError(f"{name}: {path} has no bucket; write obs://bucket/folder/")
            return Location(written + path[len(scheme) :], remote=True)
    if "://" in path or path.startswith(("obs:", "s3:")):
        raise ConfigError(f"{name}: {path} is neither obs://bucket/folder/ nor a folder")
    return Location(path, remote=False)


def _number(environment: Mapping[str, str], names: tuple[str, ...], default: int) -> int:
    value = _optional(environment, names)
    return default if value is None else value


def _optional(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        text = environment.get(name, "").strip()
        if text:
            if not (text.isascii() and text.isdigit()):
                raise ConfigError(f"environment: {name}={text} is not a whole number")
            return int(text)
    return None


def scratch_folder(scratch_path: str) -> Path:
    """The fast local folder for staged data: as given, else the platform's cache disk, else `work`."""
    if scratch_path:
        return Path(scratch_path)
    on_platform = PLATFORM_SCRATCH.is_dir() and os.access(PLATFORM_SCRATCH, os.W_OK)
    return PLATFORM_SCRATCH / "openpose" if on_platform else LOCAL_SCRATCH
