"""Validation of a job: one line per mistake in its definition, in its code folder and in OBS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import obs_sync
from modelarts.job_inputs import INFERENCE, REFUSAL_PREFIX, TRAINING, job_inputs, setting_problems
from modelarts.jobs.code_folder import code_files, limits_exceeded, upload_code
from modelarts.jobs.definition import INFERENCE_BOOT_FILE, MSRUN, MSRUN_VARIABLE, PROBE, TRAINING_BOOT_FILE, JobSpec
from modelarts.jobs.hardware import chip_of_engine, hardware_mistakes
from modelarts.jobs.hyperparameters import ACTION_KEY, not_in_console_alphabet
from src.errors import ConfigError
from src.model_utils.config import Config, build_config, setting_types
from src.model_utils.unused import unused_settings
from src.plural import plural

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DESCRIPTION_LIMIT, _VARIABLES_LIMIT, _VALUE_LIMIT = 256, 100, 4096
RESUME_KEY, NO_RESUME = "resume", "never"
JOB_OF_BOOT_FILE = {TRAINING_BOOT_FILE: TRAINING, INFERENCE_BOOT_FILE: INFERENCE}


def check_definition(job: JobSpec, for_cloud: bool = True) -> list[str]:
    """Mistakes found without accessing OBS. `for_cloud` is False for a dry run, whose inputs may be local folders."""
    return [
        *job.problems,
        *_check_texts(job),
        *_check_variables(job.environment),
        *_check_channels(job),
        *_check_urls(job, for_cloud),
        *_check_placement(job),
        *hardware_mistakes(job),
        *_check_hints(job),
        *_check_settings(job),
        *check_code(job),
    ]


def check_code(job: JobSpec) -> list[str]:
    """The code folder must contain the boot file and stay within the platform's limits."""
    try:
        files = code_files(job)
    except ConfigError as error:
        return [str(error)]
    problems = limits_exceeded(files, str(job.code_folder))
    if not job.boot_file.endswith(".py"):
        problems.append(f"boot_file: {job.boot_file} is not a .py file")
    elif job.boot_file not in files:
        problems.append(f"boot_file: {job.boot_file} is missing in the code dir {job.code_folder}")
    return problems


def check_storage(job: JobSpec, filesystem: obs_sync.ObsFileSystem, for_cloud: bool = True) -> list[str]:
    """Mistakes found in OBS: missing inputs, a non-empty output that would not be resumed, an oversized code folder."""
    problems: list[str] = []
    missing: list[str] = []
    for name, path in read_paths(job).items():
        is_below_missing = any(_overlap(path, other) for other in missing)
        if not is_below_missing and not obs_sync.exists(path, filesystem=filesystem):
            missing.append(path)
            setting, *_ = name.split(",")  # of "data_url, set 2"
            problems.append(f"{name}: {path}: not found; upload it, or choose another address: --set {setting}=…")
    for output in job.outputs:
        if not resumes(job) and _holds_results(output.url, filesystem):
            problems.append(
                f"{output.name}: {output.url} is not empty and resume is off; "
                f"choose an empty folder or {RESUME_KEY}=auto"
            )
    if for_cloud:
        problems += _check_uploaded_code(job, filesystem)
    return problems


def _holds_results(url: str, filesystem: obs_sync.ObsFileSystem) -> bool:
    """Whether an output holds more than the markers of jobs that failed on invalid input."""
    if not obs_sync.exists(url, filesystem=filesystem):
        return False
    return not all(name.startswith(REFUSAL_PREFIX) for name in obs_sync.list_files(url, filesystem=filesystem))


def code_notes(job: JobSpec, filesystem: obs_sync.ObsFileSystem) -> list[str]:
    """Differences between the uploaded code and the local code."""
    if not obs_sync.exists(job.code_dir, filesystem=filesystem):
        return []
    here = code_files(job)
    notes = []
    changed = upload_code(job, filesystem, dry_run=True).copied
    if changed:
        text = f"{job.code_dir}: missing or different from {job.code_folder}: {_some(changed)}"
        notes.append(f"{text}; run: python -m modelarts upload-code {job.key}")
    surplus = [name for name in obs_sync.list_files(job.code_dir, filesystem=filesystem) if name not in here]
    if surplus:
        notes.append(f"{job.code_dir}: not in {job.code_folder}: {_some(surplus)}")
    return notes


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(sorted(names)[:3])}{more}"


def check_in_use(job: JobSpec, running: Mapping[str, Iterable[str]]) -> list[str]:
    """Outputs that another job is writing to; `running` maps the ids of running jobs to their outputs."""
    return [f"{one.name}: {text}" for one in job.outputs for text in outputs_in_use([one.url], running)]


def outputs_in_use(urls: Iterable[str], running: Mapping[str, Iterable[str]]) -> list[str]:
    """One line for each of the addresses that a running job is writing to."""
    return [
        f"{url} is in use by job {other}; stop that job or choose another folder"
        for url in urls
        for other, used in running.items()
        if any(_overlap(url, one) for one in used)
    ]


def resumes(job: JobSpec) -> bool:
    """Whether the job resumes from checkpoints in its output."""
    return typed_config(job).resume != NO_RESUME


def read_paths(job: JobSpec) -> dict[str, str]:
    """What the job reads from OBS or from this machine, by setting; a folder precedes its content.

    Other local paths are those of the container, which does not exist yet.
    """
    found = {channel.name: address for channel in job.inputs for address in channel.addresses[:1]}
    kind = JOB_OF_BOOT_FILE.get(job.boot_file)
    if kind is not None:
        found.update(job_inputs(kind, typed_config(job)))
    folders = [address for channel in job.inputs for address in channel.addresses]
    return {
        name: path
        for name, path in found.items()
        if path and (obs_sync.is_url(path) or any(_overlap(path, folder) for folder in folders))
    }


def typed_config(job: JobSpec) -> Config:
    """The configuration that the job's boot file will build; ConfigError when that would fail."""
    channels = {channel.name: channel.url for channel in (*job.inputs, *job.outputs)}
    known = setting_types()
    return build_config({name: value for name, value in {**job.values, **channels}.items() if name in known})


def _check_texts(job: JobSpec) -> list[str]:
    problems = []
    if not _NAME.fullmatch(job.name):
        problems.append(f"name: '{job.name}' must be 1 to 64 letters, digits, - and _")
    if len(job.description) > _DESCRIPTION_LIMIT:
        problems.append(f"description: {len(job.description)} characters, the platform allows {_DESCRIPTION_LIMIT}")
    if not job.placement.image and not (job.engine_name and job.engine_version):
        problems.append("engine: name and version are needed")
    return problems


def _check_variables(environment: Mapping[str, str]) -> list[str]:
    problems = []
    if len(environment) > _VARIABLES_LIMIT:
        problems.append(f"environment: {len(environment)} variables, the platform allows {_VARIABLES_LIMIT}")
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            problems.append(f"environment: '{name}' is not a valid variable name")
        elif name == MSRUN_VARIABLE and value != MSRUN:
            problems.append(f"environment: {name}={value}: only {MSRUN} is supported; set that, or remove it")
        elif name != MSRUN_VARIABLE and (name.startswith("MA_") or name == "ENABLE_HTTPS"):
            problems.append(f"environment: {name} is reserved by the platform; choose another name")
        elif len(value) > _VALUE_LIMIT:
            problems.append(f"environment: {name} has {len(value)} characters, the platform allows {_VALUE_LIMIT}")
        elif "$" in value:
            problems.append(f"environment: {name} contains a $, which the platform does not expand")
    return problems


def _check_placement(job: JobSpec) -> list[str]:
    where = job.placement
    problems = []
    if where.priority and not where.pool:
        problems.append("priority: applies only in a dedicated pool; set pool, or remove priority")
    if where.command and not where.image:
        problems.append("command: requires a custom image; set image, or remove command")
    if where.image and not where.command and job.cards * job.nodes > 1:
        problems.append(
            "command: a custom image is started once per node; set a command that starts one process per card"
        )
    return problems


def check_submission(job: JobSpec) -> list[str]:
    """Mistakes that matter only when the job is submitted, in addition to `check_definition`."""
    if job.flavour:
        return []
    chip = chip_of_engine(job)
    cards = f"{plural(job.cards, 'card')} of {chip}" if chip else plural(job.cards, "card")
    step = "list them with: python -m modelarts offers; then pass --flavour NAME or set flavours in"
    return [f"flavour: not set for {cards}; {step} modelarts/jobs/common.yaml"]


def _check_channels(job: JobSpec) -> list[str]:
    known = setting_types()
    names = [channel.name for channel in (*job.inputs, *job.outputs)]
    problems = [
        f"{name}: is not a setting, so the boot file would ignore this channel"
        for name in names
        if name not in known and job.kind != PROBE
    ]
    problems += [f"{name}: is both an input and an output" for name in {n for n in names if names.count(n) > 1}]
    inputs = [(f"input {one.name}", address) for one in job.inputs for address in one.addresses]
    for output in job.outputs:
        for what, url in (("the code dir", job.code_dir), *inputs):
            if _overlap(output.url, url):
                problems.append(f"{output.name}: {output.url} overlaps {what} {url}; keep them apart")
    if _overlap(job.log_path, job.code_dir):
        problems.append(f"log_path: {job.log_path} overlaps the code dir, which is downloaded; keep them apart")
    return problems


def _check_urls(job: JobSpec, for_cloud: bool) -> list[str]:
    channels = (*job.outputs, *(job.inputs if for_cloud else ()))
    urls = [(channel.name, address) for channel in channels for address in channel.addresses]
    problems = []
    for name, url in (("code_dir", job.code_dir), ("log_path", job.log_path), *urls):
        if not obs_sync.is_url(url):
            problems.append(f"{name}: {url or 'empty'} is not an address like obs://bucket/folder/")
            continue
        try:
            obs_sync.split(url)
        except obs_sync.InvalidRequest as error:
            problems.append(f"{name}: {error}")
    return problems


def setting_notes(job: JobSpec) -> list[str]:
    """Changed settings that have no effect in this job."""
    kind = JOB_OF_BOOT_FILE.get(job.boot_file)
    if kind is None or job.problems:
        return []
    return [f"no effect: {line}" for line in unused_settings(kind, typed_config(job), job.cards * job.nodes)]


def _check_hints(job: JobSpec) -> list[str]:
    """Hints that the console would reject: texts of the configuration file, or names of declared actions."""
    problems = []
    for one in job.hyperparameters:
        rejected = not_in_console_alphabet(one.hint + one.hint_zh)
        if rejected:
            where = "the names of the actions" if one.name == ACTION_KEY else "help and help_zh in default_config.yaml"
            problems.append(f"{one.name}: the console rejects {rejected} in a hint; change {where}")
    return problems


def _check_settings(job: JobSpec) -> list[str]:
    """Values that contradict each other or are incomplete; checked only if each is valid on its own."""
    if job.problems:
        return []
    try:
        config = typed_config(job)
    except ConfigError as error:
        return [str(error)]
    kind = JOB_OF_BOOT_FILE.get(job.boot_file)
    return setting_problems(kind, config) if kind is not None else []


def _check_uploaded_code(job: JobSpec, filesystem: obs_sync.ObsFileSystem) -> list[str]:
    if not obs_sync.exists(job.code_dir, filesystem=filesystem):
        return [f"code_dir: {job.code_dir}: not found; run: python -m modelarts upload-code {job.key}"]
    files = obs_sync.list_files(job.code_dir, filesystem=filesystem)
    problems = limits_exceeded(files, job.code_dir)
    if job.boot_file not in files:
        problems.append(
            f"boot_file: {job.code_dir}{job.boot_file}: missing; run: python -m modelarts upload-code {job.key}"
        )
    return problems


def _overlap(url: str, other: str) -> bool:
    a, b = (obs_sync.join(one, "") if obs_sync.is_url(one) else one.rstrip("/") + "/" for one in (url, other))
    return a.startswith(b) or b.startswith(a)
