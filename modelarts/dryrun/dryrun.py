"""A job on this machine as the platform would run it: container, processes, syncing, restarts and stop."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Callable

import obs_sync
from modelarts.dryrun.container import Container, Storage, arguments, container_environment, make_fresh, processes
from modelarts.dryrun.launcher import PLATFORM_GRACE_S, STOPPED, Ending, run_together
from modelarts.dryrun.output_sync import PeriodicSync, Route, finish_all
from modelarts.dryrun.requirements import install, make_interpreter, requirements_file
from modelarts.dryrun.state import STOP_FILE, WORK_FOLDER, DryRunState, write_state
from modelarts.jobs.definition import NO_CHANGES, Changes, JobSpec
from src.errors import ConfigError, JobError
from src.plural import plural
from src.processes import started_at

logger = logging.getLogger(__name__)

CONTAINER_FOLDER = "container"
SAME, FRESH = "same", "fresh"
LOG_PERIOD_S = 5.0
#: The exit code of a job that was given a wrong input: starting it again changes nothing.
WRONG_INPUT = 2


@dataclass(frozen=True)
class DryRunOptions:
    """How a dry-run differs from the platform's run.

    `restarts` below 0 takes the job's own number; `echo` gets every line of the job's log; `keep` leaves the container
    of a completed job where it is.
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
    """One dry-run from creation to its end; `run` does it all."""

    def __init__(
        self,
        job: JobSpec,
        options: DryRunOptions,
        stop: threading.Event | None = None,
        changes: Changes = NO_CHANGES,
    ) -> None:
        """`stop` ends the run when it is set; `changes` made `job` of its definition and are kept for a rebuild."""
        if job.nodes > 1:
            raise ConfigError(f"nodes: a dry-run stands in for one node, not for {job.nodes}")
        self._job, self._options = job, options
        self._stop = stop or threading.Event()
        job_id = str(uuid.uuid4())
        self.folder = options.work.resolve() / job_id
        self.container = Container(self.folder / CONTAINER_FOLDER, job_id)
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
            pid_started=started_at(os.getpid()),
            started=now(),
            local_root=options.storage.local_root if self._filesystem.storage_mode == "local" else "",
            values=job.arguments(),
            changes=asdict(changes),
            options={**asdict(replace(options, echo=None)), "work": str(options.work)},
        )

    def run(self) -> int:
        """Run the job to its end, restarting it as declared; returns the exit code of the job (143 when stopped)."""
        self.folder.mkdir(parents=True)
        self._note()
        try:
            obs_sync.create_local_buckets((*self.state.outputs, self.state.log_path), self._filesystem)
            ending = self._run_with_restarts()
        except (JobError, obs_sync.ObsSyncError, OSError) as error:
            if self._stop.is_set():  # Ctrl-C also reaches what this process has started, such as pip
                self._end("Terminated", STOPPED, "stopped before the start")
                return STOPPED
            self._end("Failed", getattr(error, "exit_code", 1), str(error))
            raise
        except BaseException:
            self._end("Terminated", None, "interrupted")
            raise
        phase = "Terminated" if ending.stopped else "Failed" if ending.exit_code else "Completed"
        self._end(phase, ending.exit_code, f"{ending.culprit} failed" if ending.culprit else "")
        if phase == "Completed" and not self._options.keep:
            self._take_down()
        return ending.exit_code

    def _run_with_restarts(self) -> Ending:
        restarts = self._options.restarts if self._options.restarts >= 0 else self._restarts_declared()
        containers, starts_in_it = 1, 0
        while True:
            if starts_in_it == 0:
                self._make_container()
            if self._stop.is_set():
                return Ending(STOPPED)
            starts_in_it += 1
            ending = self._start_once((containers, starts_in_it))
            if ending.exit_code == 0 or ending.stopped or restarts == 0:
                return ending
            if ending.exit_code == WRONG_INPUT:
                self._say("not restarting: exit code 2 means that an input is wrong, see the error above")
                return ending
            restarts -= 1
            self._say(f"restarting in the {self._options.restart_in} container; {plural(restarts, 'restart')} left")
            if self._options.restart_in == FRESH:
                containers, starts_in_it = containers + 1, 0

    def _restarts_declared(self) -> int:
        """Without `unconditional` the platform restarts only after faults of its own, which a laptop has none of."""
        return self._job.auto_restart.times if self._job.auto_restart.unconditional else 0

    def _make_container(self) -> None:
        self._update(phase="Creating")
        make_fresh(self.container, self._job, self._filesystem)
        self._say(f"container ready: {self.container.root}")
        self._python = make_interpreter(self.container.root / "python")
        file = requirements_file(self.container.code(self._job))
        if file is not None and self._options.install_requirements:
            self._say(f"installing {file.name}")
            install(file, self._python, os.environ, self.container.task_log)

    def _start_once(self, starts: tuple[int, int]) -> Ending:
        job, container, storage = self._job, self.container, self._options.storage
        environment = container_environment(container, job, starts, storage, os.environ)
        given = arguments(container, job, storage)
        self._say(f"start {starts[1]} in container {starts[0]}: {job.boot_file} {' '.join(given)}")
        self._update(phase="Running", starts=self.state.starts + 1)
        outputs = [Route(folder, c.url, c.name) for c, folder in container.folders(job) if c in job.outputs]
        syncs = [
            PeriodicSync(outputs, self._filesystem, self._options.sync_period_s),
            PeriodicSync([Route(container.log, job.log_path, "log")], self._filesystem, LOG_PERIOD_S),
        ]
        try:
            with container.task_log.open("ab") as log:
                ending = run_together(
                    processes(container, job, self._python, environment, given),
                    self._options.timeout_s,
                    should_stop=self._should_stop,
                    on_line=_Tee(log, self._options.echo),
                )
            if ending.killed:
                self._say(f"killed {', '.join(ending.killed)}: still running {PLATFORM_GRACE_S:g} s after SIGTERM")
            self._say(f"ended with exit code {ending.exit_code}" + (f" ({ending.culprit})" if ending.culprit else ""))
        finally:
            finish_all(syncs)
        return ending

    def _should_stop(self) -> bool:
        stop = self._stop.is_set() or (self.folder / STOP_FILE).exists()
        if stop:
            self._say(f"stopping: SIGTERM now, SIGKILL in {PLATFORM_GRACE_S:g} s")
        return stop

    def _say(self, text: str) -> None:
        """A line of the platform in the job's log."""
        line = f"[ModelArts Service Log] {time.strftime('%Y-%m-%d %H:%M:%S')} dry-run: {text}\n"
        with self.container.task_log.open("a", encoding="utf-8") as log:
            log.write(line)
        if self._options.echo is not None:
            self._options.echo(line)

    def _take_down(self) -> None:
        """Remove the container of a job that is done; its log stays where `logs` finds it."""
        log_file = self.folder / self.container.task_log.name
        shutil.copyfile(self.container.task_log, log_file)
        self._update(log_file=str(log_file))
        shutil.rmtree(self.container.root, ignore_errors=True)

    def _end(self, phase: str, exit_code: int | None, message: str) -> None:
        self._update(phase=phase, exit_code=exit_code, message=message, ended=now())

    def _update(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._note()

    def _note(self) -> None:
        write_state(self.state, self.folder)


def now() -> str:
    """The local time as dry runs note it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class _Tee:
    """Writes each line of a process to the node's log and to the screen."""

    def __init__(self, log: BinaryIO, echo: Callable[[str], None] | None) -> None:
        self._log, self._echo, self._lock = log, echo, threading.Lock()

    def __call__(self, name: str, line: bytes) -> None:
        if name == "scheduler":
            return  # it has its own file; the platform's log holds what the cards say
        with self._lock:
            self._log.write(line)
            self._log.flush()
            if self._echo is not None:
                self._echo(line.decode(errors="replace"))
