"""Every mistake in a job, one line each: in the definition itself, in the code folder, and against what lies in OBS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import obs_sync
from modelarts.jobs.code_folder import code_files, limits_exceeded, upload_code
from modelarts.jobs.definition import INFERENCE_BOOT_FILE, TRAINING_BOOT_FILE, Job
from obs_sync import under
from src.errors import ConfigError
from src.model_utils.config import build_config, setting_types

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DESCRIPTION_LIMIT, _VARIABLES_LIMIT, _VALUE_LIMIT = 256, 100, 4096
RESUME_KEY, NO_RESUME = "resume", "never"


def check_definition(job: Job, for_cloud: bool = True) -> list[str]:
    """Mistakes that show without a look at OBS. `for_cloud` is False for a dry-run: its inputs may be local folders."""
    return [
        *job.problems,
        *_check_texts(job),
        *_check_variables(job.environment),
        *_check_channels(job),
        *_check_urls(job, for_cloud),
        *_check_settings(job),
        *check_code(job),
    ]


def check_code(job: Job) -> list[str]:
    """The boot file must be among the code, and the code within the platform's limits."""
    try:
        files = code_files(job)
    except ConfigError as error:
        return [str(error)]
    problems = limits_exceeded(files, str(job.code_folder))
    if not job.boot_file.endswith(".py"):
        problems.append(f"boot_file: {job.boot_file} is no .py file")
    elif job.boot_file not in files:
        problems.append(f"boot_file: {job.boot_file} is missing in the code dir {job.code_folder}")
    return problems


def check_storage(job: Job, filesystem: obs_sync.ObsFileSystem, for_cloud: bool = True) -> list[str]:
    """Mistakes that only a look into OBS shows: missing inputs, an output that is not empty, too large a code dir."""
    problems: list[str] = []
    missing: list[str] = []
    for name, path in read_paths(job).items():
        inside_a_missing_one = any(_overlap(path, other) for other in missing)
        if not inside_a_missing_one and not obs_sync.exists(path, filesystem=filesystem):
            missing.append(path)
            problems.append(f"{name}: {path}: nothing is there; put it there, or name another place: --set {name}=…")
    for output in job.outputs:
        if not resumes(job) and obs_sync.exists(output.url, filesystem=filesystem):
            problems.append(
                f"{output.name}: {output.url} is not empty and resume is off; "
                f"choose an empty folder or {RESUME_KEY}=auto"
            )
    if for_cloud:
        problems += _check_uploaded_code(job, filesystem)
    return problems


def code_notes(job: Job, filesystem: obs_sync.ObsFileSystem) -> list[str]:
    """What to know before submitting: that the uploaded code is not the code that lies here."""
    if not obs_sync.exists(job.code_dir, filesystem=filesystem):
        return []
    here = code_files(job)
    notes = []
    changed = upload_code(job, filesystem, dry_run=True).copied
    if changed:
        text = f"{job.code_dir}: {_some(changed)} not there as in {job.code_folder}"
        notes.append(f"{text}; run: python -m modelarts upload-code {job.key}")
    surplus = [name for name in obs_sync.list_files(job.code_dir, filesystem=filesystem) if name not in here]
    if surplus:
        notes.append(f"{job.code_dir}: {_some(surplus)} there but not in {job.code_folder}")
    return notes


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(sorted(names)[:3])}{more} {'is' if len(names) == 1 else 'are'}"


def check_in_use(job: Job, running: Mapping[str, Iterable[str]]) -> list[str]:
    """Outputs that another job writes now; `running` has the outputs of each by its id."""
    return [f"{one.name}: {text}" for one in job.outputs for text in outputs_in_use([one.url], running)]


def outputs_in_use(urls: Iterable[str], running: Mapping[str, Iterable[str]]) -> list[str]:
    """One line for each of the addresses that one of the running jobs writes."""
    return [
        f"{url} is in use by job {other}; stop that or choose another folder"
        for url in urls
        for other, used in running.items()
        if any(_overlap(url, one) for one in used)
    ]


def resumes(job: Job) -> bool:
    """Whether the job goes on from checkpoints that it finds in its output."""
    return job.values.get(RESUME_KEY, "auto" if RESUME_KEY in setting_types() else NO_RESUME) != NO_RESUME


def read_paths(job: Job) -> dict[str, str]:
    """What the job reads, by the argument's name; a folder comes before what lies in it."""
    values = {**job.values, **{channel.name: channel.url for channel in job.inputs}}
    found = {channel.name: channel.url for channel in job.inputs}
    if job.boot_file == INFERENCE_BOOT_FILE:
        found.update(_inference_reads(values))
    elif job.boot_file == TRAINING_BOOT_FILE:
        found.update(_training_reads(values))
    folders = [channel.url for channel in job.inputs]
    return {  # other local paths are those of the container, which is not there yet
        name: path
        for name, path in found.items()
        if path and (obs_sync.is_url(path) or any(_overlap(path, folder) for folder in folders))
    }


def _training_reads(values: Mapping[str, str]) -> dict[str, str]:
    names = ("imgpath_train", "jsonpath_train", "maskpath_train")
    data = values.get("data_url", "")
    found = {"data_url": data, **{name: under(data, values[name]) for name in names if values.get(name)}}
    found["vgg_path"] = values.get("vgg_path", "")
    folder = values.get("pretrained_model_folder_path_obs", "")
    if folder and values.get("load_pretrain", "").lower() == "true":
        found["pretrained_model_folder_path_obs"] = folder
        found["pretrained_model_filename"] = under(folder, values.get("pretrained_model_filename", ""))
    return found


def _inference_reads(values: Mapping[str, str]) -> dict[str, str]:
    if values.get("is_model_arts", "").lower() != "true":
        return {}
    pictures = values.get("pic_folder_path_obs", "").replace(
        "{target_action_type}", values.get("target_action_type", "")
    )
    checkpoints = values.get("checkpoint_folder_path_obs", "")
    found = {"pic_folder_path_obs": pictures, "checkpoint_folder_path_obs": checkpoints}
    if checkpoints:
        found["checkpoint_filename"] = under(checkpoints, values.get("checkpoint_filename", ""))
    if pictures and values.get("is_batch_pics", "").lower() == "false":
        found["filename_to_infer"] = under(pictures, values.get("filename_to_infer", ""))
    return found


def _check_texts(job: Job) -> list[str]:
    problems = []
    if not _NAME.fullmatch(job.name):
        problems.append(f"name: '{job.name}' must be 1 to 64 letters, digits, - and _")
    if len(job.description) > _DESCRIPTION_LIMIT:
        problems.append(f"description: {len(job.description)} characters, the platform takes {_DESCRIPTION_LIMIT}")
    if not job.flavour:
        problems.append(f"flavour: none is known for {job.cards} cards; add it to flavours in common.yaml")
    if not job.engine_name or not job.engine_version:
        problems.append("engine: name and version are needed")
    return problems


def _check_variables(environment: Mapping[str, str]) -> list[str]:
    problems = []
    if len(environment) > _VARIABLES_LIMIT:
        problems.append(f"environment: {len(environment)} variables, the platform takes {_VARIABLES_LIMIT}")
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            problems.append(f"environment: '{name}' is no name for a variable")
        elif name.startswith("MA_") or name == "ENABLE_HTTPS":
            problems.append(f"environment: {name} belongs to the platform; choose another name")
        elif len(value) > _VALUE_LIMIT:
            problems.append(f"environment: {name} has {len(value)} characters, the platform takes {_VALUE_LIMIT}")
        elif "$" in value:
            problems.append(f"environment: {name} holds a $, which the platform does not fill in")
    return problems


def _check_channels(job: Job) -> list[str]:
    known = setting_types()
    names = [channel.name for channel in (*job.inputs, *job.outputs)]
    problems = [
        f"{name}: is no setting, so the boot file would ignore this channel" for name in names if name not in known
    ]
    problems += [f"{name}: is both an input and an output" for name in {n for n in names if names.count(n) > 1}]
    for output in job.outputs:
        for place, url in (("the code dir", job.code_dir), *((f"input {one.name}", one.url) for one in job.inputs)):
            if _overlap(output.url, url):
                problems.append(f"{output.name}: {output.url} lies in {place} {url}, or that in it; keep them apart")
    if _overlap(job.log_path, job.code_dir):
        problems.append(f"log_path: {job.log_path} lies in the code dir, which the platform downloads; keep them apart")
    return problems


def _check_urls(job: Job, for_cloud: bool) -> list[str]:
    urls = {"code_dir": job.code_dir, "log_path": job.log_path, **{one.name: one.url for one in job.outputs}}
    if for_cloud:
        urls.update({one.name: one.url for one in job.inputs})
    problems = []
    for name, url in urls.items():
        if not obs_sync.is_url(url):
            problems.append(f"{name}: {url or 'empty'} is no address like obs://bucket/folder/")
            continue
        try:
            obs_sync.split(url)
        except obs_sync.Refused as error:
            problems.append(f"{name}: {error}")
    return problems


def _check_settings(job: Job) -> list[str]:
    """Values that contradict each other; only looked at when each of them is right by itself."""
    if job.problems:
        return []
    try:
        build_config({name: value for name, value in job.values.items() if name in setting_types()})
    except ConfigError as error:
        return [str(error)]
    return []


def _check_uploaded_code(job: Job, filesystem: obs_sync.ObsFileSystem) -> list[str]:
    if not obs_sync.exists(job.code_dir, filesystem=filesystem):
        return [f"code_dir: {job.code_dir}: nothing is there; run: python -m modelarts upload-code {job.key}"]
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
