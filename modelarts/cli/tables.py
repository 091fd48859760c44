"""Jobs as text for people: lists, a definition, and the table to copy into the console's form."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast

from modelarts.cloud.request import COPY_SUFFIX as _COPY
from modelarts.cloud.request import Body, default_command, obs_path, outputs_of
from modelarts.dryrun.state import DryRunState
from modelarts.jobs.definition import JobSpec, Placement
from modelarts.jobs.hardware import chip_of_engine
from modelarts.jobs.loading import is_declared, load_job
from src.model_utils.config import read_settings
from src.plural import plural
from src.progress import clock

Row = tuple[str, str]
TO_BE_CHOSEN = "choose one of your region: --flavour NAME, or flavours in modelarts/jobs/common.yaml"


def job_rows(job: JobSpec) -> list[Row]:
    """A definition as pairs of field and value, under the names of the YAML files."""
    channels = [
        (f"{part} {one.name}", f"{one.url} (passed as {one.pass_as}{', predownloaded' if one.predownload else ''})")
        for part, channels in (("input", job.inputs), ("output", job.outputs))
        for one in channels
    ]
    restart = job.auto_restart
    return [
        ("job", job.key),
        ("name", job.name),
        ("description", job.description),
        ("code_dir", job.code_dir),
        ("boot_file", job.boot_file),
        *([] if job.placement.image else [("engine", f"{job.engine_name} {job.engine_version}")]),
        ("flavour", job.flavour or f"to be chosen ({TO_BE_CHOSEN})"),
        ("nodes", f"{job.nodes} with {plural(job.cards, 'card')} each"),
        *channels,
        ("log_path", job.log_path),
        *((f"variable {name}", value) for name, value in job.variables().items()),
        *_placement_rows(job.placement),
        ("auto_restart", f"{restart.times} times, unconditional={restart.unconditional}, hang={restart.hang}"),
    ]


def _placement_rows(placement: Placement) -> list[Row]:
    """The placement settings that differ from the platform's defaults."""
    usual, given = asdict(Placement()), asdict(placement)
    rows = [(name, str(value)) for name, value in given.items() if value != usual[name] and name != "volumes"]
    return rows + [("volume", volume_text(one)) for one in placement.volumes]


def volume_text(volume: Mapping[str, object]) -> str:
    """A mount such as `nfs: nfs_server_path=10.0.0.1:/x local_path=/data read_only=True`."""
    ((kind, given),) = volume.items()
    return f"{kind}: {_pairs({str(key): str(value) for key, value in cast('Mapping[str, object]', given).items()})}"


def hyperparameter_lines(job: JobSpec) -> list[str]:
    """Each hyperparameter with its value, type, choices and hint."""
    lines = []
    for one in job.hyperparameters:
        changed = f" (default {one.default or 'empty'})" if one.value != one.default else ""
        choices = f", one of {', '.join(one.choices)}" if one.choices else ""
        lines.append(f"  {one.name} = {one.value}{changed}")
        lines.append(f"      {one.type}{choices}: {one.hint}")
    return lines


def console_rows(job: JobSpec) -> list[Row]:
    """What to type into which field of the console's form "create training job", from top to bottom."""
    rows = [
        ("名称 Name", job.name),
        ("描述 Description", job.description),
        ("创建方式 Created by", "自定义算法 Custom algorithm"),
        *_program_rows(job),
    ]
    obtained = (
        "  获取方式 Obtained from",
        "环境变量 Environment variables" if job.placement.image else "超参 Hyperparameters",
    )
    for one in job.folders(job.inputs):
        rows.append((f"输入 Input {one.name}", f"数据存储位置 {obs_path(one.url)}"))
        rows.append(obtained)
    for one in job.folders(job.outputs):
        rows.append((f"输出 Output {one.name}", f"数据存储位置 {obs_path(one.url)}"))
        rows.append(obtained)
        rows.append(("  预下载至本地目录 Predownload", _switch(one.predownload)))
    direct = [one for one in (*job.inputs, *job.outputs) if one not in job.folders((*job.inputs, *job.outputs))]
    rows += [(f"超参 Hyperparameter {one.name}", f"{one.url}") for one in direct]
    for hyperparameter in (one for one in job.hyperparameters if one.is_passed):
        rows.append((f"超参 Hyperparameter {hyperparameter.name}", hyperparameter.value))
        rows.append(("  中文提示 Hint in Chinese", hyperparameter.hint_zh))
        rows.append(("  英文提示 Hint in English", hyperparameter.hint))
    rows += [(f"环境变量 Variable {name}", value) for name, value in job.variables().items()]
    restart = job.auto_restart
    cards = f"{job.cards} × Ascend {chip_of_engine(job)}".rstrip()
    rows += [
        ("故障自动重启 Auto restart", f"{_switch(restart.times > 0)} {restart.times or ''}".rstrip()),
        ("  无条件自动重启 Unconditional", _switch(restart.unconditional)),
        ("  作业卡死重启 Restart upon suspension", _switch(restart.hang)),
        ("规格 Specifications", f"{job.flavour or TO_BE_CHOSEN} ({cards})"),
        ("计算节点个数 Compute nodes", str(job.nodes)),
        ("作业日志路径 Job log path", obs_path(job.log_path)),
    ]
    return rows + _optional_rows(job.placement)


def _program_rows(job: JobSpec) -> list[Row]:
    """What is started: a boot file with a preset engine, or a command in a custom image."""
    code = ("代码目录 Code directory", obs_path(job.code_dir))
    if not job.placement.image:
        engine = f"预置框架 Preset image: {job.engine_name} | {job.engine_version}"
        return [("启动方式 Boot mode", engine), code, ("启动文件 Boot file", obs_path(job.code_dir) + job.boot_file)]
    image = f"自定义 Custom image: {job.placement.image}"
    return [
        ("启动方式 Boot mode", image),
        code,
        ("启动命令 Boot command", job.placement.command or default_command(job)),
    ]


def _optional_rows(placement: Placement) -> list[Row]:
    """The optional fields that the job sets."""
    rows = [
        ("工作空间 Workspace", placement.workspace if placement.workspace != "0" else ""),
        ("资源池 Resource pool", placement.pool),
        ("作业优先级 Job priority", str(placement.priority or "")),
        ("自动停止 Auto stop", f"{placement.auto_stop_hours} 小时 hours" if placement.auto_stop_hours else ""),
        *(("挂载 Volume", volume_text(one)) for one in placement.volumes),
    ]
    return [(name, value) for name, value in rows if value]


LIST_HEAD = ("ID", "PHASE", "NAME", "WHERE", "START", "DURATION", "CHANGED")


def cloud_row(details: Body) -> list[str]:
    """Id, phase, name, place, start, duration and changed values of a job of the platform, under LIST_HEAD."""
    metadata, status = details.get("metadata") or {}, details.get("status") or {}
    started = status.get("start_time") or metadata.get("create_time") or 0  # milliseconds since 1970
    start = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(started) / 1000)) if started else ""
    return [
        *(str(metadata.get("id", "")), str(status.get("phase", "")), str(metadata.get("name", "")), "platform"),
        *(start, clock(int(status.get("duration") or 0) / 1000), _pairs(changed_values(details))),
    ]


def dry_run_row(state: DryRunState) -> list[str]:
    """The same for a dry run."""
    end = [state.started, clock(state.seconds()), _pairs(state.changed)]
    return [state.id, state.phase, state.name, "dry run", *end]


def changed_values(details: Body) -> dict[str, str]:
    """The hyperparameters of a platform job that differ from the declared job of its name, else from the defaults."""
    name = _COPY.sub("", str((details.get("metadata") or {}).get("name", "")))
    usual = (
        load_job(name).arguments()
        if is_declared(name)
        else {key: str(s.value) for key, s in read_settings()[0].items()}
    )
    parameters = (details.get("algorithm") or {}).get("parameters") or ()
    values = {str(one.get("name")): str(one.get("value")) for one in parameters}
    return {key: value for key, value in values.items() if usual.get(key) != value}


def _pairs(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def cloud_lines(details: Body) -> list[str]:
    """The state of a platform job, how its tasks ended, and where its log and outputs are."""
    status = details.get("status") or {}
    lines = ["  ".join(filter(None, cloud_row(details)))]
    for task in status.get("task_statuses") or ():
        lines.append(f"{task.get('task')}: exit code {task.get('exit_code')} {task.get('message') or ''}".rstrip())
    log = ((details.get("spec") or {}).get("log_export_path") or {}).get("obs_url")
    return [*lines, *([f"log: {log}"] if log else []), *(f"output: {url}" for url in outputs_of(details))]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, each column as wide as its widest cell; Chinese characters count twice."""
    columns = max((len(row) for row in rows), default=0)
    widths = [max(_width(row[n]) for row in rows if n < len(row)) for n in range(columns)]
    return "\n".join("  ".join(_padded(cell, widths[n]) for n, cell in enumerate(row)).rstrip() for row in rows)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _switch(on: bool) -> str:
    return "是 Yes" if on else "否 No"
