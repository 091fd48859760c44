"""Bodies of requests that create a job (POST /v2/{project}/training-jobs), from a definition or an existing job."""

from __future__ import annotations

import copy
import random
import re
import shlex
from collections.abc import Mapping
from typing import Any

import obs_sync
from modelarts.jobs.definition import BOOT_FILES, URL, Channel, JobSpec
from modelarts.jobs.hyperparameters import Hyperparameter, hyperparameters
from src.checks import did_you_mean
from src.errors import ConfigError
from src.model_utils.config import setting_types

Body = dict[str, Any]  # a JSON object as the platform's API documents it
NAME_LIMIT = 64
COPY_SUFFIX = re.compile(r"-copy-\d{4}$")


def job_body(job: JobSpec) -> Body:
    """The body that `submit` sends; hyperparameter values are text, paths have the platform's form /bucket/folder/."""
    return {
        "kind": "job",
        "metadata": {
            "name": job.name,
            "workspace_id": job.placement.workspace,
            "description": job.description,
            "annotations": _annotations(job),
        },
        "algorithm": _algorithm(job),
        "spec": _spec(job),
    }


def _algorithm(job: JobSpec) -> Body:
    direct = [channel for channel in (*job.inputs, *job.outputs) if channel.pass_as == URL]
    access = "env" if job.placement.image else "parameter"
    algorithm: Body = {
        "code_dir": obs_path(job.code_dir),
        "parameters": [_parameter(one) for one in job.hyperparameters if one.is_passed]
        + [{"name": channel.name, "value": channel.url, "constraint": _constraint("String")} for channel in direct],
        "inputs": [_channel(channel, access) for channel in job.folders(job.inputs)],
        "outputs": [_output(channel, access) for channel in job.folders(job.outputs)],
        **_program(job),
    }
    variables = job.variables()
    return {**algorithm, "environments": variables} if variables else algorithm


def _program(job: JobSpec) -> Body:
    """What is started: the boot file with a preset engine, or a command in a custom image."""
    if not job.placement.image:
        return {
            "boot_file": obs_path(job.code_dir) + job.boot_file,
            "engine": {"engine_name": job.engine_name, "engine_version": job.engine_version},
        }
    return {"engine": {"image_url": job.placement.image}, "command": job.placement.command or default_command(job)}


def default_command(job: JobSpec) -> str:
    """The default command for a custom image: the boot file with all arguments, to be run in the home folder.

    The platform runs it there, without shell builtins, and requires it to end with the training script, to which it
    seems to append the hyperparameters; repeated arguments do no harm.
    """
    folder = job.code_dir.rstrip("/").rsplit("/", 1)[-1]
    arguments = shlex.join(f"--{name}={value}" for name, value in job.arguments().items())
    return f"python ${{MA_JOB_DIR}}/{folder}/{job.boot_file} {arguments}"


def _spec(job: JobSpec) -> Body:
    where = job.placement
    resource: Body = {"node_count": job.nodes}
    if job.flavour:
        resource["flavor_id"] = job.flavour
    if where.pool:
        resource["pool_id"] = where.pool
    spec: Body = {"resource": resource, "log_export_path": {"obs_url": obs_path(job.log_path)}}
    if where.volumes:
        spec["volumes"] = [dict(one) for one in where.volumes]
    if where.auto_stop_hours:
        spec["auto_stop"] = {"time_unit": "HOURS", "duration": where.auto_stop_hours}
    if where.priority:
        spec["schedule_policy"] = {"priority": where.priority}
    return spec


def obs_path(url: str) -> str:
    """`obs://bucket/folder/` as the platform writes it: `/bucket/folder/`."""
    return "/" + url.split("://", 1)[1] if obs_sync.is_url(url) else url


def _parameter(one: Hyperparameter) -> Body:
    return {
        "name": one.name,
        "value": one.value,
        "description": one.hint_zh,
        "i18n_description": {"language": "en-us", "description": one.hint},
        "constraint": _constraint(one.type),
    }


def _constraint(kind: str) -> Body:
    """Choices are listed in the description, as the syntax of ranges differs between editions of the platform."""
    return {
        "type": kind,
        "editable": True,
        "required": False,
        "sensitive": False,
        "valid_type": "None",
        "valid_range": [],
    }


def _channel(channel: Channel, access: str) -> Body:
    return {
        "name": channel.name,
        "access_method": access,
        "remote": {"obs": {"obs_url": obs_path(channel.url)}},
    }


def _output(channel: Channel, access: str) -> Body:
    body = _channel(channel, access)
    if channel.predownload:
        body["prefetch_to_local"] = True
    return body


def _annotations(job: JobSpec) -> dict[str, str]:
    restart = job.auto_restart
    if restart.times == 0:
        return {}
    found = {"fault-tolerance/job-retry-num": str(restart.times)}
    if restart.unconditional:
        found["fault-tolerance/job-unconditional-retry"] = "true"
    if restart.hang:
        found["fault-tolerance/hang-retry"] = "true"
    return found


def rebuilt_name(name: str) -> str:
    """The name that the console would suggest for a rebuilt job: `<name>-copy-<four digits>`."""
    suffix = f"-copy-{random.randrange(10000):04d}"
    return COPY_SUFFIX.sub("", name)[: NAME_LIMIT - len(suffix)] + suffix


def rebuilt_body(body: Body, values: Mapping[str, str], name: str = "") -> Body:
    """The same job under a new name, with hyperparameters, inputs or outputs changed; ConfigError for unknown ones."""
    new = copy.deepcopy(body)
    new["metadata"]["name"] = name or rebuilt_name(str(new["metadata"].get("name", "job")))
    algorithm = new.setdefault("algorithm", {})
    _check_values(str(algorithm.get("boot_file", "")), values)
    parameters = algorithm.setdefault("parameters", [])
    for key, value in values.items():
        if algorithm.get("command"):
            algorithm["command"] = _with_argument(str(algorithm["command"]), key, value)
        found = [one for one in parameters if one.get("name") == key]
        channels = [
            one for part in ("inputs", "outputs") for one in algorithm.get(part) or () if one.get("name") == key
        ]
        if found:
            found[0]["value"] = value
        elif channels:
            channels[0]["remote"] = {"obs": {"obs_url": obs_path(value)}}
        elif key in setting_types():
            parameters.append({"name": key, "value": value})
        else:
            hint = did_you_mean(key, [one.get("name") for one in parameters], cutoff=0.6)
            raise ConfigError(f"unknown hyperparameter '{key}'{hint}: the job has none of that name")
    return new


def _with_argument(command: str, key: str, value: str) -> str:
    """A command with another value of an argument that it already has."""
    pattern = rf"(?<!\S)(?:'--{re.escape(key)}=[^']*'|--{re.escape(key)}=(?:'[^']*'|[^\s'])*)(?!\S)"
    return re.sub(pattern, lambda _: shlex.quote(f"--{key}={value}"), command)


def _check_values(boot_file: str, values: Mapping[str, str]) -> None:
    """ConfigError for values that our own boot files would reject; arguments of other programs are not checked."""
    if boot_file.rsplit("/", 1)[-1] in BOOT_FILES:
        known = {name: value for name, value in values.items() if name in setting_types()}
        _, problems = hyperparameters(known, ())
        if problems:
            raise ConfigError("\n".join(problems))


def outputs_of(body: Body) -> list[str]:
    """The obs:// addresses that a platform job writes its outputs to."""
    algorithm = body.get("algorithm") or {}
    found = [((one.get("remote") or {}).get("obs") or {}).get("obs_url") for one in algorithm.get("outputs") or ()]
    found += [one.get("value") for one in algorithm.get("parameters") or () if one.get("name") == "train_url"]
    return [obs_sync.join("obs://" + url.split("://")[-1].lstrip("/"), "") for url in found if url]
