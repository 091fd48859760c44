"""A node's training container on this machine: its folders, environment variables and boot file arguments."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import obs_sync
from modelarts.jobs.code_folder import code_files
from modelarts.jobs.definition import URL, Channel, JobSpec
from src.errors import DataError

#: Variables of this process that are passed on to the container; all others are not.
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PASSED_PREFIXES = ("OBS_", "S3_", "PIP_", "OMP_")


@dataclass(frozen=True)
class Storage:
    """How the job accesses OBS: the storage mode, and for mode local the folder that stands in for OBS."""

    mode: str
    local_root: str


@dataclass(frozen=True)
class Container:
    """Folders below `root`, named as in the platform's image; `job_id` and `node`, from 0, name the logs."""

    root: Path
    job_id: str
    node: int = 0

    @property
    def task(self) -> str:
        """The platform's name for this node."""
        return f"worker-{self.node}"

    @property
    def address(self) -> str:
        """This node's own loopback address: 127.0.0.1, 127.0.0.2, …"""
        return node_address(self.node)

    @property
    def home(self) -> Path:
        return self.root / "home" / "ma-user"

    @property
    def mount(self) -> Path:
        return self.home / "modelarts"

    @property
    def job_dir(self) -> Path:
        return self.mount / "user-job-dir"

    @property
    def log(self) -> Path:
        return self.mount / "log"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def task_log(self) -> Path:
        """The log of this node, with the output of all its processes."""
        return self.log / f"modelarts-job-{self.job_id}-{self.task}.log"

    @property
    def scheduler_log(self) -> Path:
        """The log of MindSpore's scheduler, through which ranks on a CPU rendezvous."""
        return self.log / f"modelarts-job-{self.job_id}-scheduler.log"

    def card_log(self, rank: int, device: int) -> Path:
        """The log of one card's process."""
        return self.log / f"modelarts-job-{self.job_id}-proc-rank-{rank}-device-{device}.txt"

    def code(self, job: JobSpec) -> Path:
        """The folder of the code, named after the last part of the code dir."""
        return self.job_dir / job.code_dir.rstrip("/").rsplit("/", 1)[-1]

    def folders(self, job: JobSpec) -> list[tuple[Channel, Path]]:
        """Each channel that the platform copies, with its folder: inputs/<name>_<i> and outputs/<name>_<i>."""
        return [
            (channel, self.mount / part / f"{channel.name}_{number}")
            for part, channels in (("inputs", job.inputs), ("outputs", job.outputs))
            for number, channel in enumerate(job.folders(channels))
        ]


def node_address(node: int) -> str:
    """The loopback address of a node."""
    return f"127.0.0.{node + 1}"


def make_fresh(container: Container, job: JobSpec, filesystem: obs_sync.ObsFileSystem) -> None:
    """Empty the container except for its logs, then copy in the code, the inputs and the predownloaded outputs."""
    kept = container.root.parent / f"log-{uuid.uuid4().hex}"
    if container.log.exists():
        container.log.rename(kept)
    shutil.rmtree(container.root, ignore_errors=True)
    for folder in (container.mount, container.cache, container.code(job)):
        folder.mkdir(parents=True)
    if kept.exists():
        kept.rename(container.log)
    container.log.mkdir(exist_ok=True)
    obs_sync.copy(
        f"{job.code_folder}/", f"{container.code(job)}/", filesystem=filesystem, names=sorted(code_files(job))
    )
    for channel, folder in container.folders(job):
        folder.mkdir(parents=True)
        is_input = channel in job.inputs
        if is_input and not obs_sync.exists(channel.url, filesystem=filesystem):
            step = f"copy the data there, or choose another folder: --set {channel.name}=…"
            raise DataError(f"{channel.name}: {channel.url}: not found; {step}")
        if is_input or (channel.predownload and obs_sync.exists(channel.url, filesystem=filesystem)):
            obs_sync.copy(obs_sync.join(channel.url, ""), f"{folder}/", filesystem=filesystem)


def container_environment(
    container: Container, job: JobSpec, starts: tuple[int, int], storage: Storage, outer: Mapping[str, str]
) -> dict[str, str]:
    """The variables of all processes; `starts` counts the containers and the starts in this one, both from 1."""
    passed = {name: value for name, value in outer.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    nodes = str(job.nodes)
    if passed.get("OBS_ENDPOINT"):
        endpoint = passed["OBS_ENDPOINT"]
        passed.update(S3_ENDPOINT=endpoint, S3_USE_HTTPS=str(int(endpoint.startswith("https"))), S3_VERIFY_SSL="1")
    return {
        **passed,
        "HOME": str(container.home),
        "MA_HOME": str(container.home),
        "MA_MOUNT_PATH": str(container.mount),
        "MA_JOB_DIR": str(container.job_dir),
        "WORKSPACE": str(container.code(job)),
        "MA_LOG_DIR": str(container.log),
        "MA_CURRENT_IP": container.address,
        "MA_CURRENT_HOST_IP": container.address,
        "MA_CURRENT_INSTANCE_NAME": f"modelarts-job-{container.job_id}-{container.task}",
        "MA_VJ_NAME": job.name,
        "MA_JOB_KIND": "job",
        "MA_TASK_NAME": "worker",
        "MA_NUM_GPUS": str(job.cards),
        "MA_NUM_HOSTS": nodes,
        "VC_WORKER_NUM": nodes,
        "VC_TASK_INDEX": str(container.node),
        "VC_WORKER_HOSTS": ",".join(node_address(node) for node in range(job.nodes)),
        "MA_ENGINE_VERSION": job.engine_version,
        "MA_HANG_DETECT_TIME": "30",
        "MA_DETECT_TRAIN_INJECT_CODE": "0",
        "MA_SCHEDULE_CNT": str(starts[0]),
        "MA_PROC_START_CNT": str(starts[1]),
        "JOB_ID": f"modelarts-job-{container.job_id}",
        "MA_INPUTS": _channels_json("inputs", container, job),
        "MA_OUTPUTS": _channels_json("outputs", container, job),
        "OBS_STORAGE_MODE": storage.mode,
        "OBS_LOCAL_ROOT": storage.local_root,
        "PYTHONUNBUFFERED": "1",
        **job.variables(),
    }


def arguments(container: Container, job: JobSpec, storage: Storage) -> list[str]:
    """The boot file's arguments: hyperparameters, channels, local storage, and those that the platform adds."""
    values = job.arguments()
    for channel in (*job.inputs, *job.outputs):
        if channel.pass_as == URL:  # the processes run in another folder
            here = (one if obs_sync.is_url(one) else str(Path(one).resolve()) for one in channel.addresses)
            values[channel.name] = ",".join(here)
    for channel, folder in container.folders(job):
        values[channel.name] = str(folder)
    cache = {"scratch_path": str(container.cache)}
    access = {"storage_mode": storage.mode, "obs_local_root": storage.local_root}
    added = {"init_method": "tcp://127.0.0.1:6666", "num_gpus": str(job.cards)}
    return [f"--{name}={value}" for name, value in {**cache, **values, **access, **added}.items()]


def _channels_json(part: str, container: Container, job: JobSpec) -> str:
    """The JSON that maps each container folder to its OBS folder, as the platform writes it."""
    channels = job.inputs if part == "inputs" else job.outputs
    found = [
        {"name": channel.name, "local_dir": str(folder), "remote": {"obs": {"obs_url": channel.url}}}
        for channel, folder in container.folders(job)
        if channel in channels
    ]
    return json.dumps({part: found})
