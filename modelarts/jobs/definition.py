"""Definition of a job: the fields of the console's form as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modelarts.jobs.hyperparameters import Hyperparameter

PROBE = "probe"
KINDS = ("training", "inference", PROBE)
BOOT_FILES = TRAINING_BOOT_FILE, INFERENCE_BOOT_FILE = "train_start.py", "test_tmp.py"
FOLDER, URL = "folder", "url"
DATA_CHANNEL = "data_url"


@dataclass(frozen=True)
class Channel:
    """An input or output of a job: `name` is the argument that it is passed as, `url` the folder in OBS.

    `pass_as`: "folder" - the platform copies between OBS and a folder of the container, and the argument is the folder;
    "url" - the argument is the url itself. `predownload`: the output's existing content is copied in before the start.
    """

    name: str
    url: str
    pass_as: str = FOLDER
    predownload: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The folders that `url` lists."""
        return listed_addresses(self.name, self.url)


def listed_addresses(name: str, url: str) -> tuple[str, ...]:
    """The folders in a channel's url: `data_url` may list several data sets, separated by commas."""
    return tuple(one.strip() for one in url.split(",")) if name == DATA_CHANNEL else (url,)


@dataclass(frozen=True)
class AutoRestart:
    """How often a failed job is started again; `unconditional`: even after its own errors, `hang`: when it hangs."""

    times: int = 0
    unconditional: bool = False
    hang: bool = False


RANK_TABLE, MSRUN = "rank_table", "msrun"
#: The platform's documented switch from the rank table to msrun, MindSpore 2.3 and later.
MSRUN_VARIABLE = "MA_RUN_METHOD"


@dataclass(frozen=True)
class Placement:
    """Where and how the platform runs a job; empty means the platform's default. Passed on unchanged.

    `pool`: id of a dedicated resource pool. `priority` 1 to 3, in a pool only. `workspace`: its id. `start`: how the
    processes rendezvous, "rank_table" or "msrun". `image` with `command` replaces the preset engine.
    `volumes`: mounts as the API writes them, such as {nfs: {nfs_server_path: …, local_path: …, read_only: False}}.
    """

    pool: str = ""
    priority: int = 0
    workspace: str = "0"
    start: str = RANK_TABLE
    auto_stop_hours: int = 0
    image: str = ""
    command: str = ""
    volumes: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class JobSpec:
    """Everything that the console's form asks for, under the same names; `problems` were found while reading."""

    key: str
    name: str
    description: str
    kind: str
    code_folder: Path
    code_files: tuple[str, ...]
    code_dir: str
    boot_file: str
    engine_name: str
    engine_version: str
    flavour: str
    nodes: int
    cards: int
    inputs: tuple[Channel, ...]
    outputs: tuple[Channel, ...]
    log_path: str
    environment: Mapping[str, str]
    auto_restart: AutoRestart
    hyperparameters: tuple[Hyperparameter, ...]
    placement: Placement = Placement()
    problems: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """The hyperparameters' values by name."""
        return {one.name: one.value for one in self.hyperparameters}

    def arguments(self) -> dict[str, str]:
        """The boot file's --key=value arguments, without the channels that the platform turns into folders."""
        direct = {channel.name: channel.url for channel in (*self.inputs, *self.outputs) if channel.pass_as == URL}
        return {**{one.name: one.value for one in self.hyperparameters if one.is_passed}, **direct}

    def variables(self) -> dict[str, str]:
        """The job's environment variables, including the one that selects how its processes are started."""
        start = {MSRUN_VARIABLE: MSRUN} if self.placement.start == MSRUN else {}
        return {**self.environment, **start}

    def results(self) -> tuple[str, ...]:
        """The folders in OBS that the job writes to: its outputs, and where inference uploads its results."""
        root = self.values.get("output_path_root_obs", "")
        uploads = (f"{root.rstrip('/')}/output_img/",) if self.boot_file == INFERENCE_BOOT_FILE and root else ()
        return (*(channel.url for channel in self.outputs), *uploads)

    def folders(self, channels: Sequence[Channel]) -> list[Channel]:
        """The channels whose folder the platform provides."""
        return [channel for channel in channels if channel.pass_as == FOLDER]

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {**asdict(self), "code_folder": str(self.code_folder), "environment": dict(self.environment)}


@dataclass(frozen=True)
class Changes:
    """What a command line changes in a definition; empty means unchanged.

    `values`: hyperparameters, and urls of channels. `cards`, those of one node, also chooses the flavour.
    """

    values: Mapping[str, str]
    name: str = ""
    bucket: str = ""
    prefix: str = ""
    pass_as: str = ""
    cards: int = 0
    flavour: str = ""
    pool: str = ""
    nodes: int = 0
    workspace: str = ""


NO_CHANGES = Changes({})
