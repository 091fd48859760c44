"""What each command of `python -m modelarts` does; each returns what is to be shown and the exit code."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Callable

import obs_sync
from modelarts.body import job_body, outputs_of, rebuilt_body, rebuilt_name
from modelarts.checking import check_definition, check_in_use, check_storage
from modelarts.cloud import RUNNING_PHASES, Cloud, CloudError
from modelarts.codefolder import upload_code
from modelarts.container import Storage
from modelarts.definition import Changes, Job, is_declared, job_keys, load_job
from modelarts.dryrun import DryRun, Options, State, ask_to_stop, dry_runs, find_dry_run
from modelarts.following import follow_cloud, follow_file
from modelarts.profile import has_profile, read_profile
from modelarts.tables import aligned, cloud_row, console_rows, hyperparameter_lines, job_rows
from src.errors import ConfigError

MISTAKES = 2
Echo = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What a command found: plain values for scripts, text for people, the exit code, and notes beside the result."""

    data: Any
    text: str
    exit_code: int = 0
    notes: tuple[str, ...] = field(default=())


def jobs(options: argparse.Namespace, _: Echo) -> Answer:
    """The declared jobs."""
    found = [load_job(key, _changes(options)) for key in job_keys()]
    rows = [[job.key, job.name, f"{job.cards} cards" if job.cards > 1 else "1 card", job.description] for job in found]
    return Answer([job.to_dict() for job in found], aligned(rows))


def show(options: argparse.Namespace, _: Echo) -> Answer:
    """One definition, or the table for the console."""
    job = _job(options)
    if options.console:
        rows = console_rows(job)
        return Answer([{"field": name.strip(), "value": value} for name, value in rows], aligned(rows))
    text = "\n".join([aligned(job_rows(job)), "hyperparameters", *hyperparameter_lines(job)])
    return Answer(job.to_dict(), text)


def check(options: argparse.Namespace, _: Echo) -> Answer:
    """All mistakes of one job, or of all."""
    problems: list[str] = []
    notes: list[str] = []
    words = options.job or job_keys()
    for word in words:
        job = load_job(word, _changes(options))
        found, remarks = _all_mistakes(job, options)
        prefix = f"{job.key}: " if len(words) > 1 else ""
        problems += [prefix + one for one in found]
        notes += [prefix + one for one in remarks]
    text = "\n".join(problems) if problems else f"no mistakes in {', '.join(words)}"
    data = {"mistakes": problems, "notes": notes}
    return Answer(data, text, MISTAKES if problems else 0, tuple(notes))


def dry_run(options: argparse.Namespace, echo: Echo) -> Answer:
    """Run a job here, as the platform would."""
    job = _job(options)
    storage = _storage(options)
    filesystem = _filesystem(options)
    _refuse(check_definition(job, for_cloud=False))
    _refuse(check_storage(job, filesystem, for_cloud=False) + check_in_use(job, _outputs_here(options)))
    stop = threading.Event()
    run = DryRun(
        job,
        Options(
            storage=storage,
            work=options.work,
            sync_period_s=options.sync_every,
            restarts=options.restarts,
            restart_in=options.restart_in,
            timeout_s=options.timeout,
            install_requirements=not options.no_requirements,
            keep=options.keep,
            echo=echo,
        ),
        stop,
    )
    before = _on_signal(stop)
    try:
        code = run.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Answer(asdict(run.state), _dry_run_text(run.state), code)


def submit(options: argparse.Namespace, _: Echo) -> Answer:
    """Create the job on the platform, or show the request's body."""
    job = _job(options)
    body = job_body(job)
    if options.print:
        _refuse(check_definition(job))
        return Answer(body, _pretty(body))
    cloud = _cloud(options)
    problems, notes = _all_mistakes(job, options, cloud)
    _refuse(problems)
    return replace(_created(cloud.create(body), job.name), notes=tuple(notes))


def rebuild(options: argparse.Namespace, _: Echo) -> Answer:
    """The same job again with a new name and some values changed; declared here, or only there."""
    if is_declared(options.job):
        job = replace(_job(options), name=options.name or rebuilt_name(_job(options).name))
        _refuse(check_definition(job))
        body = job_body(job)
        if options.print:
            return Answer(body, _pretty(body))
        cloud = _cloud(options)
        _refuse(_all_mistakes(job, options, cloud)[0])
    else:
        cloud = _cloud(options)
        body = rebuilt_body(cloud.request_body(cloud.show(options.job)), _values(options), options.name)
        if options.print:
            return Answer(body, _pretty(body))
    return _created(cloud.create(body), body["metadata"]["name"])


def list_jobs(options: argparse.Namespace, _: Echo) -> Answer:
    """The newest jobs of the platform, and the dry-runs here."""
    states = [] if options.cloud_only else dry_runs(options.work)
    found: list[Any] = []
    notes: tuple[str, ...] = ()
    if options.cloud_only or has_profile(os.environ, options.profile):
        found = _cloud(options).jobs(options.limit)
    else:
        notes = ("only dry-runs: no access to the platform is set up (see docs/console.md)",)
    rows = [[state.id, state.phase, state.name, "dry-run"] for state in states] + [cloud_row(one) for one in found]
    return Answer({"dry_runs": [asdict(s) for s in states], "jobs": found}, aligned(rows) or "no jobs", notes=notes)


def status(options: argparse.Namespace, _: Echo) -> Answer:
    """Where a job stands."""
    state = find_dry_run(options.id, options.work)
    if state is not None:
        return Answer(asdict(state), _dry_run_text(state))
    details = _cloud(options).show(options.id)
    now = details.get("status") or {}
    lines = ["  ".join(cloud_row(details))]
    for task in now.get("task_statuses") or ():
        lines.append(f"{task.get('task')}: exit code {task.get('exit_code')} {task.get('message') or ''}".rstrip())
    return Answer(details, "\n".join(lines))


def logs(options: argparse.Namespace, echo: Echo) -> Answer:
    """A job's log so far; with --follow until the job ends."""
    state = find_dry_run(options.id, options.work)
    if state is not None:
        follow_file(state, options.work, options.follow, echo)
    else:
        follow_cloud(_cloud(options), options.id, options.task, options.follow, echo)
    return Answer(None, "")


def stop(options: argparse.Namespace, _: Echo) -> Answer:
    """End a job before its time."""
    state = find_dry_run(options.id, options.work)
    if state is not None:
        ask_to_stop(state, options.work)
    else:
        _cloud(options).stop(options.id)
    return Answer({"id": options.id, "stopping": True}, f"{options.id}: asked to stop")


def upload(options: argparse.Namespace, _: Echo) -> Answer:
    """Copy the code of jobs to their code dirs."""
    results = []
    for word in options.job or job_keys():
        job = load_job(word, _changes(options))
        _refuse([one for one in check_definition(job) if one.startswith(("code", "boot_file"))])
        results.append(upload_code(job, _filesystem(options), options.only_list))
    return Answer([result.to_dict() for result in results], "\n".join(result.summary() for result in results))


def _job(options: argparse.Namespace) -> Job:
    return load_job(options.job, _changes(options))


def _changes(options: argparse.Namespace) -> Changes:
    return Changes(
        _values(options),
        name=getattr(options, "name", ""),
        bucket=options.bucket,
        prefix=options.prefix,
        pass_as=getattr(options, "pass_as", ""),
        cards=getattr(options, "cards", 0),
    )


def _values(options: argparse.Namespace) -> dict[str, str]:
    """`--set a=1 b=2 --set c=3` as a mapping."""
    found = {}
    for pair in (pair for group in getattr(options, "set", None) or () for pair in group):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {pair}: write it as key=value")
        found[name.strip().lstrip("-")] = value
    return found


def _storage(options: argparse.Namespace) -> Storage:
    """The mode that `auto` stands for here, so that the container has the same; the local folder absolute."""
    store = _filesystem(options).storage_mode
    return Storage(store, str(Path(options.obs_local_root).resolve()))


def _filesystem(options: argparse.Namespace) -> obs_sync.ObsFileSystem:
    return obs_sync.ObsFileSystem(storage_mode=options.storage, obs_local_root=str(options.obs_local_root))


def _cloud(options: argparse.Namespace) -> Cloud:
    return Cloud(lambda: read_profile(os.environ, options.profile))


def _all_mistakes(job: Job, options: argparse.Namespace, cloud: Cloud | None = None) -> tuple[list[str], list[str]]:
    """Mistakes, and notes on what could not be looked at."""
    problems, notes = check_definition(job), []
    if not problems:
        filesystem = _filesystem(options)
        if _has_bucket(filesystem, job):
            problems += check_storage(job, filesystem)
        else:
            notes.append(f"not looked into OBS: {job.code_dir.split('/')[2]} is no bucket of {options.obs_local_root}")
    running = _outputs_here(options)
    if cloud is None and has_profile(os.environ, options.profile):
        cloud = _cloud(options)
    if cloud is not None:
        for one in cloud.jobs(200, RUNNING_PHASES):
            running[one["metadata"]["id"]] = outputs_of(one)
    else:
        notes.append("the platform was not asked which outputs are in use: no access is set up")
    return problems + check_in_use(job, running), notes


def _has_bucket(filesystem: obs_sync.ObsFileSystem, job: Job) -> bool:
    """Only a local folder may stand for OBS without having the bucket yet; a real store says so itself."""
    if filesystem.storage_mode != "local":
        return True
    return obs_sync.exists("obs://" + job.code_dir.split("/")[2], filesystem=filesystem)


def _outputs_here(options: argparse.Namespace) -> dict[str, list[str]]:
    return {state.id: list(state.outputs) for state in dry_runs(options.work) if state.is_running}


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))


def _created(answer: Mapping[str, Any], name: str) -> Answer:
    job_id = (answer.get("metadata") or {}).get("id")
    if not job_id:
        raise CloudError(f"{name}: the platform answered without an id; look at: python -m modelarts list")
    return Answer(dict(answer), f"{job_id}  {name}\nfollow it with: python -m modelarts logs {job_id} --follow")


def _dry_run_text(state: State) -> str:
    code = "" if state.exit_code is None else f", exit code {state.exit_code}"
    lines = [f"{state.id}  {state.phase}{code}  {state.name}", f"log: {state.log_file}, copied to {state.log_path}"]
    lines += [f"output: {url}" for url in state.outputs]
    return "\n".join([*lines, *([state.message] if state.message else [])])


def _on_signal(stop: threading.Event) -> dict[int, Any]:
    """Have SIGTERM and Ctrl-C stop the job as the platform would; returns the handlers they had."""

    def ask(_: int, __: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}


def _pretty(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2)
