"""The commands of `python -m modelarts`; each returns its output and exit code."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace

import obs_sync
from modelarts.cli import options as given
from modelarts.cli.answer import MISTAKES, Answer, Echo, fail_on
from modelarts.cli.dry_run import dry_run_text, rebuild_dry_run
from modelarts.cli.log_tail import follow_cloud, follow_file, last_error, last_error_of_cloud
from modelarts.cli.tables import (
    LIST_HEAD,
    aligned,
    cloud_lines,
    cloud_row,
    console_rows,
    dry_run_row,
    hyperparameter_lines,
    job_rows,
)
from modelarts.cloud.client import RUNNING_PHASES, Cloud
from modelarts.cloud.errors import CloudError
from modelarts.cloud.profile import has_profile
from modelarts.cloud.request import Body, job_body, outputs_of, rebuilt_body, rebuilt_name
from modelarts.dryrun.state import ask_to_stop, dry_runs, find_dry_run
from modelarts.jobs.checks import (
    check_definition,
    check_in_use,
    check_storage,
    check_submission,
    code_notes,
    outputs_in_use,
    setting_notes,
)
from modelarts.jobs.code_folder import code_files, upload_code
from modelarts.jobs.definition import JobSpec
from modelarts.jobs.loading import is_declared, job_keys, load_job
from src.checks import did_you_mean
from src.plural import plural


def jobs(options: argparse.Namespace, _: Echo) -> Answer:
    """The declared jobs."""
    found = [load_job(key, given.changes_of(options)) for key in job_keys()]
    rows = [[job.key, job.name, plural(job.cards, "card"), job.description] for job in found]
    return Answer([job.to_dict() for job in found], aligned(rows))


def show(options: argparse.Namespace, _: Echo) -> Answer:
    """One definition, or the table for the console."""
    job = given.job_of(options)
    if options.console:
        rows = console_rows(job)
        return Answer([{"field": name.strip(), "value": value} for name, value in rows], aligned(rows))
    text = "\n".join([aligned(job_rows(job)), "hyperparameters", *hyperparameter_lines(job)])
    return Answer(job.to_dict(), text)


def check(options: argparse.Namespace, _: Echo) -> Answer:
    """All mistakes in the given jobs; without any, in every declared job."""
    problems: list[str] = []
    notes: list[str] = []
    words = options.job or job_keys()
    for word in words:
        job = load_job(word, given.changes_of(options))
        found, remarks = _all_mistakes(job, options)
        prefix = f"{job.key}: " if len(words) > 1 else ""
        problems += [prefix + one for one in found]
        notes += [prefix + one for one in remarks]
    text = "\n".join(problems) if problems else f"no mistakes in {', '.join(words)}"
    data = {"mistakes": problems, "notes": notes}
    return Answer(data, text, MISTAKES if problems else 0, tuple(notes))


def submit(options: argparse.Namespace, _: Echo) -> Answer:
    """Create the job on the platform, or show the request's body."""
    return _submitted(given.job_of(options), options)


def _submitted(job: JobSpec, options: argparse.Namespace) -> Answer:
    body = job_body(job)
    if options.print:
        fail_on(check_definition(job))
        return Answer(body, _pretty(body), notes=tuple(check_submission(job)))
    fail_on(check_definition(job) + check_submission(job))
    cloud = given.cloud_for(job, options)
    problems, notes = _all_mistakes(job, options, cloud)
    fail_on(problems)
    return replace(_created(cloud.create(body), job.name), notes=tuple(notes))


def rebuild(options: argparse.Namespace, echo: Echo) -> Answer:
    """The same job again with a new name and some values changed: a dry run, a declared job, or one of the platform."""
    state = None if is_declared(options.job) else find_dry_run(options.job, options.work)
    if state is not None:
        return rebuild_dry_run(state, options, echo)
    if is_declared(options.job):
        job = given.job_of(options)
        return _submitted(replace(job, name=options.name or rebuilt_name(job.name)), options)
    cloud = given.cloud_of(options, f"{options.job}: is not a declared job ({', '.join(job_keys())})")
    body = rebuilt_body(
        cloud.request_body(cloud.show(cloud.id_of(options.job))), given.values_of(options), options.name
    )
    if options.print:
        return Answer(body, _pretty(body))
    fail_on(outputs_in_use(outputs_of(body), given.outputs_of_running(options, cloud)))
    return _created(cloud.create(body), body["metadata"]["name"])


def list_jobs(options: argparse.Namespace, _: Echo) -> Answer:
    """The newest jobs on the platform, and the dry runs on this machine."""
    states = [] if options.cloud_only else dry_runs(options.work)
    found: list[Body] = []
    notes: tuple[str, ...] = ()
    if options.cloud_only or has_profile(os.environ, options.profile):
        found = given.cloud_of(options).jobs(options.limit)
    else:
        notes = ("dry runs only: access to the platform is not set up (see docs/console.md)",)
    found.reverse()  # the platform answers the newest first
    rows = [dry_run_row(state) for state in states] + [cloud_row(one) for one in found]
    text = aligned([LIST_HEAD, *rows]) if rows else "no jobs"
    return Answer({"dry_runs": [asdict(s) for s in states], "jobs": found}, text, notes=notes)


def status(options: argparse.Namespace, _: Echo) -> Answer:
    """The state of a job."""
    state = find_dry_run(options.id, options.work)
    if state is not None:
        existing = [log for log in state.logs().values() if log.is_file()]
        errors = (last_error(log.read_text(encoding="utf-8", errors="replace")) for log in existing)
        error = next(filter(None, errors), "")
        return Answer({**asdict(state), "last_error": error}, _with_error(dry_run_text(state), error))
    cloud = given.cloud_of_id(options)
    details = cloud.show(cloud.id_of(options.id))
    error = last_error_of_cloud(cloud, details)
    return Answer({**details, "last_error": error}, _with_error("\n".join(cloud_lines(details)), error))


def _with_error(text: str, error: str) -> str:
    return f"{text}\nlast error: {error}" if error else text


def logs(options: argparse.Namespace, echo: Echo) -> Answer:
    """A job's log so far; with --follow until the job ends. Printed as it grows; with --json returned as one text."""
    parts: list[str] = []
    out = parts.append if options.json else echo
    state = find_dry_run(options.id, options.work)
    if state is not None:
        job_id, phase = state.id, follow_file(state, options.work, options.task, options.follow, out)
    else:
        cloud = given.cloud_of_id(options)
        job_id = cloud.id_of(options.id)
        phase = follow_cloud(cloud, job_id, options.task, options.follow, out)
    return Answer({"id": job_id, "phase": phase, "log": "".join(parts)}, "", notes=(f"{job_id} is {phase}",))


def stop(options: argparse.Namespace, _: Echo) -> Answer:
    """Stop a running job."""
    state = find_dry_run(options.id, options.work)
    if state is not None:
        ask_to_stop(state, options.work)
        return _stopping(state.id)
    cloud = given.cloud_of_id(options)
    job_id = cloud.id_of(options.id, RUNNING_PHASES)
    cloud.stop(job_id)
    return _stopping(job_id)


def _stopping(job_id: str) -> Answer:
    text = f"{job_id}: stop requested; its processes have 15 s to exit; see: python -m modelarts status {job_id}"
    return Answer({"id": job_id, "stopping": True}, text)


def upload(options: argparse.Namespace, _: Echo) -> Answer:
    """Copy the code of jobs to their code dirs."""
    results, lines = [], []
    for word in options.job or job_keys():
        job = load_job(word, given.changes_of(options))
        fail_on([one for one in check_definition(job) if one.startswith(("code", "boot_file"))])
        filesystem = given.filesystem_of(options)
        if not options.only_list:
            obs_sync.create_local_buckets([job.code_dir], filesystem)
            results.append(upload_code(job, filesystem))
        else:
            results.append(_would_upload(job, filesystem))
            sizes = code_files(job)
            lines += [f"{sizes[name]:>12,}  {name}" for name in sorted(results[-1].copied)]
        lines.append(results[-1].summary())
    return Answer([result.to_dict() for result in results], "\n".join(lines), notes=given.notes_on_stand_in(options))


def _would_upload(job: JobSpec, filesystem: obs_sync.ObsFileSystem) -> obs_sync.TransferResult:
    """What `upload_code` would copy: everything, if the local folder that stands in for OBS has no bucket yet."""
    if given.has_bucket(filesystem, job):
        return upload_code(job, filesystem, dry_run=True)
    names = sorted(code_files(job))
    return obs_sync.TransferResult(str(job.code_folder), job.code_dir, dry_run=True, listed=len(names), copied=names)


def _all_mistakes(job: JobSpec, options: argparse.Namespace, cloud: Cloud | None = None) -> tuple[list[str], list[str]]:
    """Mistakes, and notes, also on what could not be checked."""
    problems, notes = check_definition(job), []
    if not problems:
        notes += [*setting_notes(job), *check_submission(job)]
        filesystem = given.filesystem_of(options)
        if given.has_bucket(filesystem, job):
            problems += check_storage(job, filesystem)
            notes += code_notes(job, filesystem)
        else:
            bucket, folder = job.code_dir.split("/")[2], options.obs_local_root
            notes.append(f"data and code were not checked: {folder}, which stands in for OBS, has no bucket {bucket}")
    if cloud is None and has_profile(os.environ, options.profile):
        cloud = given.cloud_for(job, options)
    if cloud is None:
        notes.append("engines, flavours and outputs in use were not checked: access to the platform is not set up")
    else:
        problems += _not_offered(job, cloud)
    return problems + check_in_use(job, given.outputs_of_running(options, cloud)), [
        *notes,
        *given.notes_on_stand_in(options),
    ]


def _not_offered(job: JobSpec, cloud: Cloud) -> list[str]:
    """The engine and the flavour if the platform does not list them; dedicated pools have their own flavours."""
    wanted = [] if job.placement.image else [("engine", job.engine_version, cloud.engines())]
    if job.flavour and not job.placement.pool:
        wanted.append(("flavour", job.flavour, cloud.flavours()))
    return [
        f"{key}: the platform does not offer {name}{did_you_mean(name, offered)}; see: python -m modelarts offers"
        for key, name, offered in wanted
        if offered and name not in offered
    ]


def offers(options: argparse.Namespace, _: Echo) -> Answer:
    """The engines and flavours of the platform."""
    cloud = given.cloud_of(options)
    engines, flavours = cloud.engines(), cloud.flavours()
    rows = [["engine", name, text] for name, text in engines.items()]
    rows += [["flavour", name, text] for name, text in flavours.items()]
    return Answer({"engines": engines, "flavours": flavours}, aligned(rows) or "the platform offers nothing")


def _created(answer: Body, name: str) -> Answer:
    job_id = (answer.get("metadata") or {}).get("id")
    if not job_id:
        raise CloudError(f"{name}: the platform returned no job id; see: python -m modelarts list")
    return Answer(dict(answer), f"{job_id}  {name}\nfollow it with: python -m modelarts logs {job_id} --follow")


def _pretty(body: Body) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2)
