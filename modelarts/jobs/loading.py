"""Reading a job from `modelarts/jobs/*.yaml`, completed from common.yaml and changed by `--set`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import obs_sync
from modelarts.jobs.definition import (
    FOLDER,
    KINDS,
    MSRUN,
    NO_CHANGES,
    RANK_TABLE,
    URL,
    AutoRestart,
    Changes,
    Channel,
    JobSpec,
    Placement,
    listed_addresses,
)
from modelarts.jobs.hyperparameters import as_text, hyperparameters
from src.checks import did_you_mean, read_yaml_mapping
from src.errors import ConfigError
from src.fill import fill
from src.model_utils.config import read_settings
from src.plural import plural

JOBS_FOLDER = Path(__file__).resolve().parent
COMMON_FILE = "common.yaml"

_KEYS = (
    *("bucket", "prefix", "root", "code_dir", "code", "engine", "flavours", "pool_flavours", "nodes", "cards"),
    *("auto_restart", "offered", "name", "description", "kind", "job_dir", "boot_file", "inputs", "outputs"),
    *("log_path", "hyperparameters", "flavour", "environment"),
    *("pool", "priority", "workspace", "start", "auto_stop_hours", "image", "command", "volumes"),
)
_VOLUME_KEYS = {
    "nfs": {"nfs_server_path", "local_path", "read_only"},
    "pfs": {"pfs_path", "local_path"},
    "obs": {"obs_path", "local_path"},
}
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def job_keys() -> list[str]:
    """The names of the declared jobs: their files without `.yaml`."""
    return sorted(path.stem for path in JOBS_FOLDER.glob("*.yaml") if path.name != COMMON_FILE)


def load_job(word: str, changes: Changes = NO_CHANGES) -> JobSpec:
    """The job with this file name, console name or path of a YAML file; ConfigError when it cannot be read at all.

    Mistakes inside are collected in `problems`, so that all can be shown at once.
    """
    path = _find(word)
    raw = {**read_yaml_mapping(JOBS_FOLDER / COMMON_FILE), **read_yaml_mapping(path)}
    for key in ("bucket", "prefix", "cards", "nodes", "flavour", "pool", "workspace"):
        if getattr(changes, key):
            raw[key] = getattr(changes, key)
    problems = [f"{path.name}: unknown key '{key}'{did_you_mean(key, _KEYS)}" for key in raw if key not in _KEYS]
    missing = [key for key in ("name", "kind", "job_dir", "boot_file", "log_path") if not raw.get(key)]
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)}: missing")
    raw = _fill_in(raw, path)
    job = _build(path, raw, changes, problems)
    return replace(job, name=changes.name or job.name)


def _find(word: str) -> Path:
    if word.endswith((".yaml", ".yml")):
        return Path(word)
    by_name = {}
    for key in job_keys():
        path = JOBS_FOLDER / f"{key}.yaml"
        if key == word:
            return path
        by_name[str(read_yaml_mapping(path).get("name"))] = path
    if word in by_name:
        return by_name[word]
    raise ConfigError(f"no job '{word}'; declared jobs: {', '.join(job_keys())} (or give the path of a YAML file)")


def declared_workspaces() -> tuple[str, ...]:
    """The workspaces of the declared jobs, first the one of jobs that name none of their own."""
    files = (JOBS_FOLDER / COMMON_FILE, *(JOBS_FOLDER / f"{key}.yaml" for key in job_keys()))
    named = [as_text(read_yaml_mapping(path).get("workspace")) for path in files]
    shared, *own = named
    return tuple(dict.fromkeys([shared or "0", *filter(None, own)]))


def is_declared(word: str) -> bool:
    """Whether the word names a declared job or a file, rather than a job of the cloud."""
    try:
        _find(word)
    except ConfigError:
        return False
    return True


def _fill_in(raw: Mapping[str, object], path: Path) -> dict[str, object]:
    """Replace every ${name} by the value of that key, whose own placeholders are replaced first."""

    def value_of(name: str, visited: tuple[str, ...]) -> str:
        if name in visited or not isinstance(raw.get(name), (str, int)):
            raise ConfigError(f"{path}: ${{{name}}} is not defined; use bucket, prefix, root, job_dir or code_dir")
        return str(filled(str(raw[name]), (*visited, name)))

    def filled(value: object, visited: tuple[str, ...] = ()) -> object:
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda found: value_of(found[1], visited), value)
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    return {key: filled(value) for key, value in raw.items()}


def _build(path: Path, raw: Mapping[str, object], changes: Changes, problems: list[str]) -> JobSpec:
    cards, nodes = _count(raw, "cards", problems), _count(raw, "nodes", problems)
    channels = {
        part: [_channel(name, one, changes, problems) for name, one in _mapping(raw, part, problems).items()]
        for part in ("inputs", "outputs")
    }
    named = {channel.name for part in channels.values() for channel in part}
    values = {**_mapping(raw, "hyperparameters", problems), **changes.values}
    values = {name: value for name, value in values.items() if name not in named}
    offered = _offered(raw, cards * nodes, named, problems)
    problems += _without_effect(values, raw, offered, cards * nodes)
    found, mistakes = hyperparameters(values, offered, as_text(raw.get("kind")))
    code, engine = _mapping(raw, "code", problems), _mapping(raw, "engine", problems)
    code_file = path if "code" in read_yaml_mapping(path) else JOBS_FOLDER / COMMON_FILE
    return JobSpec(
        key=path.stem if path.parent == JOBS_FOLDER else str(path),
        name=str(raw["name"]),
        description=as_text(raw.get("description")),
        kind=str(raw["kind"]),
        code_folder=(code_file.parent / str(code.get("folder", "."))).resolve(),
        code_files=tuple(_words(code.get("files"))),
        code_dir=obs_sync.join(str(raw["code_dir"]), ""),
        boot_file=str(raw["boot_file"]),
        engine_name=as_text(engine.get("name")),
        engine_version=as_text(engine.get("version")),
        flavour=_flavour(raw, cards, problems),
        nodes=nodes,
        cards=cards,
        inputs=tuple(channels["inputs"]),
        outputs=tuple(channels["outputs"]),
        log_path=obs_sync.join(str(raw["log_path"]), ""),
        environment={str(k): as_text(v) for k, v in _mapping(raw, "environment", problems).items()},
        auto_restart=_auto_restart(raw, problems),
        hyperparameters=tuple(found),
        placement=_placement(raw, problems),
        problems=(*problems, *mistakes),
    )


def _offered(raw: Mapping[str, object], processes: int, channels: set[str], problems: list[str]) -> tuple[str, ...]:
    """The settings that the console shows for this kind of job and number of cards."""
    if raw["kind"] not in KINDS:
        problems.append(f"kind: '{raw['kind']}' is not one of {', '.join(KINDS)}")
    groups = _mapping(raw, "offered", problems)
    wanted = [str(raw["kind"])]
    if raw["kind"] == "training":
        wanted.append("one_card" if processes == 1 else "several_cards")
    names = [name for group in wanted for name in _words(groups.get(group))]
    return tuple(name for name in names if name not in channels)


def _without_effect(
    values: Mapping[str, object], raw: Mapping[str, object], offered: Sequence[str], processes: int
) -> list[str]:
    """One line for each value that this job ignores: a setting for the other kind of job or number of cards."""
    problems = []
    settings, _ = read_settings()
    shared = {name for name, setting in settings.items() if setting.job in ("", raw["kind"])}
    for group, names in _mapping(raw, "offered", []).items():
        elsewhere = set(_words(names)) - set(offered) - (shared if group in KINDS else set())
        for name in (one for one in values if one in elsewhere):
            if group in KINDS:
                problems.append(f"{name}: has no effect here: it is a setting of {group}, not of {raw['kind']}")
            elif raw["kind"] == "training":
                other = name[: -len("_NP")] if name.endswith("_NP") else f"{name}_NP"
                cards = "several cards" if name.endswith("_NP") else "one card"
                here = f"with {plural(processes, 'card')} set {other}"
                problems.append(f"{name}: has no effect here: it is for {cards}; {here}")
            else:
                problems.append(f"{name}: has no effect here: it is a setting of training, not of inference")
    return problems


def _channel(name: str, raw: object, changes: Changes, problems: list[str]) -> Channel:
    if not isinstance(raw, dict) or not raw.get("url") or set(raw) - {"url", "pass", "predownload"}:
        problems.append(
            f"{name}: must be written {{url: obs://…, pass: {FOLDER} or {URL}, predownload: True or False}}"
        )
        raw = {"url": "", "pass": FOLDER}
    pass_as = changes.pass_as or str(raw.get("pass", FOLDER))
    if pass_as not in (FOLDER, URL):
        problems.append(f"{name}: pass: '{pass_as}' is not one of {FOLDER}, {URL}")
    url = changes.values.get(name, str(raw["url"])).strip()
    if not url and name in changes.values:
        problems.append(f"{name}: is empty; name a folder")
    addresses = listed_addresses(name, url)
    if len(addresses) > 1:
        pass_as = URL  # the platform's inputs take one folder each
    url = ",".join(obs_sync.join(one, "") if obs_sync.is_url(one) else one for one in addresses)
    return Channel(name, url, pass_as, raw.get("predownload") is True)


def _flavour(raw: Mapping[str, object], cards: int, problems: list[str]) -> str:
    """The flavour set explicitly, else the table's for this number of cards; empty if neither is set."""
    table = _mapping(raw, "pool_flavours" if raw.get("pool") else "flavours", problems)
    return as_text(raw.get("flavour")) or as_text(table.get(str(cards)))


def _placement(raw: Mapping[str, object], problems: list[str]) -> Placement:
    start = str(raw.get("start") or RANK_TABLE)
    if start not in (RANK_TABLE, MSRUN):
        problems.append(f"start: '{start}' is not one of {RANK_TABLE}, {MSRUN}")
    return Placement(
        pool=as_text(raw.get("pool")),
        priority=_whole(raw, "priority", (0, 3), problems),
        workspace=as_text(raw.get("workspace")) or "0",
        start=start,
        auto_stop_hours=_whole(raw, "auto_stop_hours", (0, 10_000), problems),
        image=as_text(raw.get("image")),
        command=as_text(raw.get("command")),
        volumes=_volumes(raw.get("volumes"), problems),
    )


def _whole(raw: Mapping[str, object], key: str, limits: tuple[int, int], problems: list[str]) -> int:
    """A whole number within limits, 0 when the key is absent."""
    value = raw.get(key) or 0
    if not isinstance(value, int) or isinstance(value, bool) or not limits[0] <= value <= limits[1]:
        problems.append(f"{key}: {value!r} is not a whole number from {limits[0]} to {limits[1]}")
        return 0
    return value


def _volumes(raw: object, problems: list[str]) -> tuple[Mapping[str, object], ...]:
    """Mounts of one kind each, with the keys that the API documents."""
    found = []
    for one in raw if isinstance(raw, list) else [] if raw is None else [raw]:
        kind, given = next(iter(one.items())) if isinstance(one, dict) and len(one) == 1 else ("", None)
        keys = _VOLUME_KEYS.get(kind, set())
        if not isinstance(given, dict) or not keys or not keys - {"read_only"} <= set(given) <= keys:
            forms = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in _VOLUME_KEYS.items())
            problems.append(f"volumes: {one!r} is not a mount; write one of {forms}")
            continue
        found.append({str(kind): given})
    return tuple(found)


def _auto_restart(raw: Mapping[str, object], problems: list[str]) -> AutoRestart:
    try:
        found = fill(AutoRestart, _mapping(raw, "auto_restart", problems))
    except TypeError:
        problems.append("auto_restart: must be written {times: 3, unconditional: True, hang: True}")
        return AutoRestart()
    if not isinstance(found.times, int) or isinstance(found.times, bool) or not 0 <= found.times <= 128:
        problems.append(f"auto_restart: times: {found.times!r} is not a whole number from 0 to 128")
        return AutoRestart()
    return found


def _words(value: object) -> list[str]:
    """The entries of a YAML list as text; none for anything else."""
    return [str(item) for item in value] if isinstance(value, list) else []


def _count(raw: Mapping[str, object], key: str, problems: list[str]) -> int:
    value = raw.get(key, 1)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        problems.append(f"{key}: {value!r} is not a whole number from 1")
        return 1
    return value


def _mapping(raw: Mapping[str, object], key: str, problems: list[str]) -> dict[str, object]:
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.append(f"{key}: must contain 'name: value' lines")
        return {}
    return {str(name): item for name, item in value.items()}
