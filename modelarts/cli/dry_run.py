"""The commands `dry-run`, and `rebuild` of a dry run: a job on this machine, from its checks to its results."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import cast

import obs_sync
from modelarts.cli import options as given
from modelarts.cli.answer import Answer, Echo, fail_on
from modelarts.cloud.request import rebuilt_name
from modelarts.dryrun.container import Storage
from modelarts.dryrun.dryrun import DryRun, DryRunOptions
from modelarts.dryrun.launcher import STOPPED
from modelarts.dryrun.state import DryRunState
from modelarts.jobs.checks import check_definition, check_in_use, check_storage, setting_notes
from modelarts.jobs.definition import Changes, Placement
from modelarts.jobs.loading import load_job
from src.fill import fill
from src.interrupts import INTERRUPTED


def dry_run(options: argparse.Namespace, echo: Echo) -> Answer:
    """Run a job here, as the platform would."""
    chosen = DryRunOptions(
        storage=given.storage_of(options),
        work=options.work,
        sync_period_s=options.sync_every,
        restarts=options.restarts,
        restart_in=options.restart_in,
        timeout_s=options.timeout,
        install_requirements=not options.no_requirements,
        keep=options.keep,
        echo=echo,
    )
    notes = given.notes_on_stand_in(options)
    return _run(options, options.job, given.changes_of(options), chosen, notes)


def rebuild_dry_run(state: DryRunState, options: argparse.Namespace, echo: Echo) -> Answer:
    """The same dry run again under a new name, with the values that the command line changes."""
    changes = _merged(fill(Changes, state.changes), given.changes_of(options), rebuilt_name(state.name))
    if options.print:
        job = load_job(state.job, changes)
        fail_on(check_definition(job, for_cloud=False))
        return Answer(job.to_dict(), "\n".join(f"--{name}={value}" for name, value in job.arguments().items()))
    storage = fill(Storage, cast("Mapping[str, object]", state.options["storage"]))
    chosen = fill(DryRunOptions, {**state.options, "storage": storage, "work": options.work, "echo": echo})
    if options.storage_mode != "auto":
        chosen = replace(chosen, storage=given.storage_of(options))
    return _run(options, state.job, changes, chosen, ())


def _run(
    options: argparse.Namespace, word: str, changes: Changes, chosen: DryRunOptions, notes: tuple[str, ...]
) -> Answer:
    job = load_job(word, changes)
    filesystem = obs_sync.ObsFileSystem(storage_mode=chosen.storage.mode, obs_local_root=chosen.storage.local_root)
    fail_on(check_definition(job, for_cloud=False))
    fail_on(check_storage(job, filesystem, for_cloud=False) + check_in_use(job, given.outputs_here(options)))
    stop = threading.Event()
    run = DryRun(job, chosen, stop, changes)
    with _stopping_on_signal(stop) as signals:
        code = run.run()
    notes = (*notes, *setting_notes(job), *_left_out(job.placement))
    if code == STOPPED and signal.SIGINT in signals:
        code = INTERRUPTED
        notes = (*notes, "interrupted: the job was stopped; the same command continues from its last checkpoint")
    return Answer(asdict(run.state), dry_run_text(run.state), code, notes)


def _left_out(placement: Placement) -> list[str]:
    """A note on the placement settings that a dry run does not simulate."""
    names = ("pool", "priority", "auto_stop_hours", "image", "command", "volumes")
    given = [name for name in names if getattr(placement, name) != getattr(Placement(), name)]
    what = "; the boot file runs with this machine's Python" if placement.image else ""
    return [f"not simulated by a dry run: {', '.join(given)}{what}"] if given else []


def dry_run_text(state: DryRunState) -> str:
    """The state of a dry run, and where its log and results are."""
    code = "" if state.exit_code is None else f", exit code {state.exit_code}"
    lines = [f"{state.id}  {state.phase}{code}  {state.name}", *(f"log: {log}" for log in state.logs().values())]
    lines.append(f"log in OBS: {_where(state.log_path, state)}")
    lines += [f"results: {_where(url, state)}" for url in state.outputs]
    return "\n".join([*lines, *([state.message] if state.message else [])])


def _merged(old: Changes, new: Changes, name: str) -> Changes:
    """The earlier changes with the new ones over them."""
    return Changes(
        {**old.values, **new.values},
        name=new.name or name,
        bucket=new.bucket or old.bucket,
        prefix=new.prefix or old.prefix,
        pass_as=new.pass_as or old.pass_as,
        cards=new.cards or old.cards,
        flavour=new.flavour or old.flavour,
        pool=new.pool or old.pool,
        nodes=new.nodes or old.nodes,
    )


def _where(url: str, state: DryRunState) -> str:
    """A URL and, where a local folder stands in for OBS, the folder behind it."""
    if not state.local_root or not obs_sync.is_url(url):
        return url
    return f"{url} ({Path(state.local_root, *obs_sync.split(url))})"


@contextmanager
def _stopping_on_signal(stop: threading.Event) -> Iterator[list[int]]:
    """Have SIGTERM and Ctrl-C stop the job as the platform would; yields the signals received."""
    received: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        received.append(number)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
