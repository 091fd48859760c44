"""A job on this machine as the platform would run it: container, processes, syncing, restarts and stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Callable

import obs_sync
from modelarts.dryrun.cards import SCHEDULER, NodeProgram, card_processes
from modelarts.dryrun.container import Container, Storage, arguments, container_environment, make_fresh
from modelarts.dryrun.launcher import PLATFORM_GRACE_S, STOPPED, Outcome, Start, run_together
from modelarts.dryrun.output_sync import PeriodicSync, Route, finish_all
from modelarts.dryrun.requirements import install, make_interpreter, requirements_file
from modelarts.dryrun.state import STOP_FILE, WORK_FOLDER, DryRunState, write_state
from modelarts.jobs.definition import NO_CHANGES, Changes, JobSpec
from src.errors import JobError
from src.fill import fill
from src.plural import plural
from src.processes import started_at

CONTAINER_FOLDER = "container"
SAME, FRESH = "same", "fresh"
LOG_PERIOD_S = 5.0
#: The exit code of a job that failed on invalid input: a restart would fail in the same way.
WRONG_INPUT = 2


@dataclass(frozen=True)
class DryRunOptions:
    """How a dry run differs from a run on the platform.

    A negative `restarts` means the number that the job declares; `echo` gets every line of the job's log; `keep` keeps
    the container of a completed job.
    """

    storage: Storage
    work: Path = WORK_FOLDER
    sync_period_s: float = 30.0
    restarts: int = -1
    restart_in: str = FRESH
    timeout_s: float | None = None
    install_requirements: bool = True
    keep: bool = False
    echo: Callable[[str], None] | None = None


class DryRun:
    """One dry run, from creation to its end; `run` executes it."""

    def __init__(
        self,
        job: JobSpec,
        options: DryRunOptions,
        stop: threading.Event | None = None,
        changes: Changes = NO_CHANGES,
    ) -> None:
        """Setting `stop` ends the run; `changes` are those already applied to `job`, kept for a rebuild."""
        self._job, self._options = job, options
        self._stop = stop or threading.Event()
        job_id = str(uuid.uuid4())
        self.folder = options.work.resolve() / job_id
        self.containers = [
            Container(self.folder / (f"{CONTAINER_FOLDER}-{node}" if node else CONTAINER_FOLDER), job_id, node)
            for node in range(job.nodes)
        ]
        self.container = self.containers[0]
        self._filesystem = obs_sync.ObsFileSystem(
            storage_mode=options.storage.mode, obs_local_root=options.storage.local_root
        )
        self._python = Path(sys.executable)
        self.state = DryRunState(
            id=job_id,
            name=job.name,
            job=job.key,
            phase="Creating",
            pid=os.getpid(),
            outputs=job.results(),
            log_path=job.log_path,
            log_file=str(self.container.task_log),
            log_files=tuple(str(container.task_log) for container in self.containers),
            pid_started=started_at(os.getpid()),
            started=now(),
            started_s=time.time(),
            local_root=options.storage.local_root if self._filesystem.storage_mode == "local" else "",
            values=job.arguments(),
            changes=asdict(changes),
            options={**asdict(replace(options, echo=None)), "work": str(options.work)},
        )

    def run(self) -> int:
        """Run the job to its end, restarting it as declared; returns the exit code of the job (143 when stopped)."""
        self.folder.mkdir(parents=True)
        self._write_state()
        try:
            obs_sync.create_local_buckets((*self.state.outputs, self.state.log_path), self._filesystem)
            outcome = self._run_with_restarts()
        except (JobError, obs_sync.ObsSyncError, OSError) as error:
            if self._stop.is_set():  # Ctrl-C also reaches child processes, such as pip
                self._end("Terminated", STOPPED, "stopped before the start")
                return STOPPED
            self._end("Failed", getattr(error, "exit_code", 1), str(error))
            raise
        except BaseException:
            self._end("Terminated", None, "interrupted")
            raise
        phase = "Terminated" if outcome.stopped else "Failed" if outcome.exit_code else "Completed"
        self._end(phase, outcome.exit_code, f"{outcome.culprit} failed" if outcome.culprit else "")
        if phase == "Completed" and not self._options.keep:
            self._remove_containers()
        return outcome.exit_code

    def _run_with_restarts(self) -> Outcome:
        restarts = self._options.restarts if self._options.restarts >= 0 else self._restarts_declared()
        containers, starts_here = 1, 0
        while True:
            if starts_here == 0:
                self._make_containers()
            if self._stop.is_set():
                return Outcome(STOPPED)
            starts_here += 1
            outcome = self._start_once((containers, starts_here))
            if outcome.exit_code == 0 or outcome.stopped or restarts == 0:
                return outcome
            if outcome.exit_code == WRONG_INPUT:
                self._log("not restarting: exit code 2 means invalid input, see the error above")
                return outcome
            restarts -= 1
            self._log(f"restarting in the {self._options.restart_in} container; {plural(restarts, 'restart')} left")
            if self._options.restart_in == FRESH:
                containers, starts_here = containers + 1, 0

    def _restarts_declared(self) -> int:
        """Without `unconditional` the platform restarts only after its own faults, which a dry run does not have."""
        return self._job.auto_restart.times if self._job.auto_restart.unconditional else 0

    def _make_containers(self) -> None:
        """A container for each node; all share the first one's Python, into which the requirements are installed."""
        self._update(phase="Creating")
        for container in self.containers:
            make_fresh(container, self._job, self._filesystem)
            self._log(f"container ready: {container.root} (shown as … below)", container)
        self._python = make_interpreter(self.container.root / "python")
        file = requirements_file(self.container.code(self._job))
        if file is not None and self._options.install_requirements:
            self._log(f"installing {file.name}", self.container)
            install(file, self._python, os.environ, self.container.task_log)

    def _start_once(self, starts: tuple[int, int]) -> Outcome:
        processes = self._processes(starts)
        self._update(phase="Running", starts=self.state.starts + 1)
        syncs = self._syncs()
        try:
            with contextlib.ExitStack() as logs:
                files = [logs.enter_context(container.task_log.open("ab")) for container in self.containers]
                node_of = {one.name: node for node, group in enumerate(processes) for one in group}
                outcome = run_together(
                    [one for group in processes for one in group],
                    self._options.timeout_s,
                    should_stop=self._should_stop,
                    on_line=_Tee(node_of, files, self._echo),
                )
            if outcome.killed:
                self._log(f"killed {', '.join(outcome.killed)}: still running {PLATFORM_GRACE_S:g} s after SIGTERM")
            culprit = f" ({outcome.culprit})" if outcome.culprit else ""
            self._log(f"ended with exit code {outcome.exit_code}{culprit}")
        finally:
            finish_all(syncs)
        return outcome

    def _processes(self, starts: tuple[int, int]) -> list[list[Start]]:
        """The processes by node; each node's log starts with its arguments."""
        job, storage, programs = self._job, self._options.storage, []
        for one in self.containers:
            given = arguments(one, job, storage)
            self._log("\n    ".join((f"start {starts[1]} in container {starts[0]}: {job.boot_file}", *given)), one)
            command = [str(self._python), str(one.code(job) / job.boot_file), *given]
            environment = container_environment(one, job, starts, storage, os.environ)
            programs.append(NodeProgram(one, command, environment))
        return card_processes(programs, job)

    def _syncs(self) -> list[PeriodicSync]:
        job, every_s = self._job, self._options.sync_period_s
        outputs = [
            Route(folder, channel.url, channel.name)
            for container in self.containers
            for channel, folder in container.folders(job)
            if channel in job.outputs
        ]
        logs = [Route(container.log, job.log_path, "log") for container in self.containers]
        return [PeriodicSync(outputs, self._filesystem, every_s), PeriodicSync(logs, self._filesystem, LOG_PERIOD_S)]

    def _should_stop(self) -> bool:
        stop = self._stop.is_set() or (self.folder / STOP_FILE).exists()
        if stop:
            self._log(f"stopping: SIGTERM now, SIGKILL in {PLATFORM_GRACE_S:g} s")
        return stop

    def _log(self, text: str, container: Container | None = None) -> None:
        """Write a line, as the platform would, to the log of one node or of all."""
        line = f"[ModelArts Service Log] {time.strftime('%Y-%m-%d %H:%M:%S')} dry-run: {text}\n"
        for chosen in [container] if container else self.containers:
            with chosen.task_log.open("a", encoding="utf-8") as log:
                log.write(line)
            self._echo(chosen.node, line)

    def _echo(self, node: int, text: str) -> None:
        """Show lines of a node's log: container paths begin with …; with several nodes, lines begin with the node."""
        if self._options.echo is not None:
            text = text.replace(f"{self.containers[node].root}/", "…/")
            name = f"{self.containers[node].task} | " if self._job.nodes > 1 else ""
            self._options.echo("".join(name + line for line in text.splitlines(keepends=True)))

    def _remove_containers(self) -> None:
        """Remove the containers of a completed job; their logs are kept where `logs` finds them."""
        kept = [str(shutil.copyfile(one.task_log, self.folder / one.task_log.name)) for one in self.containers]
        self._update(log_file=kept[0], log_files=tuple(kept))
        for container in self.containers:
            shutil.rmtree(container.root, ignore_errors=True)

    def _end(self, phase: str, exit_code: int | None, message: str) -> None:
        self._update(phase=phase, exit_code=exit_code, message=message, ended=now())

    def _update(self, **changes: str | int | tuple[str, ...] | None) -> None:
        self.state = fill(DryRunState, {**self.state.__dict__, **changes})
        self._write_state()

    def _write_state(self) -> None:
        write_state(self.state, self.folder)


def now() -> str:
    """The local time as it is written in the state of a dry run."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class _Tee:
    """Writes each line of a process to the log of its node and to the screen."""

    def __init__(self, node_of: Mapping[str, int], logs: Sequence[BinaryIO], echo: Callable[[int, str], None]) -> None:
        self._node_of, self._logs, self._echo, self._lock = node_of, logs, echo, threading.Lock()

    def __call__(self, name: str, line: bytes) -> None:
        if name == SCHEDULER:
            return  # it has its own file; the platform's log holds only the output of the cards
        node = self._node_of[name]
        with self._lock:
            self._logs[node].write(line)
            self._logs[node].flush()
            self._echo(node, line.decode(errors="replace"))
